//! Kernels that have been measured again along pilot trainings, in the same buckets, so that their numbers can be averaged.

use super::kernel::{Gate, Kernel, KernelProducts, Moments};

impl Kernel {
    /// This kernel where training begins, and the mean of the pilots' once the kind of prompt that they have moved furthest is
    /// where they have moved it.
    ///
    /// # Panics
    /// Where there is no pilot, or one is of other kinds, probes or buckets.
    pub fn gated(&self, pilots: &[Self]) -> Self {
        let at_pilots =
            |kind: usize| pilots.iter().map(|pilot| pilot.kinds[kind].action).sum::<f64>() / pilots.len() as f64;
        let moved = |kind: &usize| (at_pilots(*kind) - self.kinds[*kind].action).abs();
        let kind = (0..self.kinds.len()).max_by(|a, b| moved(a).total_cmp(&moved(b))).unwrap_or(0);
        let alike: Vec<Self> = pilots.iter().map(|pilot| self.seen_at(pilot)).collect();
        let all =
            |part: &dyn Fn(&Self) -> &KernelProducts| KernelProducts::mean(&alike.iter().map(part).collect::<Vec<_>>());
        let replicas = (0..self.replicas.len()).map(|group| all(&|pilot: &Self| &pilot.replicas[group])).collect();
        let moments = Moments::mean(&alike.iter().map(|pilot| &pilot.moments).collect::<Vec<_>>());
        let gate =
            Gate { kind, at_pilots: at_pilots(kind), whole: all(&|pilot: &Self| &pilot.whole), replicas, moments };
        Self { gate: Some(gate), ..self.clone() }
    }

    /// Another kernel in this one's units: `O` carries the probability of other replies at its own state, and here it is that at
    /// the start.
    fn seen_at(&self, other: &Self) -> Self {
        let shape = |kernel: &Self| (kernel.kinds.len(), kernel.probes.len(), kernel.moments.buckets);
        assert_eq!(shape(self), shape(other), "one source, one order, one set of buckets");
        let factor: Vec<f64> =
            self.kinds.iter().zip(&other.kinds).flat_map(|(a, b)| [1.0, a.other() / b.other()]).collect();
        let (count, probes) = (factor.len(), self.probes.len());
        let products = |measured: &KernelProducts| {
            let outputs = measured.outputs;
            let by = |at: usize| {
                factor[at / outputs] * (at % outputs).checked_sub(probes).map_or(1.0, |state| factor[state])
            };
            KernelProducts {
                plain: times(&measured.plain, 1, by),
                by_bucket: times(&measured.by_bucket, measured.buckets, by),
                ..*measured
            }
        };
        let pair = |at: usize| factor[at / count] * factor[at % count];
        let noise = |at: usize| factor[at / 3 * 2 + 1].powi((at % 3) as i32);
        let measured = &other.moments;
        let moments = Moments {
            gram: times(&measured.gram, 1, pair),
            noise: times(&measured.noise, 1, noise),
            squares: times(&measured.squares, measured.buckets, pair),
            noise_by_bucket: times(&measured.noise_by_bucket, measured.buckets, noise),
            scale: measured.scale.clone(),
            ..*measured
        };
        let replicas = other.replicas.iter().map(products).collect();
        Self { whole: products(&other.whole), replicas, moments, ..other.clone() }
    }
}

/// Lists of `width` numbers, each times its own factor.
fn times(all: &[f64], width: usize, factor: impl Fn(usize) -> f64) -> Vec<f64> {
    all.iter().enumerate().map(|(at, value)| value * factor(at / width)).collect()
}

fn mean<T>(all: &[&T], list: impl Fn(&T) -> &Vec<f64>) -> Vec<f64> {
    let sum = |at: usize| all.iter().map(|item| list(item)[at]).sum::<f64>() / all.len() as f64;
    (0..list(all[0]).len()).map(sum).collect()
}

impl KernelProducts {
    fn mean(all: &[&Self]) -> Self {
        Self {
            plain: mean(all, |products| &products.plain),
            by_bucket: mean(all, |products| &products.by_bucket),
            ..*all[0]
        }
    }
}

impl Moments {
    fn mean(all: &[&Self]) -> Self {
        Self {
            gram: mean(all, |moments| &moments.gram),
            noise: mean(all, |moments| &moments.noise),
            squares: mean(all, |moments| &moments.squares),
            noise_by_bucket: mean(all, |moments| &moments.noise_by_bucket),
            scale: mean(all, |moments| &moments.scale),
            ..*all[0]
        }
    }
}
