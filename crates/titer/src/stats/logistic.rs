//! The logistic function.

/// `σ(x) = 1 / (1 + e⁻ˣ)`: the probability whose log-odds are `x`.
///
/// ```
/// assert_eq!(titer::stats::logistic(0.0), 0.5);
/// assert!((titer::stats::logistic(3_f64.ln()) - 0.75).abs() < 1e-15);
/// ```
pub fn logistic(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}
