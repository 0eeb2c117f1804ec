//! From text to a spec, with spans kept for the errors that come later.

use std::{
    ops::Range,
    path::{Path, PathBuf},
};

use schemars::JsonSchema;
use serde::{Deserialize, de::DeserializeOwned};
use titer_data::{source::DataFiles, template::TemplateOptions};
use toml::{
    Spanned, Table, Value,
    de::{DeTable, DeValue},
};

use super::{
    ClaimFields, Compute, ControlKind, DeviceName, LeakFields, Lora, ModelFields, ProbeFields, SlurmFields, SpecError,
    StageFields, When,
    fields::seen_from,
    schema::Axes,
    spelling::{spelt_table, spelt_twice},
    suggest::{as_list, plain, suggestion},
};
use crate::words::quoted;

/// The spec that every other one is laid over, with comments; what `titer init` prints.
pub const DEFAULTS: &str = include_str!("defaults.toml");

/// The constants of guards, with comments: a `guards` table of a stage.
pub const GUARDS: &str = include_str!("guards.toml");

/// A spec as written, checked for syntax, keys and types.
#[derive(Clone, Debug)]
pub struct Spec {
    /// Where it came from.
    pub path: PathBuf,
    /// Its text.
    pub text: String,
    /// The title, if any.
    pub title: Option<String>,
    /// The question, if any.
    pub question: Option<String>,
    /// The seeds, if any.
    pub seeds: Option<Vec<u64>>,
    /// `model.base`, if any.
    pub base: Option<String>,
    /// `model.lora`, if any.
    pub lora: Option<Lora>,
    /// `model.dtype`, if any.
    pub dtype: Option<String>,
    /// `model.compute`, if any.
    pub compute: Option<Compute>,
    /// Where the model is computed.
    pub device: Option<DeviceName>,
    /// What chats are rendered with, of `[model]`.
    pub template: TemplateOptions,
    /// `[data]`, if any.
    pub data: Option<DataFiles>,
    /// `[probes]`
    pub probes: ProbeFields,
    /// When pressures are taken, if said.
    pub pressure: Option<When>,
    /// When the model is saved, if said.
    pub checkpoints: Option<When>,
    /// The training prompt of a leak grid, if one is to be measured.
    pub leak: Option<LeakFields>,
    /// Whether every arm's prompt is screened before training, if said.
    pub screen: Option<bool>,
    /// Controls of inoculation that are left out, by name.
    pub without_controls: Vec<ControlKind>,
    /// Other wordings of what the prompts of the user's own `bad→bad` rows ask for; empty where none are given.
    pub paraphrases: Vec<String>,
    /// The stages, as tables: what a sweep axis changes.
    pub stages: Vec<Table>,
    /// The swept axes, in the order of the spec.
    pub axes: Vec<Axis>,
    /// What the runs should show.
    pub claims: Vec<ClaimFields>,
    /// `[slurm]`
    pub slurm: SlurmFields,
    /// Whether it has been [cut](Spec::cut).
    pub quick: bool,
}

/// One swept axis.
#[derive(Clone, Debug)]
pub struct Axis {
    /// Its name, `<stage>.<field>`.
    pub name: String,
    /// Its values.
    pub values: Vec<Value>,
    /// Their names, where the axis is a table of named values.
    pub names: Option<Vec<String>>,
}

/// A spec: what to train, what to measure, and what to vary. Every key is optional.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    /// What the sweep is called.
    title: Option<String>,
    /// What it asks.
    question: Option<String>,
    /// Each picks an organism, and decides rows, their order and contrasts.
    seeds: Option<Vec<u64>>,
    /// What is trained.
    model: Option<ModelFields>,
    /// Your own rows and contrasts, in place of those of the organism's world.
    data: Option<DataFiles>,
    /// What is measured.
    probes: Option<ProbeFields>,
    /// When pressures are taken.
    pressure: Option<When>,
    /// When models are saved.
    checkpoints: Option<When>,
    /// The training prompt whose relatives are tested for leaks.
    leak: Option<LeakFields>,
    /// Whether every arm's prompt is screened before training.
    screen: Option<bool>,
    /// Controls of inoculation that are left out.
    #[serde(default)]
    without_controls: Vec<ControlKind>,
    /// Other wordings of what your bad→bad prompts ask for.
    #[serde(default)]
    paraphrases: Vec<String>,
    /// What an arm trains, one stage after the other.
    #[serde(default)]
    stage: Vec<StageFields>,
    /// What arms vary.
    #[serde(default)]
    #[schemars(with = "Axes")]
    sweep: Table,
    /// What the runs should show.
    #[serde(default)]
    claim: Vec<ClaimFields>,
    /// How it is given to a Slurm cluster.
    #[serde(default)]
    slurm: SlurmFields,
}

impl Spec {
    /// Reads a spec; `path` is for messages.
    ///
    /// # Errors
    /// The first thing that is not TOML, not a key, or not of the right type, with its line.
    pub fn parse(text: &str, path: &Path) -> Result<Self, SpecError> {
        let file: File = parse_toml(text, path)?;
        let written: Table = parse_toml(text, path)?;
        let twice = spelt_twice(&Value::Table(written.clone()));
        let table = spelt_table(written);
        let stages = match table.get("stage") {
            Some(Value::Array(stages)) => stages.iter().filter_map(|stage| stage.as_table().cloned()).collect(),
            _ => vec![Table::new()],
        };
        let model = file.model.unwrap_or_default();
        let mut spec = Self {
            path: path.to_owned(),
            text: text.to_owned(),
            title: file.title,
            question: file.question,
            seeds: file.seeds,
            base: model.base,
            lora: model.lora,
            dtype: model.dtype,
            compute: model.compute,
            device: model.device,
            template: TemplateOptions {
                system_in_user: model.system_in_user.unwrap_or(false),
                skip_split_tokens: model.skip_split_tokens.unwrap_or(false),
                date: model.template_date,
                variables: model.template_variables.unwrap_or_default(),
            },
            data: file.data.map(|data| seen_from(data, path)),
            probes: file.probes.unwrap_or_default(),
            pressure: file.pressure,
            checkpoints: file.checkpoints,
            leak: file.leak,
            screen: file.screen,
            without_controls: file.without_controls,
            paraphrases: file.paraphrases,
            stages: if file.stage.is_empty() { vec![Table::new()] } else { stages },
            axes: Vec::new(),
            claims: file.claim.into_iter().map(ClaimFields::spelt).collect(),
            slurm: file.slurm,
            quick: false,
        };
        if let Some(keys) = twice {
            let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
            let problem = format!("`{}` is here twice, in two spellings", keys.last().copied().unwrap_or_default());
            return Err(spec.error(&keys, problem, "keep one of the two"));
        }
        for (name, values) in spelt_table(file.sweep) {
            let (values, names) = match values {
                Value::Array(values) => (values, None),
                Value::Table(named) if !is_dotted(&named) => {
                    let (names, values) = named.into_iter().unzip();
                    (values, Some(names))
                }
                other => {
                    let problem = format!("axis `{name}` is not a list of values");
                    let remedy = match other {
                        Value::Table(_) => "write the whole axis in quotes, such as \"train.mix.rest\" = [...]",
                        _ => "write the values in brackets, such as [0.0, 0.1, 1.0]",
                    };
                    return Err(spec.error(&["sweep", &name], problem, remedy));
                }
            };
            if values.is_empty() {
                let problem = format!("axis `{name}` has no values");
                return Err(spec.error(&["sweep", &name], problem, "name at least one value, or leave the axis out"));
            }
            spec.axes.push(Axis { name, values, names });
        }
        Ok(spec)
    }

    /// Reads a spec file.
    ///
    /// # Errors
    /// Where the file cannot be read, and as [`Spec::parse`].
    pub fn open(path: &Path) -> Result<Self, SpecError> {
        let fail = |problem: String, remedy: &str| SpecError::new(path, "", None, problem, remedy.to_owned());
        if is_called_as_data(path) {
            let problem = "it is a file of data by its name, and a spec is wanted".to_owned();
            let name = quoted(&["titer", "init", "--data", &path.to_string_lossy()]);
            return Err(fail(problem, &format!("`{name} > spec.toml` writes one for these chats")));
        }
        let bytes = fs_err::read(path).map_err(|error| {
            fail(format!("cannot be read: {}", error.kind()), "name a spec file; `titer init` prints one to start from")
        })?;
        let text = String::from_utf8(bytes).map_err(|error| {
            let (whole, bytes) = (error.utf8_error().valid_up_to(), error.as_bytes());
            let problem = match bytes {
                [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => "it is UTF-16".to_owned(),
                _ => {
                    let line = 1 + bytes[..whole].iter().filter(|byte| **byte == b'\n').count();
                    format!("it is not UTF-8 from line {line}, byte {} on", whole + 1)
                }
            };
            fail(problem, "save the file as UTF-8")
        })?;
        let spec = Self::parse(&text, path)?;
        // Every key has a default, but a file without any is what a command leaves that was to write a spec and failed.
        if parse_toml::<Table>(&text, path)?.is_empty() {
            let remedy = "`titer init` prints a spec to start from; where it was to write this one, read what it said";
            return Err(SpecError::new(path, "", None, "the spec is empty".to_owned(), remedy.to_owned()));
        }
        Ok(spec)
    }

    /// A quick cut of the spec, to see whether it does what it should before all of it is run: at most
    /// [`Self::QUICK_SEEDS`] seeds and [`Self::QUICK_ITEMS`] contrasts per probe.
    pub fn cut(&mut self) {
        let defaults = Self::parse(DEFAULTS, Path::new("defaults.toml")).expect("the defaults are a spec");
        let seeds = self.seeds.get_or_insert(defaults.seeds.unwrap_or_default());
        seeds.truncate(Self::QUICK_SEEDS);
        let items = self.probes.items.or(defaults.probes.items).unwrap_or_default();
        self.probes.items = Some(items.min(Self::QUICK_ITEMS));
        self.quick = true;
    }

    /// What a quick cut of this spec left out where so many seeds were run: `fewer seeds`, `smaller probes`, both or neither.
    pub fn left_out_by_a_cut(&self, seeds: usize) -> Vec<&'static str> {
        let defaults = Self::parse(DEFAULTS, Path::new("defaults.toml")).expect("the defaults are a spec");
        let asked = self.seeds.as_ref().or(defaults.seeds.as_ref()).map_or(0, Vec::len);
        let items = self.probes.items.or(defaults.probes.items).unwrap_or_default();
        let left_out = [(seeds < asked, "fewer seeds"), (items > Self::QUICK_ITEMS, "smaller probes")];
        left_out.into_iter().filter(|(is_so, _)| *is_so).map(|(_, what)| what).collect()
    }

    /// Seeds of a quick cut, at most.
    pub(crate) const QUICK_SEEDS: usize = 2;
    /// Contrasts per probe of a quick cut, at most.
    pub(crate) const QUICK_ITEMS: usize = 16;

    /// An error at a key of this spec, named by its path of keys and indices; at the deepest part that is there.
    pub fn error(&self, keys: &[&str], problem: impl Into<String>, remedy: impl Into<String>) -> SpecError {
        let span = DeTable::parse(&self.text).ok().and_then(|table| locate(&table, keys));
        SpecError::new(&self.path, &self.text, span, problem.into(), remedy.into())
    }
}

/// Reads any TOML as what is wanted; `path` is for messages.
///
/// # Errors
/// The first thing that is not TOML, not a key, or not of the right type, with its line.
pub fn parse_toml<T: DeserializeOwned>(text: &str, path: &Path) -> Result<T, SpecError> {
    toml::from_str(text).map_err(|error: toml::de::Error| {
        let problem = plain(error.message());
        let from_place = error.span().and_then(|span| text.get(span.start..)).unwrap_or_default();
        let remedy = suggestion(&problem);
        let remedy = if remedy.is_empty() { as_list(&problem, from_place) } else { remedy };
        SpecError::new(path, text, error.span(), problem, remedy)
    })
}

/// Whether a file is called as chats and tables are.
fn is_called_as_data(path: &Path) -> bool {
    let ending = path.extension().and_then(|ending| ending.to_str()).map(str::to_ascii_lowercase);
    ending.is_some_and(|ending| ["jsonl", "json", "csv", "tsv", "parquet"].contains(&&*ending))
}

/// Whether a table is what is left of `train.mix.rest = [...]` without its quotes, rather than values with names.
fn is_dotted(axis: &Table) -> bool {
    let field = |(name, value): (&String, &Value)| {
        let mut fields = Table::new();
        fields.insert(name.clone(), Value::Boolean(true));
        let known = StageFields::deserialize(Value::Table(fields)).err();
        value.is_array() || known.is_none_or(|error| !error.message().starts_with("unknown field"))
    };
    axis.is_empty() || axis.iter().any(field)
}

/// The span of the deepest key that exists on this path.
fn locate(table: &Spanned<DeTable<'_>>, keys: &[&str]) -> Option<Range<usize>> {
    let mut located = None;
    let mut children = Some(Children::Table(table.get_ref()));
    for key in keys {
        let (span, value) = match children? {
            Children::Table(table) => {
                let Some((name, value)) = table.iter().find(|(name, _)| name.get_ref() == key) else { return located };
                (name.span(), value.get_ref())
            }
            Children::Array(values) => {
                let Some(value) = key.parse().ok().and_then(|at: usize| values.get(at)) else { return located };
                (value.span(), value.get_ref())
            }
        };
        located = Some(span);
        children = match value {
            DeValue::Table(table) => Some(Children::Table(table)),
            DeValue::Array(values) => Some(Children::Array(values)),
            _ => None,
        };
        if children.is_none() {
            return located;
        }
    }
    located
}

enum Children<'a, 'i> {
    Table(&'a DeTable<'i>),
    Array(&'a [Spanned<DeValue<'i>>]),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_of_chats_is_no_spec_and_long_lines_are_cut() {
        let error = Spec::open(Path::new("my rows.jsonl")).unwrap_err().to_string();
        assert!(
            error.contains("a spec is wanted") && error.contains("`titer init --data 'my rows.jsonl' > spec.toml`"),
            "{error}"
        );
        let line = format!("title = \"{}\" wrong {}", "é".repeat(300), "x".repeat(4000));
        let error = Spec::parse(&line, Path::new("s.toml")).unwrap_err().to_string();
        let shown: Vec<&str> = error.lines().filter(|line| line.contains(" | ")).collect();
        assert!(shown[0].chars().count() < 140 && shown[0].ends_with('…') && shown[0].contains("1 | …"), "{error}");
        // The mark stands below what is wrong.
        let at = shown[1].chars().position(|letter| letter == '^').unwrap();
        let rest: String = shown[0].chars().skip(at).collect();
        assert!(rest.starts_with("wrong"), "{error}");
    }

    #[test]
    fn a_spec_that_is_not_utf_8_is_said_to_be_none_and_where() {
        let file = tempfile::NamedTempFile::new().unwrap();
        for (bytes, said) in [
            (&b"title = \"a\"\nquestion = \"caf\xe9\"\n"[..], "not UTF-8 from line 2, byte 28 on"),
            (b"\xff\xfet\0i\0", "it is UTF-16"),
        ] {
            fs_err::write(file.path(), bytes).unwrap();
            let error = Spec::open(file.path()).unwrap_err().to_string();
            assert!(error.contains(said) && error.contains("save the file as UTF-8"), "{error}");
        }
    }
}
