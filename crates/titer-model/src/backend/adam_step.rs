//! One step of Adam: its constants, and what it moves.

/// One step of a diagonal-preconditioned optimiser (Adam with decoupled weight decay, arXiv 1711.05101).
#[derive(Clone, Copy, Debug)]
pub struct AdamStep {
    /// Learning rate, the bias correction of the first moment included.
    pub step_size: f64,
    /// Factor on the weights before the step: `1 − lr · decay`.
    pub keep: f64,
    /// Decay of the first moment.
    pub beta1: f64,
    /// Decay of the second moment.
    pub beta2: f64,
    /// Added to the root of the corrected second moment.
    pub eps: f64,
    /// `1 / (1 − β₂ᵗ)`.
    pub correction2: f64,
    /// Factor on the gradient: what clipping leaves of it.
    pub gradient_scale: f64,
}

/// One parameter that a step moves.
#[derive(Debug)]
pub struct AdamParam<'a, Buffer> {
    /// Its numbers.
    pub weight: &'a mut Buffer,
    /// The gradient there.
    pub gradient: &'a Buffer,
    /// Its first moment.
    pub first: &'a mut Buffer,
    /// Its second moment.
    pub second: &'a mut Buffer,
}
