//! Which layers get a low-rank adapter (LoRA, arXiv 2106.09685), in PEFT's words.

use serde::{Deserialize, Serialize};

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
pub const LINEAR_LAYERS: [&str; 7] = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"];

impl LoraConfig {
    /// Rank `r` on every linear layer of every block, with `alpha = 2 r`.
    pub fn all(r: usize) -> Self {
        let target_modules = LINEAR_LAYERS.map(str::to_owned).into();
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
        match self.target_modules.iter().find(|name| !LINEAR_LAYERS.contains(&name.as_str())) {
            Some(name) => Err(format!("there is no layer `{name}`; adapters go on {}", LINEAR_LAYERS.join(", "))),
            None => Ok(()),
        }
    }
}
