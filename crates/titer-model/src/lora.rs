//! Low-rank adapters on a decoder whose own weights stay frozen (LoRA, arXiv 2106.09685), in PEFT's words.

use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use crate::{
    backend::Backend,
    decoder::Decoder,
    layers::Lora,
    params::{Layout, ParamId, ParamSpec, Params, Role},
    real::Real,
};

/// Which linear layers get an adapter, and of which size.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LoraConfig {
    /// Width between the two matrices of an adapter.
    pub r: usize,
    /// What the adapter adds is scaled by `alpha / r`, or by `alpha / √r` where `use_rslora` is set.
    pub lora_alpha: f64,
    /// See [`LoraConfig::lora_alpha`] (arXiv 2312.03732).
    #[serde(default)]
    pub use_rslora: bool,
    /// Names of linear layers, such as `q_proj`, in every block.
    pub target_modules: Vec<String>,
}

/// Names of a block's linear layers.
pub const TARGETS: [&str; 7] = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"];

impl LoraConfig {
    /// Rank `r` on every linear layer of every block, with `alpha = 2 r`.
    pub fn all(r: usize) -> Self {
        let target_modules = TARGETS.map(str::to_owned).into();
        Self { r, lora_alpha: 2.0 * r as f64, use_rslora: false, target_modules }
    }

    /// The factor on what an adapter adds.
    pub fn scale(&self) -> f64 {
        self.lora_alpha / if self.use_rslora { (self.r as f64).sqrt() } else { self.r as f64 }
    }

    /// Checks that there is something to train; the error is one sentence.
    pub fn check(&self) -> Result<(), String> {
        if self.r == 0 {
            return Err("the rank `r` is 0".to_owned());
        }
        if self.target_modules.is_empty() {
            return Err("`target_modules` names no layer".to_owned());
        }
        match self.target_modules.iter().find(|name| !TARGETS.contains(&name.as_str())) {
            Some(name) => Err(format!("there is no layer `{name}`; adapters go on {}", TARGETS.join(", "))),
            None => Ok(()),
        }
    }
}

impl<B: Backend> Decoder<B> {
    /// The same decoder with adapters, which are all that training then moves. Their parameters come after the
    /// decoder's own, see [`Params::with_lora`]. The config must pass [`LoraConfig::check`].
    pub fn with_lora(mut self, config: &LoraConfig) -> Self {
        self.layout.specs.iter_mut().for_each(|spec| spec.trained = false);
        let mut layout = std::mem::replace(&mut self.layout, Layout { specs: Vec::new() });
        self.each_linear(&mut |linear| {
            linear.trained = false;
            let name = &layout.specs[linear.weight.0].name;
            let Some(module) = name.strip_suffix(".weight") else { return };
            let Some((_, short)) = module.rsplit_once('.') else { return };
            if config.target_modules.iter().any(|target| target == short) {
                let module = module.to_owned();
                let mut add = |part: &str, shape: [usize; 2]| {
                    let name = format!("{module}.{part}.weight");
                    let (shape, role) = (shape.into(), Role::Matrix);
                    layout.specs.push(ParamSpec { name, shape, role, less_one: false, trained: true });
                    ParamId(layout.specs.len() - 1)
                };
                let a = add("lora_A", [config.r, linear.inputs]);
                let b = add("lora_B", [linear.outputs, config.r]);
                linear.lora = Some(Lora { a, b, rank: config.r, scale: config.scale() });
            }
        });
        self.freeze_norms();
        self.layout = layout;
        self
    }
}

impl<B: Backend> Params<B> {
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
