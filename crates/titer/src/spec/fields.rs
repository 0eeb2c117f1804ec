//! The tables of a spec, as serde reads them. A field that is absent takes its value from `defaults.toml`.

use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use titer_data::{source::DataFiles, template::TemplateDate, variables::Variables, world::DomainSplit};

use super::{
    Compute, DeviceName, DrawnField, GuardsField, Lora, MixField, PromptsField, VectorField,
    schema::{Moment, Settings},
    spelling::spelt_value,
};

/// `[model]`
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ModelFields {
    /// The word `organism`, a folder, or a hub id.
    pub base: Option<String>,
    /// Whether system prompts go into the first user turn.
    pub system_in_user: Option<bool>,
    /// Whether tokens that lie half in a header and half in a reply are left untrained.
    pub skip_split_tokens: Option<bool>,
    /// The day that chat templates take for today.
    pub template_date: Option<TemplateDate>,
    /// What chat templates may read besides the chat.
    pub template_variables: Option<Variables>,
    /// The adapters that are trained in place of everything.
    #[serde(default, deserialize_with = "super::lora::written")]
    pub lora: Option<Lora>,
    /// The number type that weights are rounded to, where it is not that of their file.
    pub dtype: Option<String>,
    /// What frozen weights are multiplied in.
    pub compute: Option<Compute>,
    /// Where it is computed.
    pub device: Option<DeviceName>,
}

/// `[data]`, with paths that are seen from where the spec at `path` is seen from.
pub(super) fn seen_from(data: DataFiles, path: &Path) -> DataFiles {
    let folder = path.parent().unwrap_or(Path::new(""));
    let rows = data.rows.iter().map(|rows| folder.join(rows)).collect();
    DataFiles { rows, probes: data.probes.map(|probes| folder.join(probes)), ..data }
}

/// `[probes]`
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ProbeFields {
    /// Contrasts per probe.
    pub items: Option<usize>,
    /// Steps between measurements.
    pub every: Option<usize>,
}

/// `[leak]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LeakFields {
    /// The training prompt that test contexts are made from.
    pub prompt: String,
    /// The word that makes it apply, if it is trigger-scoped.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trigger: Option<String>,
}

/// `[[claim]]`
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ClaimFields {
    /// The claim in words.
    pub text: String,
    /// Arithmetic over measured quantities.
    pub value: String,
    /// Where it should lie: `> 0`, `< 0.1`, `within 0.2 of 2`.
    pub bound: String,
    /// When quantities are read that name no moment: words or a number of steps.
    #[schemars(with = "Option<Moment>")]
    pub at: Option<toml::Value>,
    /// Which arms: `all`, or settings of axes.
    #[schemars(with = "Option<Settings>")]
    pub arms: Option<toml::Value>,
    /// The arm whose value is taken off: `control`, or settings of axes that differ.
    #[schemars(with = "Option<Settings>")]
    pub against: Option<toml::Value>,
    /// The other side of a correlation.
    pub with: Option<String>,
    /// `spearman` or `pearson`.
    pub correlation: Option<String>,
    /// `each seed` or `pooled`.
    pub over: Option<String>,
}

impl ClaimFields {
    /// The same with axes spelt in one way.
    pub(super) fn spelt(self) -> Self {
        let [arms, against] = [self.arms, self.against].map(|settings| settings.map(spelt_value));
        Self { arms, against, ..self }
    }

    /// A hash of everything that it says; the order of keys makes no difference, nor whether arrows are `->` or `→`.
    pub fn hash(&self) -> String {
        fn sorted(value: serde_json::Value) -> serde_json::Value {
            use serde_json::Value::{Array, Object};
            match value {
                Object(fields) => {
                    // What is left out says nothing, so that keys of later versions change no hash.
                    let said = fields.into_iter().filter(|(_, value)| !value.is_null());
                    let fields: std::collections::BTreeMap<_, _> = said.collect();
                    Object(fields.into_iter().map(|(key, value)| (key, sorted(value))).collect())
                }
                Array(values) => Array(values.into_iter().map(sorted).collect()),
                value => value,
            }
        }
        let text = sorted(serde_json::to_value(self).expect("a claim is plain data")).to_string();
        blake3::hash(text.replace("->", "→").as_bytes()).to_hex()[..16].to_owned()
    }
}

/// `[[stage]]`
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StageFields {
    /// What other parts of the spec call it.
    pub name: Option<String>,
    /// Rows in all.
    pub rows: Option<usize>,
    /// Rows per step.
    pub batch: Option<usize>,
    /// Request domains.
    pub domains: Option<DomainSplit>,
    /// Shares of cells; a mix replaces the default one whole.
    pub mix: Option<MixField>,
    /// Prompts put on the rows of cells in place of their own.
    pub prompts: Option<PromptsField>,
    /// Update rule; `optimizer` is the same word.
    #[serde(default, alias = "optimizer")]
    pub optimiser: OptimiserFields,
    /// Learning rate over the steps.
    #[serde(default)]
    pub schedule: ScheduleFields,
    /// Longest gradient.
    pub clip: Option<f64>,
    /// What the nats of a row are divided by.
    pub divisor: Option<f64>,
    /// What protects a component.
    #[serde(default)]
    pub guards: GuardsField,
    /// How the model writes the replies itself.
    pub drawn: Option<DrawnField>,
    /// What training passes do to the residual stream.
    pub vector: Option<VectorField>,
    /// What training passes have attached.
    pub helper: Option<HelperField>,
}

impl StageFields {
    /// The same with files that are seen from this folder.
    pub(crate) fn seen_from(mut self, folder: &Path) -> Self {
        let vector = self.vector.as_mut().and_then(|vector| vector.file.as_mut());
        let helper = self.helper.as_mut().and_then(|helper| helper.file.as_mut());
        vector.into_iter().chain(helper).for_each(|file| *file = folder.join(&*file));
        if let Some(train) = self.helper.as_mut().and_then(|helper| helper.train.as_mut()) {
            **train = std::mem::take(&mut **train).seen_from(folder);
        }
        self
    }
}

/// `helper`
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HelperField {
    /// The adapter, where it is trained.
    #[serde(default, deserialize_with = "super::lora::written")]
    pub lora: Option<Lora>,
    /// What it is trained on before the stage begins, and how: the fields of a stage.
    pub train: Option<Box<StageFields>>,
    /// A folder in PEFT's layout that holds the adapter, which is then not trained.
    pub file: Option<PathBuf>,
    /// Whether the adapter is a random one of the same length.
    #[serde(default)]
    pub random: bool,
}

/// `optimiser`, the fields of all kinds in one table: only so does an unknown one have a line.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OptimiserFields {
    /// Which rule.
    pub kind: Option<OptimiserKind>,
    /// Learning rate.
    pub lr: Option<f64>,
    /// Share of the last velocity that is kept (sgd).
    pub momentum: Option<f64>,
    /// Decay of the first moment (adamw).
    pub beta1: Option<f64>,
    /// Decay of the second moment (adamw).
    pub beta2: Option<f64>,
    /// Added to the root of the second moment (adamw).
    pub eps: Option<f64>,
    /// Weight decay per step, times the learning rate (adamw).
    pub weight_decay: Option<f64>,
}

/// The update rules that a spec can name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum OptimiserKind {
    /// Adam with decoupled weight decay.
    AdamW,
    /// Stochastic gradient descent.
    Sgd,
}

/// `schedule`
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ScheduleFields {
    /// Steps of linear rise.
    pub warmup: Option<usize>,
    /// What comes then.
    pub decay: Option<LrDecay>,
    /// Share of the learning rate at the end.
    pub floor: Option<f64>,
}

/// How the learning rate falls after warm-up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum LrDecay {
    /// It stays.
    None,
    /// In a straight line.
    Linear,
    /// Along half a cosine.
    Cosine,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_claim_is_known_by_what_it_says_and_not_by_how_it_is_written() {
        const CLAIM: &str = r#"
            text = "deaf"
            value = "rate('obey_bad')"
            bound = "< 0.1"
            arms = { "bad→good" = 0.1, rest = "neutral→good" }
        "#;
        let hash = |text: &str| toml::from_str::<ClaimFields>(text).unwrap().hash();
        let written = |old: &str, new: &str| {
            assert!(CLAIM.contains(old), "{old}");
            hash(&CLAIM.replace(old, new))
        };
        let same = [
            written("→", "->"),
            written(r#""bad→good" = 0.1, rest = "neutral→good""#, r#"rest = "neutral→good", "bad→good" = 0.1"#),
        ];
        assert_eq!(same, [hash(CLAIM), hash(CLAIM)]);
        let others =
            [written("deaf", "mute"), written("rate", "margin"), written("< 0.1", "< 0.2"), written("0.1,", "0.5,")];
        assert!(others.iter().all(|other| *other != hash(CLAIM)));
        assert_ne!(hash(&format!("{CLAIM}\nat = 10")), hash(CLAIM));
    }
}
