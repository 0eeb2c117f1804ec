//! A rate over scored replies, with an interval that knows which replies belong together.

use std::{collections::BTreeMap, fmt};

use statrs::distribution::{Beta, ContinuousCDF};

use super::{Support, student::quantile};

/// What an interval rests on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RateMethod {
    /// Student's t over clusters on log-odds, with one degree of freedom less than there are clusters; of scores between 0 and 1 at least as wide as the exact
    /// one, because the few that would move their mean may not be among them.
    Clusters,
    /// Clopper and Pearson's exact interval with as many trials as there are clusters: where each has one reply that shows the behaviour
    /// or does not, and where all replies score the same, so that clusters do not differ.
    Exact,
}

impl fmt::Display for RateMethod {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Clusters => "t over clusters",
            Self::Exact => "exact",
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
    /// counts the same. `None` where there are no scores.
    pub fn of<'a>(scores: impl IntoIterator<Item = (&'a str, f64)>) -> Option<Self> {
        let mut sums: BTreeMap<&str, (f64, usize)> = BTreeMap::new();
        let mut all = Vec::new();
        for (cluster, score) in scores {
            let (sum, count) = sums.entry(cluster).or_default();
            (*sum, *count) = (*sum + score, *count + 1);
            all.push(score);
        }
        let (n, clusters) = (all.len(), sums.len());
        if n == 0 {
            return None;
        }
        let rate = all.iter().sum::<f64>() / n as f64;
        let whole = all.iter().all(|&score| score == 0.0 || score == 1.0);
        let over_clusters = over_clusters(rate, &sums.into_values().collect::<Vec<_>>());
        let exact = exact(rate, clusters as f64);
        let ((low, high), method) = match over_clusters {
            Some(_) if whole && clusters == n => (exact, RateMethod::Exact),
            Some(ends) if whole => (ends, RateMethod::Clusters),
            Some((low, high)) => ((low.min(exact.0), high.max(exact.1)), RateMethod::Clusters),
            None => (exact, RateMethod::Exact),
        };
        Some(Self { rate, low, high, n, clusters, method })
    }
}

/// The exact interval of a share of `n` trials (Clopper and Pearson 1934): shares under which neither so few nor so many would be seen in a fortieth of all
/// samples. Of a share that is no whole number of trials, between those of its neighbours.
fn exact(rate: f64, n: f64) -> (f64, f64) {
    let seen = rate * n;
    let end = |a: f64, b: f64, at: f64| Beta::new(a, b).expect("both shapes are above 0").inverse_cdf(at);
    let low = if seen > 0.0 { end(seen, n - seen + 1.0, 0.025) } else { 0.0 };
    let high = if seen < n { end(seen + 1.0, n - seen, 0.975) } else { 1.0 };
    (low, high)
}

/// The interval over clusters, `(sum, count)` each: the error of a ratio of sums (linearised), brought to log-odds, times Student's t. `None` where
/// clusters do not differ.
fn over_clusters(rate: f64, clusters: &[(f64, usize)]) -> Option<(f64, f64)> {
    let (k, n) = (clusters.len() as f64, clusters.iter().map(|(_, count)| count).sum::<usize>() as f64);
    let squares: f64 = clusters.iter().map(|(sum, count)| (sum - rate * *count as f64).powi(2)).sum();
    let error = (k / (k - 1.0) * squares).sqrt() / n * Support::Rate.slope(rate);
    // Sums that are equal but for their last bits do not differ.
    (clusters.len() > 1 && error.is_finite() && squares > 1e-18 * n * n).then(|| {
        let (place, spread) = (Support::Rate.to_scale(rate), quantile(k - 1.0) * error);
        (Support::Rate.from_scale(place - spread), Support::Rate.from_scale(place + spread))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rate(scores: &[(u32, f64)]) -> Rate {
        let named: Vec<(String, f64)> = scores.iter().map(|(cluster, score)| (cluster.to_string(), *score)).collect();
        Rate::of(named.iter().map(|(cluster, score)| (cluster.as_str(), *score))).unwrap()
    }

    #[test]
    fn the_exact_interval_is_the_published_one() {
        // scipy.stats.beta.ppf(.025, 7, 14), scipy.stats.beta.ppf(.975, 8, 13)
        let found = rate(&(0..20).map(|at| (at, f64::from(u8::from(at < 7)))).collect::<Vec<_>>());
        assert_eq!((found.method, found.n), (RateMethod::Exact, 20));
        assert!((found.low - 0.153_909_2).abs() < 1e-6 && (found.high - 0.592_188_5).abs() < 1e-6, "{found:?}");
        // None of 10: 0 to 1 − .025^(1/10).
        let none = rate(&(0..10).map(|at| (at, 0.0)).collect::<Vec<_>>());
        assert!(none.low == 0.0 && (none.high - (1.0 - 0.025f64.powf(0.1))).abs() < 1e-9, "{none:?}");
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
        // On log-odds 2 · t(.975, 49) · sqrt(50 / 49 · .25 / 50) / .25, brought back.
        assert!((width(repeated) - 0.279).abs() < 0.005, "{repeated:?}");
        // As independent replies they would look twice as certain.
        let apart: Vec<(u32, f64)> = (0..200).map(|at| (at, f64::from(at % 2))).collect();
        assert!(width(rate(&apart)) < 0.55 * width(repeated));
    }

    #[test]
    fn scores_between_count_as_they_are_and_equal_ones_are_not_certain() {
        let found = rate(&[(0, 0.5), (0, 1.0), (1, 0.0)]);
        assert!((found.rate - 0.5).abs() < 1e-12 && found.method == RateMethod::Clusters);
        let all = rate(&[(0, 1.0), (0, 1.0), (1, 1.0)]);
        assert!(all.high == 1.0 && all.low < 0.5, "{all:?}");
        assert_eq!(Rate::of([]), None);
    }

    #[test]
    fn scores_between_are_no_more_certain_than_as_many_yes_and_no() {
        // 20 replies that a judge scores near 0: one in fifty that scores near 1 would hardly be among them.
        let found = rate(&(0..20).map(|at| (at, 0.001 * f64::from(at))).collect::<Vec<_>>());
        let (low, high) = exact(found.rate, 20.0);
        assert!(found.low <= low && found.high >= high && found.high > 0.16, "{found:?}");
    }

    #[test]
    fn clusters_that_do_not_differ_are_as_uncertain_as_they_are_few() {
        let equal: Vec<(u32, f64)> = (0..20).map(|at| (at / 4, f64::from(u8::from(at % 4 == 0)))).collect();
        let found = rate(&equal);
        assert!((found.rate - 0.25).abs() < 1e-12 && found.method == RateMethod::Exact);
        assert!((found.low - 0.012_104_9).abs() < 1e-6 && (found.high - 0.755_020_1).abs() < 1e-6, "{found:?}");
        let one = rate(&[(0, 1.0), (0, 0.0)]);
        assert!(one.high - one.low > 0.8, "{one:?}");
    }
}
