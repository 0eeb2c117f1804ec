//! Random weights to start from: a decoder's, and adapters'.

use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution as _, StandardNormal};

use super::{Layout, ParamRole, Params};
use crate::{backend::Backend, real::Real};

impl<B: Backend> Params<B> {
    /// Random weights from a seed: scales at 1; biases at 0; matrices normal with variance `1 / (3 · inputs)`, which is the
    /// variance of PyTorch's default for linear layers; embeddings normal with standard deviation 0.1.
    pub fn random(backend: &B, layout: &Layout, seed: u64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let buffers = layout
            .specs
            .iter()
            .map(|spec| {
                let constant = |value| backend.upload(vec![B::Real::of(value); spec.len()]);
                let deviation = match spec.role {
                    ParamRole::Scale => return constant(1.0),
                    ParamRole::Bias => return constant(0.0),
                    ParamRole::Embedding => 0.1,
                    ParamRole::Matrix => (3.0 * spec.shape[1] as f64).sqrt().recip(),
                };
                let draw = |_| {
                    let normal: f64 = StandardNormal.sample(&mut rng);
                    B::Real::of(normal * deviation)
                };
                backend.upload((0..spec.len()).map(draw).collect())
            })
            .collect();
        Self { buffers }
    }

    /// These weights of a decoder with fresh adapters behind them, as PEFT starts them: `A` uniform within
    /// `±1/√inputs`, `B` zero, so that the model computes what it did before (and `A` has no gradient yet).
    pub fn with_lora(mut self, backend: &B, layout: &Layout, seed: u64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        for spec in &layout.specs[self.buffers.len()..] {
            let bound = if spec.name.ends_with("lora_A.weight") { (spec.shape[1] as f64).sqrt().recip() } else { 0.0 };
            let draw = |_| B::Real::of(bound * (2.0 * rng.random::<f64>() - 1.0));
            self.buffers.push(backend.upload((0..spec.len()).map(draw).collect()));
        }
        self
    }
}
