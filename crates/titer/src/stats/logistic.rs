//! The logistic function.

/// `σ(x) = 1 / (1 + e⁻ˣ)`: the probability whose log-odds are `x`.
pub fn logistic(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}
