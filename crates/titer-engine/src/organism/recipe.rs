//! Everything that decides an organism's weights.

use serde::{Deserialize, Serialize};
use titer::plan::{LrDecay, LrSchedule};
use titer_model::{
    optim::UpdateRule,
    shape::{Config, Variant},
};

/// How an organism is trained from scratch. Equal recipes give equal weights on one machine, bit for bit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recipe {
    /// Seed of the weights and of the training rows.
    pub seed: u64,
    /// Seed of the world's lookup tables.
    pub world_seed: u64,
    /// Width of the residual stream; heads are 16 wide, the MLP is three times as wide.
    pub width: usize,
    /// Blocks.
    pub layers: usize,
    /// Training steps.
    pub steps: usize,
    /// Rows per step.
    pub batch: usize,
    /// Highest learning rate of AdamW.
    pub lr: f64,
}

impl Recipe {
    /// Steps of linear warm-up.
    const WARMUP: usize = 100;

    /// The gradient norm is clipped here.
    pub(crate) const CLIP: f64 = 1.0;

    /// The recipe of the shipped organisms, but for the seed.
    pub const fn shipped(seed: u64) -> Self {
        Self { seed, world_seed: 0, width: 64, layers: 2, steps: 4000, batch: 64, lr: 2e-3 }
    }

    /// The shape of the decoder over a vocabulary of this size.
    ///
    /// # Errors
    /// Where the width is not a multiple of a head's.
    pub fn config(&self, vocab_size: usize) -> Result<Config, String> {
        const HEAD: usize = 16;
        if self.width == 0 || !self.width.is_multiple_of(HEAD) {
            return Err(format!("the width is {}; it must be a multiple of {HEAD}", self.width));
        }
        let config = Config {
            vocab_size,
            hidden_size: self.width,
            intermediate_size: 3 * self.width,
            num_hidden_layers: self.layers,
            num_attention_heads: self.width / HEAD,
            num_key_value_heads: self.width / HEAD,
            head_dim: None,
            max_position_embeddings: 96,
            rms_norm_eps: 1e-5,
            rope_theta: 10_000.0,
            tie_word_embeddings: false,
            variant: Variant::default(),
        };
        config.check().map(|()| config)
    }

    /// AdamW as for the shipped organisms.
    pub fn rule(&self) -> UpdateRule {
        UpdateRule::AdamW { beta1: 0.9, beta2: 0.98, eps: 1e-8, weight_decay: 0.01 }
    }

    /// The learning rate of a step: warm-up, then a cosine to 3 % of the peak.
    pub(crate) fn lr_at(&self, step: usize) -> f64 {
        let schedule = LrSchedule { warmup: Self::WARMUP, decay: LrDecay::Cosine, floor: 0.03 };
        schedule.lr(self.lr, self.steps, step)
    }
}
