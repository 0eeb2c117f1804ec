//! Many claims at once.

/// Whether each of some tests still passes at this level when all are judged together (Holm 1979): the smallest `p` is held against
/// `level / n`, the next one against `level / (n − 1)`, until the first that fails. So the chance that any claim whose truth lies at its bound passes is
/// at most `level`, however many there are.
pub fn holm(p_values: &[f64], level: f64) -> Vec<bool> {
    let mut order: Vec<usize> = (0..p_values.len()).collect();
    order.sort_by(|&a, &b| p_values[a].total_cmp(&p_values[b]));
    let mut passes = vec![false; p_values.len()];
    for (rank, at) in order.into_iter().enumerate() {
        if p_values[at].is_nan() || p_values[at] > level / (p_values.len() - rank) as f64 {
            break;
        }
        passes[at] = true;
    }
    passes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_that_fails_ends_it() {
        // statsmodels.stats.multitest.multipletests([.01, .04, .03, .005], .05, "holm") rejects the first and the last.
        assert_eq!(holm(&[0.01, 0.04, 0.03, 0.005], 0.05), [true, false, false, true]);
        assert_eq!(holm(&[0.02, 0.02], 0.025), [false, false]);
        assert_eq!(holm(&[f64::NAN, 0.001], 0.025), [false, true]);
        assert!(holm(&[], 0.025).is_empty());
    }
}
