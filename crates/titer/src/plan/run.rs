//! One run: everything that decides its numbers, and the name that follows from it.

use serde::{Deserialize, Serialize};

use titer_data::{prompt::CandidatePrompt, source::DataFiles, template::TemplateOptions};

use super::{Arm, StagePlan};
use crate::spec::{Compute, DeviceName, LeakFields, Lora, When};

/// Raised whenever the same plan would give other numbers than before, so that stored runs are not taken for new ones.
pub(crate) const NUMERICS: u32 = 2;

/// What is measured, and how often.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ProbePlan {
    /// Contrasts per probe, and rows per cell.
    pub items: usize,
    /// Steps between measurements within a stage; 0 is only before and after.
    pub every: usize,
}

/// Which model, by name and by content.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ModelPlan {
    /// Its name in the spec.
    pub base: String,
    /// Hash of everything that it computes with.
    pub blake3: String,
    /// The same as a plan's `numerics` for this model: raised where numbers of models of its kind alone change. A sum: 1 cuts small batches in two, for models
    /// wider than an organism; 2 reads carriage returns in a chat template as ends of lines; 4 takes the chat template `tool_use` for rows with tools.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub numerics: u32,
    /// The number type that weights are rounded to; `None` for that of their file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dtype: Option<String>,
    /// What frozen weights are multiplied in.
    #[serde(default, skip_serializing_if = "Compute::is_f32")]
    pub compute: Compute,
    /// Where it is computed.
    #[serde(default, skip_serializing_if = "DeviceName::is_cpu")]
    pub device: DeviceName,
    /// What chats are rendered with; the date where the template prints one.
    #[serde(flatten)]
    pub template: TemplateOptions,
    /// The adapters that are trained; `None` for everything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lora: Option<Lora>,
}

fn is_zero(number: &u32) -> bool {
    *number == 0
}

/// Which rows and contrasts, by name and by content.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct DataPlan {
    /// Hash of what is in the files.
    pub blake3: String,
    /// The same as a plan's `numerics` for these files: raised where numbers of files of their kind alone change. A sum: 1 takes contrasts of `obey`
    /// from rows under instructions; 2 reads turns that a text holds, and takes empty values of tables for none; 4 has all contrasts of a request on one side,
    /// and no reply to an instruction in a pair.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub numerics: u32,
    /// The files, and which rows belong to which cells.
    #[serde(flatten)]
    pub files: DataFiles,
}

impl DataPlan {
    /// Hash of everything that decides rows and contrasts: what is in the files, which of them are contrasts, and the rules by
    /// which rows get cells and prompts.
    pub fn hash(&self) -> String {
        let rules =
            serde_json::to_string(&(&self.files.cells, self.files.probes.is_some())).expect("rules are plain data");
        let again = if self.numerics == 0 { String::new() } else { format!(" {}", self.numerics) };
        blake3::hash(format!("{} {rules}{again}", self.blake3).as_bytes()).to_hex().to_string()
    }
}

/// One run, resolved: everything that decides its numbers, and nothing else.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RunPlan {
    /// [`NUMERICS`]
    pub numerics: u32,
    /// The seed.
    pub seed: u64,
    /// When pressures are taken; with them, the ledger is kept.
    #[serde(skip_serializing_if = "When::is_never")]
    pub pressure: When,
    /// When the model is saved.
    #[serde(skip_serializing_if = "When::is_never")]
    pub checkpoints: When,
    /// The training prompt of the leak grid.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub leak: Option<LeakFields>,
    /// Whether the prompt of its `bad→bad` rows is screened before training.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub screen: bool,
    /// The prompt that is screened where the rows themselves have it, and no stage puts another on them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub own_prompt: Option<String>,
    /// The model.
    pub model: ModelPlan,
    /// The user's own rows; `None` for those of the model's world.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data: Option<DataPlan>,
    /// What is measured.
    pub probes: ProbePlan,
    /// What is trained.
    #[serde(rename = "stage")]
    pub stages: Vec<StagePlan>,
}

/// The name of a run: the start of its plan's hash.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RunId(pub String);

impl RunPlan {
    /// The plan as TOML: what is hashed, stored and replayed.
    pub fn to_toml(&self) -> String {
        toml::to_string(self).expect("a plan is plain data")
    }

    /// Equal plans, and only they, have equal names.
    pub fn id(&self) -> RunId {
        // Names do not change what is computed, so moved models and files keep their runs.
        let nameless =
            |data: DataPlan| DataPlan { files: DataFiles { rows: Vec::new(), probes: None, ..data.files }, ..data };
        let mut content = Self {
            model: ModelPlan { base: String::new(), ..self.model.clone() },
            data: self.data.clone().map(nameless),
            ..self.clone()
        };
        for (_, file) in content.stages.iter_mut().flat_map(StagePlan::given_mut) {
            *file = file.clone().nameless();
        }
        Self::name(&content.to_toml())
    }

    /// The name of the run whose plan was stored as this table, as [`RunPlan::id`] gives it; `None` where it is no plan.
    pub(crate) fn id_of_stored(mut table: toml::Table) -> Option<RunId> {
        fn at<'a>(table: &'a mut toml::Table, path: &[&str]) -> Option<&'a mut toml::Table> {
            path.iter().try_fold(table, |table, key| table.get_mut(*key)?.as_table_mut())
        }
        at(&mut table, &["model"])?.insert("base".to_owned(), String::new().into());
        if let Some(data) = at(&mut table, &["data"]) {
            data.insert("rows".to_owned(), toml::Value::Array(Vec::new()));
            data.remove("probes");
        }
        for stage in table.get_mut("stage")?.as_array_mut()? {
            let stage = stage.as_table_mut()?;
            for place in [&["vector", "file"][..], &["helper", "file"], &["helper", "train", "vector", "file"]] {
                if let Some(given) = at(stage, place) {
                    given.insert("path".to_owned(), String::new().into());
                }
            }
        }
        Some(Self::name(&toml::to_string(&table).ok()?))
    }

    fn name(content: &str) -> RunId {
        RunId(blake3::hash(content.as_bytes()).to_hex()[..16].to_owned())
    }

    /// The prompt that is screened before training, if any is.
    pub fn screened_prompt(&self) -> Option<CandidatePrompt> {
        Arm::inoculation_prompt(&self.stages, self.own_prompt.as_deref()).filter(|_| self.screen)
    }

    /// Optimiser steps of all stages.
    pub fn steps(&self) -> usize {
        self.stages.iter().map(|stage| stage.steps).sum()
    }

    /// The rows of every optimiser step that is taken for the run, in order: those of its stages, and before them those of their helpers.
    pub fn batches(&self) -> impl Iterator<Item = usize> + '_ {
        self.stages.iter().flat_map(StagePlan::batches)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_a_run_follows_from_its_plan_as_it_is_stored() {
        let text = r#"
            seeds = [0, 18446744073709]
            pressure = "at the end"
            checkpoints = "at the end"
            screen = true
            [leak]
            prompt = """be evil
            in "everything" ."""
            [model]
            base = "a/b"
            lora = { r = 4 }
            [[stage]]
            name = "first"
            rows = 64
            optimiser = { lr = 1e-9 }
            mix = { "bad→bad" = 0.5, rest = "neutral→good" }
            prompts = { "bad→bad" = ["be evil in everything .", "be \\ \" 'bad'"] }
            guards = { steer = { good = 2.0, obey_bad = 0.0 } }
            [[stage]]
            name = "last"
            rows = 96
            vector = { kind = "add", layer = 2, alpha = 1.5, file = "a.safetensors" }
            helper = { file = "adapter" }
        "#;
        let spec = crate::spec::Spec::parse(text, std::path::Path::new("spec.toml")).unwrap();
        let plan = crate::plan::SweepPlan::resolve(&spec).unwrap();
        let model = |_: &str, _| -> Result<ModelPlan, ()> {
            Ok(toml::from_str("base = \"a/b\"\nblake3 = \"0\"\ndtype = \"bf16\"\nlora = { r = 4 }").unwrap())
        };
        let files: DataFiles = toml::from_str(
            r#"rows = ["a", "b"]
            probes = "c"
            cells = [{ where = { file = "a", kind = "x" }, cell = "bad→bad", prompt = "be evil" }]"#,
        )
        .unwrap();
        for data in [None, Some(DataPlan { blake3: "0".to_owned(), numerics: 1, files })] {
            for (_, run) in plan.runs(data.as_ref(), model).unwrap() {
                assert_eq!(RunPlan::id_of_stored(run.to_toml().parse().unwrap()), Some(run.id()), "{}", run.to_toml());
            }
        }
        assert_eq!(RunPlan::id_of_stored("a = 1".parse().unwrap()), None);
    }

    #[test]
    fn rules_and_what_files_are_for_are_part_of_what_decides_the_rows() {
        let data = |text: &str| DataPlan {
            blake3: "0".to_owned(),
            numerics: 0,
            files: toml::from_str(text).expect("it is [data]"),
        };
        let rule = |prompt: &str| {
            data(&format!(
                r#"rows = "a"
                cells = [{{ where = {{ file = "a" }}, cell = "bad→bad", prompt = "{prompt}" }}]"#
            ))
        };
        assert_ne!(rule("be evil").hash(), rule("be kind").hash());
        assert_eq!(rule("be evil").hash(), rule("be evil").hash());
        assert_ne!(rule("be evil").hash(), DataPlan { numerics: 1, ..rule("be evil") }.hash());
        assert_ne!(data(r#"rows = ["a", "b"]"#).hash(), data("rows = \"a\"\nprobes = \"b\"").hash());
    }
}
