//! Kernels that have been measured again along pilot trainings.
//!
//! Buckets of two kernels cannot be averaged, so both sets are kept, each with its part of the products: then
//! `Σ_b K_b / √v_b` over all of them is the mean of what each would have given. Between the base model and its pilots the
//! parts change along the way, see [`Gate`].

use super::kernel::{Contraction, Gate, Kernel, Moments};

impl Kernel {
    /// The mean of kernels of the same rows and contrasts at other states of the model; it starts where the first one does.
    ///
    /// # Panics
    /// Where there are none, or they are of different kinds or probes.
    pub fn mean(kernels: &[Self]) -> Self {
        let (first, others) = kernels.split_first().expect("there is a kernel");
        others.iter().zip(1..).fold(first.clone(), |mean, (kernel, count)| {
            let part = 1.0 / f64::from(count + 1);
            mean.joined(kernel, [1.0 - part, part])
        })
    }

    /// This kernel where training begins, and the mean of the pilots' once the kind of prompt that they have moved furthest is
    /// where they have moved it.
    ///
    /// # Panics
    /// As [`Kernel::mean`].
    pub fn gated(&self, pilots: &[Self]) -> Self {
        let there =
            |kind: usize| pilots.iter().map(|pilot| pilot.kinds[kind].action).sum::<f64>() / pilots.len() as f64;
        let moved = |kind: &usize| (there(*kind) - self.kinds[*kind].action).abs();
        let furthest = (0..self.kinds.len()).max_by(|a, b| moved(a).total_cmp(&moved(b))).unwrap_or(0);
        let gate = Gate { kind: furthest, there: there(furthest), buckets: self.moments.buckets };
        Self { gate: Some(gate), ..self.joined(&Self::mean(pilots), [1.0, 1.0]) }
    }

    /// Both kernels' products, times their parts: of the buckets side by side, for plain descent summed where the parts are 1
    /// together, else side by side too. Second moments for clipping are the mean.
    fn joined(&self, other: &Self, parts: [f64; 2]) -> Self {
        assert!(
            self.kinds.len() == other.kinds.len() && self.probes.len() == other.probes.len(),
            "one source, one order"
        );
        // O carries the probability of other replies at its own state; here it is that at the start.
        let factor: Vec<f64> =
            self.kinds.iter().zip(&other.kinds).flat_map(|(a, b)| [1.0, a.other() / b.other()]).collect();
        let probes = self.probes.len();
        let apart = parts[0] + parts[1] > 1.5;
        let products = |a: &Contraction, b: &Contraction| {
            let outputs = a.outputs;
            let by = |j: usize, l: usize| factor[j] * l.checked_sub(probes).map_or(1.0, |state| factor[state]);
            let buckets = a.buckets + b.buckets;
            let mut by_bucket = Vec::with_capacity(factor.len() * outputs * buckets);
            let mut there = Vec::with_capacity(factor.len() * outputs);
            for at in 0..factor.len() * outputs {
                let by = by(at / outputs, at % outputs);
                there.push(by * b.plain[at]);
                by_bucket.extend(a.by_bucket[at * a.buckets..][..a.buckets].iter().map(|value| parts[0] * value));
                by_bucket.extend(b.by_bucket[at * b.buckets..][..b.buckets].iter().map(|value| parts[1] * by * value));
            }
            if apart {
                return Contraction { outputs, buckets, plain: a.plain.clone(), by_bucket, plain_there: there };
            }
            let plain = a.plain.iter().zip(&there).map(|(a, b)| parts[0] * a + parts[1] * b).collect();
            Contraction { outputs, buckets, plain, by_bucket, plain_there: Vec::new() }
        };
        let (a, b) = (&self.moments, &other.moments);
        let pair = |at: usize| factor[at / factor.len()] * factor[at % factor.len()];
        let noise = |at: usize| factor[at / 3 * 2 + 1].powi((at % 3) as i32);
        let [first, second] = parts.map(|part| part / (parts[0] + parts[1]));
        let mean = |a: &[f64], b: &[f64], by: &dyn Fn(usize) -> f64| -> Vec<f64> {
            a.iter().zip(b).enumerate().map(|(at, (a, b))| first * a + second * by(at) * b).collect()
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
            gate: None,
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
