//! A correlation over points that come in clusters, with an interval that knows it.

use super::{Estimate, Method, estimate::quantile};

/// The correlation `of` all points `[seeds][points]` together, with a 95 % interval clustered by seed: on Fisher's scale
/// `z = artanh r`, the standard error is that of the jackknife that leaves out one seed at a time, and the interval is
/// `tanh (z ± t · error)` with one degree of freedom less than there are seeds. `None` where there is no correlation; no
/// interval with one seed, or where leaving one out leaves none.
pub fn correlated(seeds: &[Vec<(f64, f64)>], of: impl Fn(&[f64], &[f64]) -> f64) -> Option<Estimate> {
    // A perfect correlation has no finite z.
    const LARGEST: f64 = 1.0 - 1e-9;
    let z = |left_out: Option<usize>| {
        let kept = seeds.iter().enumerate().filter(|(at, _)| Some(*at) != left_out);
        let (x, y): (Vec<f64>, Vec<f64>) = kept.flat_map(|(_, points)| points.iter().copied()).unzip();
        of(&x, &y).clamp(-LARGEST, LARGEST).atanh()
    };
    let all = Some(z(None)).filter(|all| all.is_finite())?;
    let n_seeds = seeds.iter().filter(|points| !points.is_empty()).count();
    let n_items = seeds.iter().map(Vec::len).sum();
    if n_seeds < 2 {
        let (mean, none) = (all.tanh(), f64::NAN);
        return Some(Estimate { mean, low: none, high: none, n_seeds, n_items, method: Method::Single });
    }
    let left_out: Vec<f64> =
        (0..seeds.len()).filter(|seed| !seeds[*seed].is_empty()).map(|seed| z(Some(seed))).collect();
    let (count, mean) = (left_out.len() as f64, left_out.iter().sum::<f64>() / left_out.len() as f64);
    let variance = left_out.iter().map(|z| (z - mean).powi(2)).sum::<f64>() * (count - 1.0) / count;
    let spread = quantile(count - 1.0) * variance.sqrt();
    let (low, high) = ((all - spread).tanh(), (all + spread).tanh());
    Some(Estimate { mean: all.tanh(), low, high, n_seeds, n_items, method: Method::Seeds })
}

#[cfg(test)]
mod tests {
    use rand::{RngExt as _, SeedableRng as _};
    use rand_chacha::ChaCha8Rng;

    use super::*;
    use crate::stats::pearson;

    /// Points with a correlation of 1 / √(1 + noise²) within a seed, and a shift of each seed along the line.
    fn seeds(rng: &mut ChaCha8Rng, count: usize, points: usize, noise: f64) -> Vec<Vec<(f64, f64)>> {
        let mut normal = || (0..12).map(|_| rng.random::<f64>()).sum::<f64>() - 6.0;
        let mut point = || {
            let x = normal();
            (x, x + noise * normal())
        };
        (0..count).map(|_| (0..points).map(|_| point()).collect()).collect()
    }

    #[test]
    fn the_interval_covers_the_correlation() {
        let mut rng = ChaCha8Rng::seed_from_u64(3);
        let (trials, truth) = (1000, 1.0 / (1.0f64 + 0.25).sqrt());
        let covers = (0..trials).filter(|_| {
            let found = correlated(&seeds(&mut rng, 5, 7, 0.5), pearson).unwrap();
            found.low <= truth && truth <= found.high
        });
        let share = covers.count() as f64 / f64::from(trials);
        assert!((0.92..0.98).contains(&share), "covers {share}");
    }

    #[test]
    fn what_has_no_correlation_or_no_interval_says_so() {
        assert_eq!(correlated(&[vec![(1.0, 2.0), (1.0, 3.0)]], pearson), None);
        let one = correlated(&[vec![(1.0, 2.0), (2.0, 3.0), (3.0, 1.0)]], pearson).unwrap();
        assert!((one.mean + 0.5).abs() < 1e-9 && !one.has_interval());
        let perfect = correlated(&vec![vec![(1.0, 2.0), (2.0, 4.0)]; 3], pearson).unwrap();
        assert!(perfect.low > 0.999 && perfect.n_items == 6);
    }
}
