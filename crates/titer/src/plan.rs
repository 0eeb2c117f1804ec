//! From the spec as written to the plan as resolved: arms, controls and runs. Nothing here has effects.

use std::path::Path;

use serde::{Deserialize, Serialize};
use titer_data::{
    cell::{Action, Cell, PromptKind},
    mix::{Mix, MixError},
    world::DomainSplit,
};
use toml::{Table, Value};

use crate::spec::{DEFAULTS, MixField, Spec, SpecError, StageFields, nearest, plain};
pub use crate::spec::{Decay, Optimiser, Schedule};

/// Raised whenever the same plan would give other numbers than before, so that stored runs are not taken for new ones.
pub const NUMERICS: u32 = 1;

/// A resolved spec: every arm, every seed.
#[derive(Clone, Debug)]
pub struct SweepPlan {
    /// The spec's title.
    pub title: String,
    /// The spec's question.
    pub question: String,
    /// The spec as written.
    pub spec_text: String,
    /// The command that runs it.
    pub command: String,
    /// The model's name in the spec.
    pub base: String,
    /// The seeds of every arm.
    pub seeds: Vec<u64>,
    /// Swept axes: name and values, in the order of the spec.
    pub axes: Vec<(String, Vec<Value>)>,
    /// The arms, controls that titer added at the end.
    pub arms: Vec<Arm>,
    /// What is measured.
    pub probes: ProbePlan,
}

/// One setting of the swept axes.
#[derive(Clone, Debug)]
pub struct Arm {
    /// A name to show, from its settings.
    pub name: String,
    /// The value of each axis; none for a control that titer added.
    pub settings: Vec<(String, Value)>,
    /// Index of its control among the arms: the same stages with `neutral→good` rows only.
    pub control: usize,
    /// What is trained.
    pub stages: Vec<StagePlan>,
}

/// What is measured, and how often.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ProbePlan {
    /// Contrasts per probe, and rows per cell.
    pub items: usize,
    /// Steps between measurements within a stage; 0 is only before and after.
    pub every: usize,
}

/// One training phase, resolved.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct StagePlan {
    /// Its name.
    pub name: String,
    /// Rows in all.
    pub rows: usize,
    /// Rows per step.
    pub batch: usize,
    /// Optimiser steps.
    pub steps: usize,
    /// Request domains.
    pub domains: DomainSplit,
    /// Which rows.
    #[serde(serialize_with = "mix_as_written")]
    pub mix: Mix,
    /// Update rule.
    pub optimiser: Optimiser,
    /// Learning rate over the steps.
    pub schedule: Schedule,
    /// Longest gradient; 0 is no limit.
    pub clip: f64,
    /// The loss is the mean over a batch's rows of (nats of the row's target tokens / divisor).
    pub divisor: f64,
}

fn mix_as_written<S: serde::Serializer>(mix: &Mix, serializer: S) -> Result<S::Ok, S::Error> {
    MixField { shares: mix.shares().to_vec(), rest: mix.rest() }.serialize(serializer)
}

/// Which model, by name and by content.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ModelPlan {
    /// Its name in the spec.
    pub base: String,
    /// Hash of everything that it computes with.
    pub blake3: String,
}

/// One run, resolved: everything that decides its numbers, and nothing else.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RunPlan {
    /// [`NUMERICS`]
    pub numerics: u32,
    /// The seed.
    pub seed: u64,
    /// The model.
    pub model: ModelPlan,
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
        // A folder's name does not change what a model computes, so a moved model keeps its runs.
        let content = Self { model: ModelPlan { base: String::new(), ..self.model.clone() }, ..self.clone() };
        RunId(blake3::hash(content.to_toml().as_bytes()).to_hex()[..16].to_owned())
    }

    /// Optimiser steps of all stages.
    pub fn steps(&self) -> usize {
        self.stages.iter().map(|stage| stage.steps).sum()
    }
}

impl SweepPlan {
    /// Resolves a spec.
    ///
    /// # Errors
    /// The first thing that makes no sense, with its line.
    pub fn resolve(spec: &Spec) -> Result<Self, SpecError> {
        let defaults = Spec::parse(DEFAULTS, Path::new("defaults.toml"))?;
        let seeds = spec.seeds.clone().or(defaults.seeds).unwrap_or_default();
        let twice = seeds.iter().enumerate().find(|(at, seed)| seeds[..*at].contains(seed));
        if seeds.is_empty() {
            return Err(spec.error(&["seeds"], "there are no seeds", "name at least one, such as seeds = [0, 1, 2]"));
        }
        if let Some((_, seed)) = twice {
            return Err(spec.error(
                &["seeds"],
                format!("seed {seed} is named twice"),
                "every seed is one run; name it once",
            ));
        }
        let items = spec.probes.items.or(defaults.probes.items).unwrap_or_default();
        if items == 0 {
            return Err(spec.error(
                &["probes", "items"],
                "a probe has no contrasts",
                "use at least 1; 64 is enough for curves",
            ));
        }
        let probes = ProbePlan { items, every: spec.probes.every.or(defaults.probes.every).unwrap_or_default() };
        let names = stage_names(spec)?;
        let mut arms = Vec::new();
        for settings in settings(spec, &names)? {
            let stages = resolve_stages(spec, &defaults.stages[0], &names, &settings)?;
            let settings: Vec<_> = settings.into_iter().map(|(axis, _, value)| (axis, value)).collect();
            arms.push(Arm { name: arm_name(&settings), settings, control: 0, stages });
        }
        add_controls(&mut arms);
        Ok(Self {
            title: spec.title.clone().or(defaults.title).unwrap_or_default(),
            question: spec.question.clone().or(defaults.question).unwrap_or_default(),
            spec_text: spec.text.clone(),
            command: format!("titer run {}", spec.path.display()),
            base: spec.base.clone().or(defaults.base).unwrap_or_default(),
            axes: spec.axes.iter().map(|axis| (axis.name.clone(), axis.values.clone())).collect(),
            seeds,
            arms,
            probes,
        })
    }

    /// Every run, seed by seed within an arm, as `(arm, plan)`; `model` finds the model of a seed.
    ///
    /// # Errors
    /// Where `model` fails.
    pub fn runs<E>(&self, model: impl Fn(&str, u64) -> Result<ModelPlan, E>) -> Result<Vec<(usize, RunPlan)>, E> {
        let models = self.seeds.iter().map(|&seed| model(&self.base, seed)).collect::<Result<Vec<_>, E>>()?;
        let plan = |arm: &Arm, seed: u64, model: &ModelPlan| RunPlan {
            numerics: NUMERICS,
            seed,
            model: model.clone(),
            probes: self.probes.clone(),
            stages: arm.stages.clone(),
        };
        let seeds = || self.seeds.iter().zip(&models);
        let arms = self.arms.iter().enumerate();
        Ok(arms.flat_map(|(at, arm)| seeds().map(move |(&seed, model)| (at, plan(arm, seed, model)))).collect())
    }
}

/// The stages' names, checked.
fn stage_names(spec: &Spec) -> Result<Vec<String>, SpecError> {
    let mut names: Vec<String> = Vec::new();
    for (at, stage) in spec.stages.iter().enumerate() {
        let name = match stage.get("name").and_then(Value::as_str) {
            Some(name) => name.to_owned(),
            None if spec.stages.len() == 1 => "train".to_owned(),
            None => {
                let problem = format!("stage {} has no name", at + 1);
                return Err(spec.error(
                    &["stage", &at.to_string()],
                    problem,
                    "give every stage a `name` where there are several",
                ));
            }
        };
        let place = ["stage", &at.to_string(), "name"];
        let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_';
        if name.is_empty() || !name.chars().all(allowed) {
            return Err(spec.error(&place, format!("`{name}` is not a stage name"), "use a-z, 0-9, - and _"));
        }
        if names.contains(&name) {
            return Err(spec.error(&place, format!("two stages are called `{name}`"), "give every stage its own name"));
        }
        names.push(name);
    }
    Ok(names)
}

/// An axis, the stage it is in, and one of its values.
type Setting = (String, usize, Value);

/// Every combination of the axes' values, the last axis changing fastest.
fn settings(spec: &Spec, names: &[String]) -> Result<Vec<Vec<Setting>>, SpecError> {
    let mut all = vec![Vec::new()];
    for axis in &spec.axes {
        let stage = axis.name.split('.').next().unwrap_or_default();
        let Some(at) = names.iter().position(|name| name == stage) else {
            let known = nearest(stage, names.iter().map(String::as_str)).unwrap_or(&names[0]);
            let problem = format!("axis `{}` names no stage", axis.name);
            let remedy = format!("an axis is <stage>.<field>; did you mean `{known}.…`?");
            return Err(spec.error(&["sweep", &axis.name], problem, remedy));
        };
        let with = |so_far: &Vec<Setting>, value: &Value| {
            so_far.iter().cloned().chain([(axis.name.clone(), at, value.clone())]).collect()
        };
        all = all.iter().flat_map(|so_far| axis.values.iter().map(move |value| with(so_far, value))).collect();
    }
    Ok(all)
}

fn resolve_stages(
    spec: &Spec,
    defaults: &Table,
    names: &[String],
    settings: &[Setting],
) -> Result<Vec<StagePlan>, SpecError> {
    let stage = |(at, written): (usize, &Table)| {
        let mut table = written.clone();
        for (axis, _, value) in settings.iter().filter(|(_, stage, _)| *stage == at) {
            set(spec, &mut table, defaults, axis, value)?;
        }
        let swept = |field: &str| {
            let starts = |axis: &str| axis.split('.').nth(1) == Some(field);
            settings.iter().find(|(axis, stage, _)| *stage == at && starts(axis)).map(|(axis, ..)| axis.clone())
        };
        // A problem is blamed on the axis that set the field, else on the field.
        let fail = |field: &str, problem: String, remedy: &str| match swept(field) {
            Some(axis) => spec.error(&["sweep", &axis], problem, remedy),
            None => spec.error(&["stage", &at.to_string(), field], problem, remedy),
        };
        let parsed = StageFields::deserialize(Value::Table(table)).map_err(|error| {
            let axis = settings.iter().find(|(_, stage, _)| *stage == at).map_or("", |(axis, ..)| axis);
            spec.error(
                &["sweep", axis],
                plain(error.message()),
                "the axis must name a field of its stage and hold its type",
            )
        })?;
        resolve_stage(parsed, defaults, &names[at], &fail)
    };
    spec.stages.iter().enumerate().map(stage).collect()
}

/// Puts an axis' value into a stage's table, at the path after the stage's name. A table that the stage leaves out is
/// the default one, of which the axis changes one field.
fn set(spec: &Spec, stage: &mut Table, defaults: &Table, axis: &str, value: &Value) -> Result<(), SpecError> {
    let mut keys: Vec<&str> = axis.split('.').skip(1).collect();
    let Some(last) = keys.pop() else {
        let remedy = "write <stage>.<field>, such as train.mix.rest";
        return Err(spec.error(&["sweep", axis], format!("axis `{axis}` names no field"), remedy));
    };
    let mut table = stage;
    for key in keys {
        let default = || defaults.get(key).cloned().unwrap_or_else(|| Value::Table(Table::new()));
        let child = table.entry(key).or_insert_with(default);
        let Value::Table(child) = child else {
            let problem = format!("axis `{axis}`: `{key}` is not a table");
            return Err(spec.error(&["sweep", axis], problem, "sweep the field itself"));
        };
        table = child;
    }
    // A cell may be written with either arrow; the axis replaces it in place, and a new one comes first.
    let same = |a: &str, b: &str| a == b || matches!((a.parse::<Cell>(), b.parse::<Cell>()), (Ok(a), Ok(b)) if a == b);
    match table.keys().find(|key| same(key, last)).cloned() {
        Some(key) => drop(table.insert(key, value.clone())),
        None => drop(table.insert(last.to_owned(), value.clone())),
    }
    Ok(())
}

fn resolve_stage(
    stage: StageFields,
    defaults: &Table,
    name: &str,
    fail: &dyn Fn(&str, String, &str) -> SpecError,
) -> Result<StagePlan, SpecError> {
    let default = StageFields::deserialize(Value::Table(defaults.clone())).expect("the defaults are a stage");
    let missing = "defaults.toml has every field of a stage";
    let rows = stage.rows.or(default.rows).expect(missing);
    let batch = stage.batch.or(default.batch).expect(missing);
    if rows == 0 || batch == 0 || !rows.is_multiple_of(batch) {
        let field = if stage.batch.is_some() { "batch" } else { "rows" };
        let problem = format!("{rows} rows do not divide into batches of {batch}");
        return Err(fail(field, problem, "make `rows` a multiple of `batch`, and both at least 1"));
    }
    let mix = stage.mix.or(default.mix).expect(missing);
    let mix = mix.mix().and_then(|mix| as_trained(&mix)).map_err(|error| fail("mix", error.to_string(), ""))?;
    let optimiser = stage.optimiser.or(default.optimiser).expect(missing);
    if let Some(problem) = optimiser.problem() {
        return Err(fail("optimiser", problem, ""));
    }
    let schedule = stage.schedule.or(default.schedule).expect(missing);
    if !(0.0..=1.0).contains(&schedule.floor) {
        let problem = format!("`floor` is {}", schedule.floor);
        return Err(fail("schedule", problem, "it is a share of the learning rate, between 0 and 1"));
    }
    let clip = stage.clip.or(default.clip).expect(missing);
    if !(clip.is_finite() && clip >= 0.0) {
        return Err(fail(
            "clip",
            format!("the gradient cannot be clipped to {clip}"),
            "use a length above 0, or 0 for no limit",
        ));
    }
    let divisor = stage.divisor.or(default.divisor).expect(missing);
    if !(divisor.is_finite() && divisor > 0.0) {
        return Err(fail("divisor", format!("the loss cannot be divided by {divisor}"), "use a number above 0"));
    }
    let domains = stage.domains.or(default.domains).expect(missing);
    let steps = rows / batch;
    Ok(StagePlan { name: name.to_owned(), rows, batch, steps, domains, mix, optimiser, schedule, clip, divisor })
}

/// The mix without the cells that it has nothing of, so that one set of rows has one plan however it is written.
fn as_trained(mix: &Mix) -> Result<Mix, MixError> {
    let shares: Vec<_> = mix.shares().iter().copied().filter(|(_, share)| *share > 0.0).collect();
    let full = shares.iter().map(|(_, share)| share).sum::<f64>() >= 1.0;
    let rest = mix.rest().filter(|_| !full);
    Mix::new(shares, rest)
}

/// Gives every arm its control, reusing an arm that already is one.
fn add_controls(arms: &mut Vec<Arm>) {
    let neutral = Cell { prompt: PromptKind::Neutral, action: Action::Good };
    let control_mix = Mix::new(Vec::new(), Some(neutral)).expect("a rest alone is a mix");
    for at in 0..arms.len() {
        let mut stages = arms[at].stages.clone();
        stages.iter_mut().for_each(|stage| stage.mix = control_mix.clone());
        arms[at].control = match arms.iter().position(|arm| arm.stages == stages) {
            Some(control) => control,
            None => {
                let kept: Vec<_> =
                    arms[at].settings.iter().filter(|(axis, _)| !axis.contains(".mix")).cloned().collect();
                let name = if kept.is_empty() { "control".to_owned() } else { format!("{} control", arm_name(&kept)) };
                arms.push(Arm { name, settings: kept, control: arms.len(), stages });
                arms.len() - 1
            }
        };
    }
}

/// `bad→good=0.05 rest=neutral→good optimiser=adamw`
fn arm_name(settings: &[(String, Value)]) -> String {
    let name = |(axis, value): &(String, Value)| format!("{}={}", axis.rsplit('.').next().unwrap_or(axis), show(value));
    if settings.is_empty() { String::from("arm") } else { settings.iter().map(name).collect::<Vec<_>>().join(" ") }
}

/// A value as a person would write it: a table by its `kind` where it has one.
pub fn show(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Table(table) => match table.get("kind").and_then(Value::as_str) {
            Some(kind) => kind.to_owned(),
            None => table.iter().map(|(key, value)| format!("{key}:{}", show(value))).collect::<Vec<_>>().join(","),
        },
        other => other.to_string(),
    }
}
