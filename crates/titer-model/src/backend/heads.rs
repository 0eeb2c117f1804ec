//! What attention takes besides buffers.

/// Head counts and widths of an attention operation, and what becomes of its scores.
#[derive(Clone, Copy, Debug)]
pub struct Heads {
    /// Query heads.
    pub queries: usize,
    /// Key and value heads; each serves `queries / keys` query heads.
    pub keys: usize,
    /// Width of a head.
    pub width: usize,
    /// Factor on the scores, `1/√width` as a rule.
    pub scale: f64,
    /// Bound `c` of the scores: `c · tanh(score / c)`.
    pub softcap: Option<f64>,
}
