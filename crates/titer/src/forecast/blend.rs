//! A kernel that has been measured again along a pilot training: the mean of what the base model and the trained one say.
//!
//! Products for plain descent are averaged. Buckets of the two cannot be, so both sets are kept, each with half its products:
//! then `Σ_b K_b / √v_b` over all of them is the mean of what each would have given.

use super::kernel::{Contraction, Kernel, Moments};

impl Kernel {
    /// The mean of this kernel and one of the same rows and contrasts at another state of the model; it starts where this one
    /// does.
    ///
    /// # Panics
    /// Where the two are of different kinds or probes.
    pub fn blended(&self, other: &Self) -> Self {
        assert!(
            self.kinds.len() == other.kinds.len() && self.probes.len() == other.probes.len(),
            "one source, one order"
        );
        // O carries the probability of other replies at its own state; here it is that at the start.
        let factor: Vec<f64> =
            self.kinds.iter().zip(&other.kinds).flat_map(|(a, b)| [1.0, a.other() / b.other()]).collect();
        let probes = self.probes.len();
        let products = |a: &Contraction, b: &Contraction| {
            let outputs = a.outputs;
            let by = |j: usize, l: usize| factor[j] * l.checked_sub(probes).map_or(1.0, |state| factor[state]);
            let buckets = a.buckets + b.buckets;
            let mut by_bucket = Vec::with_capacity(factor.len() * outputs * buckets);
            let mut plain = Vec::with_capacity(factor.len() * outputs);
            for at in 0..factor.len() * outputs {
                let by = by(at / outputs, at % outputs);
                plain.push((a.plain[at] + by * b.plain[at]) / 2.0);
                by_bucket.extend(a.by_bucket[at * a.buckets..][..a.buckets].iter().map(|value| value / 2.0));
                by_bucket.extend(b.by_bucket[at * b.buckets..][..b.buckets].iter().map(|value| by * value / 2.0));
            }
            Contraction { outputs, buckets, plain, by_bucket }
        };
        let (a, b) = (&self.moments, &other.moments);
        let pair = |at: usize| factor[at / factor.len()] * factor[at % factor.len()];
        let noise = |at: usize| factor[at / 3 * 2 + 1].powi((at % 3) as i32);
        let mean = |a: &[f64], b: &[f64], by: &dyn Fn(usize) -> f64| -> Vec<f64> {
            a.iter().zip(b).enumerate().map(|(at, (a, b))| f64::midpoint(*a, by(at) * b)).collect()
        };
        let both = |x: &[f64], y: &[f64], by: &dyn Fn(usize) -> f64| -> Vec<f64> {
            let lists = x.chunks_exact(a.buckets.max(1)).zip(y.chunks_exact(b.buckets.max(1))).enumerate();
            lists
                .flat_map(|(at, (x, y))| x.iter().copied().chain(y.iter().map(move |y| by(at) * y)).collect::<Vec<_>>())
                .collect()
        };
        Self {
            about: self.about.clone(),
            kinds: self.kinds.clone(),
            probes: self.probes.clone(),
            whole: products(&self.whole, &other.whole),
            replicas: self.replicas.iter().zip(&other.replicas).map(|(a, b)| products(a, b)).collect(),
            moments: Moments {
                directions: a.directions,
                buckets: a.buckets + b.buckets,
                gram: mean(&a.gram, &b.gram, &pair),
                noise: mean(&a.noise, &b.noise, &noise),
                squares: both(&a.squares, &b.squares, &pair),
                noise_by_bucket: both(&a.noise_by_bucket, &b.noise_by_bucket, &noise),
                scale: [a.scale.as_slice(), &b.scale].concat(),
            },
        }
    }
}
