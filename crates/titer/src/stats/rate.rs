//! A rate over scored replies, with an interval that knows which replies belong together.

use std::{collections::BTreeMap, fmt};

use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

/// Half the width of a 95 % interval in standard errors.
const Z: f64 = 1.959_963_984_540_054;

/// How often the clusters are drawn anew.
const RESAMPLES: usize = 10_000;

/// What an interval rests on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RateMethod {
    /// Percentiles of the rate over clusters drawn with replacement (10,000 times, seeded).
    Bootstrap,
    /// Wilson's score interval with as many trials as there are clusters: where each has one reply that shows the behaviour
    /// or does not, and where all replies score the same, so that drawing them anew says nothing.
    Wilson,
}

impl fmt::Display for RateMethod {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Bootstrap => "bootstrap over clusters",
            Self::Wilson => "Wilson",
        })
    }
}

/// The mean of scores in 0..=1 with its 95 % interval.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rate {
    /// The mean over all scores.
    pub rate: f64,
    /// Lower end of the interval.
    pub low: f64,
    /// Upper end of the interval.
    pub high: f64,
    /// Scores behind it.
    pub n: usize,
    /// Clusters that they belong to.
    pub clusters: usize,
    /// What the interval rests on.
    pub method: RateMethod,
}

impl Rate {
    /// The rate of scores, each with the name of its cluster, such as the prompt that several replies answer. Every score
    /// counts the same, in the rate as in each resample. `None` where there are no scores.
    pub fn of<'a>(scores: impl IntoIterator<Item = (&'a str, f64)>) -> Option<Self> {
        let mut sums: BTreeMap<&str, (f64, usize)> = BTreeMap::new();
        let mut all = Vec::new();
        for (cluster, score) in scores {
            let (sum, count) = sums.entry(cluster).or_default();
            (*sum, *count) = (*sum + score, *count + 1);
            all.push(score);
        }
        let (first, n, clusters) = (*all.first()?, all.len(), sums.len());
        let rate = all.iter().sum::<f64>() / n as f64;
        let alone = clusters == n && all.iter().all(|&score| score == 0.0 || score == 1.0);
        let ((low, high), method) = if alone || all.iter().all(|&score| score == first) {
            (wilson(rate, clusters as f64), RateMethod::Wilson)
        } else {
            (bootstrap(&sums.into_values().collect::<Vec<_>>()), RateMethod::Bootstrap)
        };
        Some(Self { rate, low, high, n, clusters, method })
    }
}

/// Wilson's score interval of a share of `n` trials (1927), equation (4): the shares that a test at 5 % would not reject.
fn wilson(rate: f64, n: f64) -> (f64, f64) {
    let middle = rate + Z * Z / (2.0 * n);
    let spread = Z * (rate * (1.0 - rate) / n + Z * Z / (4.0 * n * n)).sqrt();
    let scale = 1.0 + Z * Z / n;
    (((middle - spread) / scale).max(0.0), ((middle + spread) / scale).min(1.0))
}

/// The 2.5 % and 97.5 % points of the mean over clusters drawn with replacement; clusters as (sum, count).
fn bootstrap(clusters: &[(f64, usize)]) -> (f64, f64) {
    let mut rng = ChaCha8Rng::seed_from_u64(42);
    let below = clusters.len() as u32;
    let mut means: Vec<f64> = (0..RESAMPLES)
        .map(|_| {
            let drawn = (0..below).map(|_| clusters[rng.random_range(0..below) as usize]);
            let (sum, count) = drawn.fold((0.0, 0), |(sum, count), (more, others)| (sum + more, count + others));
            sum / count as f64
        })
        .collect();
    means.sort_by(f64::total_cmp);
    (means[RESAMPLES / 40], means[RESAMPLES - RESAMPLES / 40])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rate(scores: &[(u32, f64)]) -> Rate {
        let named: Vec<(String, f64)> = scores.iter().map(|(cluster, score)| (cluster.to_string(), *score)).collect();
        Rate::of(named.iter().map(|(cluster, score)| (cluster.as_str(), *score))).unwrap()
    }

    #[test]
    fn wilson_is_the_published_formula() {
        // statsmodels.stats.proportion.proportion_confint(7, 20, method="wilson")
        let found = rate(&(0..20).map(|at| (at, f64::from(u8::from(at < 7)))).collect::<Vec<_>>());
        assert_eq!((found.method, found.n), (RateMethod::Wilson, 20));
        assert!((found.low - 0.181_192_1).abs() < 1e-6 && (found.high - 0.567_146_1).abs() < 1e-6, "{found:?}");
        // None of 10: 0 to z² / (n + z²).
        let none = rate(&(0..10).map(|at| (at, 0.0)).collect::<Vec<_>>());
        assert!(none.low == 0.0 && (none.high - Z * Z / (10.0 + Z * Z)).abs() < 1e-12, "{none:?}");
    }

    #[test]
    fn replies_to_one_prompt_are_one_draw() {
        // 50 prompts with four replies each that all agree: as uncertain as 50 replies.
        let alone: Vec<(u32, f64)> = (0..50).map(|at| (at, f64::from(at % 2))).collect();
        let repeated: Vec<(u32, f64)> = alone.iter().flat_map(|&one| [one; 4]).collect();
        let (alone, repeated) = (rate(&alone), rate(&repeated));
        assert_eq!((repeated.rate, repeated.n, repeated.clusters), (0.5, 200, 50));
        let width = |rate: Rate| rate.high - rate.low;
        assert!((width(repeated) / width(alone) - 1.0).abs() < 0.1, "{alone:?} {repeated:?}");
        // By the normal approximation 2 · 1.96 · sqrt(.25 / 50).
        assert!((width(repeated) - 0.277).abs() < 0.02, "{repeated:?}");
        // As independent replies they would look twice as certain.
        let apart: Vec<(u32, f64)> = (0..200).map(|at| (at, f64::from(at % 2))).collect();
        assert!(width(rate(&apart)) < 0.55 * width(repeated));
    }

    #[test]
    fn scores_between_count_as_they_are_and_equal_ones_are_not_certain() {
        let found = rate(&[(0, 0.5), (0, 1.0), (1, 0.0)]);
        assert!((found.rate - 0.5).abs() < 1e-12 && found.method == RateMethod::Bootstrap);
        let all = rate(&[(0, 1.0), (0, 1.0), (1, 1.0)]);
        assert!(all.high == 1.0 && all.low < 0.5, "{all:?}");
        assert_eq!(Rate::of([]), None);
    }
}
