//! Seeded draws for simulations.

use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use titer::stats::logistic;

/// Random numbers of the distributions that simulated sweeps are made of.
pub(crate) struct Draws(ChaCha8Rng);

/// How rates differ between seeds or items.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Rates {
    /// Log-odds are normal: mean and deviation.
    LogOdds(f64, f64),
    /// Beta distribution with whole parameters: mean `a / (a + b)`.
    Beta(usize, usize),
}

impl Draws {
    pub(crate) fn new(seed: u64) -> Self {
        Self(ChaCha8Rng::seed_from_u64(seed))
    }

    pub(crate) fn unit(&mut self) -> f64 {
        self.0.random()
    }

    pub(crate) fn below(&mut self, count: usize) -> usize {
        self.0.random_range(0..count)
    }

    /// Box and Muller.
    pub(crate) fn normal(&mut self) -> f64 {
        let radius = (-2.0 * (1.0 - self.unit()).ln()).sqrt();
        radius * (std::f64::consts::TAU * self.unit()).cos()
    }

    fn gamma(&mut self, shape: usize) -> f64 {
        (0..shape).map(|_| -(1.0 - self.unit()).ln()).sum()
    }

    pub(crate) fn rate(&mut self, rates: Rates) -> f64 {
        match rates {
            Rates::LogOdds(mean, deviation) => logistic(mean + deviation * self.normal()),
            Rates::Beta(a, b) => {
                let (a, b) = (self.gamma(a), self.gamma(b));
                a / (a + b)
            }
        }
    }

    /// Whether something of this probability happens.
    pub(crate) fn happens(&mut self, probability: f64) -> bool {
        self.unit() < probability
    }
}

impl Rates {
    /// The mean of what is drawn.
    pub(crate) fn mean(self) -> f64 {
        match self {
            // By the midpoints of 100,000 equal shares of ± 9 deviations.
            Self::LogOdds(mean, deviation) => {
                let weights = (0..100_000).map(|at| {
                    let z = 9.0 * ((f64::from(at) + 0.5) / 50_000.0 - 1.0);
                    let weight = (-z * z / 2.0).exp();
                    (weight * logistic(mean + deviation * z), weight)
                });
                let (sum, weight) =
                    weights.fold((0.0, 0.0), |(sum, total), (value, weight)| (sum + value, total + weight));
                sum / weight
            }
            Self::Beta(a, b) => a as f64 / (a + b) as f64,
        }
    }
}
