//! The activation of a gated MLP.

/// The activation of a gated MLP. Each is `g · σ(φ(g))` with the logistic function `σ`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Activation {
    /// `φ(g) = g`
    #[default]
    Silu,
    /// `φ(g) = √(8/π) · (g + 0.044715 g³)`: the approximation of GELU by a tanh (arXiv 1606.08415).
    GeluTanh,
}
