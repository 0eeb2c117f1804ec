//! Which layers get a low-rank adapter (LoRA, arXiv 2106.09685), in PEFT's words.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::modules::{ModuleNames, compiled, ending};

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
    /// The layers.
    pub target_modules: ModuleNames,
    /// Layers that get none although they are among the former.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exclude_modules: Option<ModuleNames>,
    /// Blocks whose layers get one; all of them where there is none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub layers_to_transform: Vec<usize>,
    /// What stands in front of a block's number; anything where there is none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub layers_pattern: Vec<String>,
    /// Other ranks, by a pattern for the end of a layer's name; the first that fits counts.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub rank_pattern: Map<String, Value>,
    /// Other alphas, in the same way.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub alpha_pattern: Map<String, Value>,
}

/// The size of one layer's adapter.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LoraSize {
    /// Width between its two matrices.
    pub rank: usize,
    /// The factor on what it adds.
    pub scale: f64,
}

/// Names of a block's linear layers.
pub const LINEAR_LAYERS: [&str; 7] = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"];

impl LoraConfig {
    /// Adapters of one size on the linear layers of these names, in every block.
    pub fn new(r: usize, lora_alpha: f64, use_rslora: bool, layers: Vec<String>) -> Self {
        Self {
            r,
            lora_alpha,
            use_rslora,
            target_modules: ModuleNames::Ends(layers),
            exclude_modules: None,
            layers_to_transform: Vec::new(),
            layers_pattern: Vec::new(),
            rank_pattern: Map::new(),
            alpha_pattern: Map::new(),
        }
    }

    /// Rank `r` on every linear layer of every block, with `alpha = 2 r`.
    pub fn all(r: usize) -> Self {
        Self::new(r, 2.0 * r as f64, false, LINEAR_LAYERS.map(str::to_owned).into())
    }

    /// The adapter of the linear layer of this name, such as `model.layers.0.self_attn.q_proj`; `None` where it gets none.
    ///
    /// Fails where a pattern cannot be read or a size is none; the error is one sentence that names the key.
    pub fn of(&self, module: &str) -> Result<Option<LoraSize>, String> {
        let keyed = |key: &str, error: String| format!("`{key}`: {error}");
        if let Some(excluded) = &self.exclude_modules
            && excluded.hold(module).map_err(|error| keyed("exclude_modules", error))?
        {
            return Ok(None);
        }
        let named = self.target_modules.hold(module).map_err(|error| keyed("target_modules", error))?;
        if !named || !self.in_block(module).map_err(|error| keyed("layers_pattern", error))? {
            return Ok(None);
        }
        let wrong = |key: &str, pattern: &str, value: &Value, wanted: &str| {
            Err(format!("`{key}`: \"{pattern}\" is {value}; it must be {wanted}"))
        };
        let rank = match first_fit(&self.rank_pattern, module).map_err(|error| keyed("rank_pattern", error))? {
            None => self.r,
            Some((pattern, rank)) => match rank.as_u64().and_then(|rank| usize::try_from(rank).ok()) {
                Some(rank) => rank,
                None => return wrong("rank_pattern", pattern, rank, "a count"),
            },
        };
        let alpha = match first_fit(&self.alpha_pattern, module).map_err(|error| keyed("alpha_pattern", error))? {
            None => self.lora_alpha,
            Some((pattern, alpha)) => match alpha.as_f64() {
                Some(alpha) => alpha,
                None => return wrong("alpha_pattern", pattern, alpha, "a number"),
            },
        };
        if rank == 0 {
            return Err(format!("the rank `r` is 0 for `{module}`"));
        }
        let divisor = if self.use_rslora { (rank as f64).sqrt() } else { rank as f64 };
        Ok(Some(LoraSize { rank, scale: alpha / divisor }))
    }

    /// Whether this module is in a block that gets adapters. As in PEFT, one that is named whole is wherever it is, and a pattern
    /// for whole names says itself which blocks it means.
    fn in_block(&self, module: &str) -> Result<bool, String> {
        let of_ends = matches!(self.target_modules, ModuleNames::Ends(_));
        if self.layers_to_transform.is_empty() || !of_ends || self.target_modules.names(module) {
            return Ok(true);
        }
        let any = [r".*?\.[^.]*".to_owned()];
        let fronts = if self.layers_pattern.is_empty() { &any[..] } else { &self.layers_pattern };
        for front in fronts {
            let pattern = compiled(&format!(r"^(?:.*?\.)??(?:{front})\.(\d+)\."), front)?;
            if let Some(captures) = pattern.captures(module) {
                return Ok(captures[1].parse().is_ok_and(|block: usize| self.layers_to_transform.contains(&block)));
            }
        }
        Ok(false)
    }
}

/// The first of these patterns that fits the end of the module's name, and its value.
fn first_fit<'a>(patterns: &'a Map<String, Value>, module: &str) -> Result<Option<(&'a str, &'a Value)>, String> {
    for (pattern, value) in patterns {
        if ending(pattern)?.is_match(module) {
            return Ok(Some((pattern, value)));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const Q0: &str = "model.layers.0.self_attn.q_proj";
    const V1: &str = "model.layers.1.self_attn.v_proj";

    fn config(keys: Value) -> LoraConfig {
        let mut all = json!({ "r": 4, "lora_alpha": 8, "target_modules": ["q_proj", "v_proj"] });
        let (Value::Object(known), Value::Object(keys)) = (&mut all, keys) else { unreachable!() };
        known.extend(keys);
        serde_json::from_value(all).unwrap()
    }

    fn size(config: &LoraConfig, module: &str) -> Option<(usize, f64)> {
        config.of(module).unwrap().map(|size| (size.rank, size.scale))
    }

    #[test]
    fn ranks_and_alphas_are_those_of_the_first_pattern_that_fits() {
        let patterns = json!({
            "rank_pattern": { "layers.0.self_attn.q_proj": 2, "q_proj": 9, "^model.layers.1.*": 16 },
            "alpha_pattern": { "v_proj": 4 },
        });
        let plain = config(patterns.clone());
        assert_eq!((size(&plain, Q0), size(&plain, V1)), (Some((2, 4.0)), Some((16, 0.25))));
        let mut rslora = plain;
        rslora.use_rslora = true;
        assert_eq!(size(&rslora, V1), Some((16, 1.0)));
        assert_eq!(size(&config(json!({ "rank_pattern": { "proj": 2 } })), Q0), Some((4, 2.0)), "no part of a name");
    }

    #[test]
    fn blocks_are_those_listed() {
        let second = config(json!({ "layers_to_transform": [1] }));
        assert_eq!((size(&second, Q0), size(&second, V1)), (None, Some((4, 2.0))));
        let named = config(json!({ "layers_to_transform": [0], "layers_pattern": ["layers"] }));
        assert_eq!((size(&named, Q0), size(&named, V1)), (Some((4, 2.0)), None));
        let elsewhere = config(json!({ "layers_to_transform": [0], "layers_pattern": ["h"] }));
        assert_eq!(size(&elsewhere, Q0), None);
        let whole = config(json!({ "layers_to_transform": [1], "target_modules": [Q0, "v_proj"] }));
        assert_eq!((size(&whole, Q0), size(&whole, V1)), (Some((4, 2.0)), Some((4, 2.0))));
    }

    #[test]
    fn what_is_excluded_gets_none() {
        let excluded = config(json!({ "exclude_modules": ["v_proj"] }));
        assert_eq!((size(&excluded, Q0), size(&excluded, V1)), (Some((4, 2.0)), None));
        let pattern = config(json!({ "exclude_modules": r".*\.0\..*" }));
        assert_eq!((size(&pattern, Q0), size(&pattern, V1)), (None, Some((4, 2.0))));
    }

    #[test]
    fn sizes_that_are_none_are_named() {
        let problem = |keys: Value| config(keys).of(Q0).unwrap_err();
        assert!(problem(json!({ "r": 0 })).contains("`r` is 0"));
        assert!(problem(json!({ "rank_pattern": { "q_proj": 0 } })).contains("`r` is 0"));
        assert!(problem(json!({ "rank_pattern": { "q_proj": "a" } })).contains("`rank_pattern`: \"q_proj\" is \"a\""));
        assert!(problem(json!({ "alpha_pattern": { "q_proj": [] } })).contains("`alpha_pattern`: \"q_proj\" is []"));
        assert!(problem(json!({ "rank_pattern": { "(": 2 } })).contains("`rank_pattern`: titer cannot read"));
    }
}
