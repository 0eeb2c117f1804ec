//! A mean and its 95 % interval.

use std::fmt;

use statrs::distribution::{ContinuousCDF, StudentsT};

use super::spread::{mean, variance};

/// What an interval's spread is taken over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// Student's t over the means of seeds: the interval speaks of other seeds.
    Seeds,
    /// Student's t over the items of the only seed: the interval speaks of other items, not of other seeds.
    Items,
    /// One number: there is no interval.
    Single,
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Seeds => "t over seeds",
            Self::Items => "t over items of one seed",
            Self::Single => "no interval",
        })
    }
}

/// A mean with its 95 % interval, in the unit of what was averaged.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Estimate {
    /// The mean of the seeds' means.
    pub mean: f64,
    /// Lower end of the interval; not a number where there is none.
    pub low: f64,
    /// Upper end of the interval; not a number where there is none.
    pub high: f64,
    /// Seeds behind it.
    pub n_seeds: usize,
    /// Items behind it, over all seeds.
    pub n_items: usize,
    /// What the interval is taken over.
    pub method: Method,
}

impl Estimate {
    /// The estimate from the items of each seed, `[seeds][items]`. Seeds count equally, however many items they have,
    /// because a seed owns its base model, its data and its items. Seeds without items do not count; `None` where no
    /// seed has any.
    pub fn clustered<'a>(seeds: impl IntoIterator<Item = &'a [f64]>) -> Option<Self> {
        let seeds: Vec<&[f64]> = seeds.into_iter().filter(|items| !items.is_empty()).collect();
        let n_items = seeds.iter().map(|items| items.len()).sum();
        let means: Vec<f64> = seeds.iter().map(|items| mean(items)).collect();
        let (spread, method) = match seeds.as_slice() {
            [] => return None,
            [items] if items.len() == 1 => (f64::NAN, Method::Single),
            [items] => (half_width(items), Method::Items),
            _ => (half_width(&means), Method::Seeds),
        };
        let mean = mean(&means);
        Some(Self { mean, low: mean - spread, high: mean + spread, n_seeds: seeds.len(), n_items, method })
    }

    /// The same with the interval cut to what a probability can be.
    pub fn of_rate(self) -> Self {
        Self { low: self.low.clamp(0.0, 1.0), high: self.high.clamp(0.0, 1.0), ..self }
    }

    /// Whether there is an interval at all.
    pub fn has_interval(&self) -> bool {
        self.low.is_finite() && self.high.is_finite()
    }
}

/// Half the width of the 95 % t-interval of the mean of at least two values.
fn half_width(values: &[f64]) -> f64 {
    quantile(values.len() as f64 - 1.0) * (variance(values) / values.len() as f64).sqrt()
}

/// Half the width of a 95 % t-interval in standard errors.
pub(crate) fn quantile(freedom: f64) -> f64 {
    let student = StudentsT::new(0.0, 1.0, freedom).expect("at least two values leave a degree of freedom");
    student.inverse_cdf(0.975)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rand::SeedableRng as _;
    use rand_chacha::ChaCha8Rng;

    use super::*;

    fn close(left: f64, right: f64) {
        assert!((left - right).abs() < 1e-6 * right.abs().max(1.0), "{left} is not {right}");
    }

    #[test]
    fn quantiles_are_the_published_ones() {
        for (count, quantile) in [(2, 12.706205), (3, 4.302653), (4, 3.182446), (10, 2.262157), (31, 2.042272)] {
            let values: Vec<f64> = (0..count).map(f64::from).collect();
            let n = f64::from(count);
            let error = (n * (n + 1.0) / 12.0 / n).sqrt(); // the variance of 0..n is n (n + 1) / 12
            assert!((half_width(&values) / error - quantile).abs() < 1e-5, "{count}: {}", half_width(&values) / error);
        }
    }

    #[test]
    fn seeds_count_equally_and_own_the_interval() {
        let seeds: [&[f64]; 3] = [&[1.0, 1.0, 1.0, 1.0], &[2.0], &[3.0, 3.0]];
        let estimate = Estimate::clustered(seeds).unwrap();
        close(estimate.mean, 2.0);
        close(estimate.high, 2.0 + 4.302_652_73 / 3f64.sqrt());
        close(estimate.low, 2.0 - 4.302_652_73 / 3f64.sqrt());
        assert_eq!((estimate.n_seeds, estimate.n_items, estimate.method), (3, 7, Method::Seeds));
    }

    #[test]
    fn one_seed_falls_back_to_items_and_one_item_to_nothing() {
        let one: [&[f64]; 2] = [&[0.0, 2.0], &[]];
        let estimate = Estimate::clustered(one).unwrap();
        close(estimate.high, 1.0 + 12.706_204_7);
        assert_eq!((estimate.n_seeds, estimate.method), (1, Method::Items));
        let single: [&[f64]; 1] = [&[0.5]];
        let estimate = Estimate::clustered(single).unwrap();
        assert!(!estimate.has_interval() && estimate.of_rate().low.is_nan());
        let none: [&[f64]; 1] = [&[]];
        assert_eq!(Estimate::clustered(none), None);
    }

    #[test]
    fn rates_stay_probabilities() {
        let seeds: [&[f64]; 2] = [&[0.9], &[1.0]];
        let estimate = Estimate::clustered(seeds).unwrap().of_rate();
        close(estimate.low, 0.95 - 0.05 * 12.706_204_7);
        assert_eq!(estimate.high, 1.0);
    }

    #[test]
    fn intervals_over_seeds_cover_where_intervals_over_items_do_not() {
        // Seeds differ by N(0, 1), items within a seed by N(0, 0.1): what a sweep looks like.
        let mut rng = ChaCha8Rng::seed_from_u64(7);
        let mut normal = || (0..12).map(|_| rng.random::<f64>()).sum::<f64>() - 6.0;
        let (trials, mut by_seed, mut pooled) = (2000, 0, 0);
        for _ in 0..trials {
            let seeds: Vec<Vec<f64>> = (0..4)
                .map(|_| {
                    let seed = normal();
                    (0..8).map(|_| seed + 0.1 * normal()).collect()
                })
                .collect();
            let covers = |estimate: Estimate| estimate.low <= 0.0 && 0.0 <= estimate.high;
            by_seed += usize::from(covers(Estimate::clustered(seeds.iter().map(Vec::as_slice)).unwrap()));
            pooled += usize::from(covers(Estimate::clustered([seeds.concat().as_slice()]).unwrap()));
        }
        let share = |count: usize| count as f64 / f64::from(trials);
        assert!((share(by_seed) - 0.95).abs() < 0.02, "covers {}", share(by_seed));
        assert!(share(pooled) < 0.7, "covers {}", share(pooled));
    }

    proptest! {
        #[test]
        fn shifting_the_items_shifts_the_interval(
            seeds in prop::collection::vec(prop::collection::vec(-5.0..5.0f64, 2..6), 1..5),
            by in -9.0..9.0f64,
        ) {
            let shifted: Vec<Vec<f64>> =
                seeds.iter().map(|items| items.iter().map(|item| item + by).collect()).collect();
            let before = Estimate::clustered(seeds.iter().map(Vec::as_slice)).unwrap();
            let after = Estimate::clustered(shifted.iter().map(Vec::as_slice)).unwrap();
            prop_assert!((after.low - before.low - by).abs() < 1e-8);
            prop_assert!((after.high - before.high - by).abs() < 1e-8);
        }
    }
}
