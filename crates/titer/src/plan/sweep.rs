//! A resolved spec: every arm, every seed.

use std::{collections::BTreeSet, path::Path};

use serde::Deserialize as _;
use titer_data::{
    cell::Cell,
    probe::Probe,
    prompt::{CandidatePrompt, Pool},
    source::DataFiles,
    template::TemplateOptions,
    world::World,
};
use toml::{Table, Value};

use super::{
    Arm, DataPlan, ModelPlan, NUMERICS, ProbePlan, RunPlan, StagePlan,
    axes::{self, Choice},
    axis::AxisPlan,
    control::{add_controls, add_inoculation_controls, pool},
    name::arm_name,
};
use crate::{
    spec::{Compute, ControlKind, DEFAULTS, DeviceName, LeakFields, Lora, Spec, SpecError, StageFields, When, plain},
    words::counted,
};

/// Runs of a sweep at most.
const MOST_RUNS: usize = 200_000;

/// Contrasts of a probe at most.
const MOST_ITEMS: usize = 1_000_000;

/// A resolved spec.
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
    /// The model's name in the spec; may hold `{seed}`, see [`SweepPlan::base_of`].
    pub base: String,
    /// What chats are rendered with.
    pub template: TemplateOptions,
    /// The adapters that are trained; `None` for everything.
    pub lora: Option<Lora>,
    /// The number type that weights are rounded to; `None` for that of their file.
    pub dtype: Option<String>,
    /// What frozen weights are multiplied in.
    pub compute: Compute,
    /// Where the model is computed.
    pub device: DeviceName,
    /// The user's own rows and contrasts, as named in the spec.
    pub data: Option<DataFiles>,
    /// The probes that those contrasts make, once they have been read.
    pub own_probes: Option<Vec<String>>,
    /// The prompt that all `bad→bad` rows of the user's own have, once they have been read and where it is one.
    pub own_prompt: Option<String>,
    /// The seeds of every arm.
    pub seeds: Vec<u64>,
    /// Swept axes, in the order of the spec: name, and values as numbers, booleans or texts.
    pub axes: Vec<(String, Vec<Value>)>,
    /// The arms, controls that titer added at the end.
    pub arms: Vec<Arm>,
    /// What is measured.
    pub probes: ProbePlan,
    /// When pressures are taken and the ledger is kept.
    pub pressure: When,
    /// When the model is saved.
    pub checkpoints: When,
    /// The training prompt of the leak grid, if one is measured.
    pub leak: Option<LeakFields>,
    /// Whether every arm's prompt is screened before training.
    pub screen: bool,
    /// Whether it is a quick cut of the spec, see [`Spec::cut`].
    pub quick: bool,
}

impl SweepPlan {
    /// The probes that its runs measure, `component/prompts/domains`; of a user's own contrasts that have not been read, all that there may be.
    pub fn probe_names(&self) -> Vec<String> {
        match (&self.data, &self.own_probes) {
            (None, _) => World::probe_names().collect(),
            (Some(_), Some(names)) => names.clone(),
            (Some(_), None) => Probe::possible_names().collect(),
        }
    }

    /// Resolves a spec.
    ///
    /// # Errors
    /// The first thing that makes no sense, with its line.
    pub fn resolve(spec: &Spec) -> Result<Self, SpecError> {
        let defaults = Spec::parse(DEFAULTS, Path::new("defaults.toml"))?;
        let seeds = spec.seeds.clone().or(defaults.seeds).unwrap_or_default();
        let mut seen = BTreeSet::new();
        let twice = seeds.iter().find(|seed| !seen.insert(**seed));
        if seeds.is_empty() {
            return Err(spec.error(&["seeds"], "there are no seeds", "name at least one, such as seeds = [0, 1, 2]"));
        }
        if let Some(seed) = twice {
            return Err(spec.error(
                &["seeds"],
                format!("seed {seed} is named twice"),
                "every seed is one run; name it once",
            ));
        }
        let items = spec.probes.items.or(defaults.probes.items).unwrap_or_default();
        let problem = match items {
            0 => Some("a probe has no contrasts".to_owned()),
            1..=MOST_ITEMS => None,
            more => Some(format!("a probe has {more} contrasts, of {MOST_ITEMS} at most")),
        };
        if let Some(problem) = problem {
            return Err(spec.error(&["probes", "items"], problem, "use at least 1; 64 is enough for curves"));
        }
        let probes = ProbePlan { items, every: spec.probes.every.or(defaults.probes.every).unwrap_or_default() };
        if spec.leak.as_ref().is_some_and(|leak| leak.prompt.trim().is_empty()) {
            let remedy = "write the prompt that the arms train under, or leave [leak] out";
            return Err(spec.error(&["leak", "prompt"], "the leak grid has an empty prompt", remedy));
        }
        let names = stage_names(spec)?;
        axes::bounded(spec)?;
        let axes = axes::resolve(spec, &names, &defaults.stages[0])?;
        let arm = |choices: Vec<Choice>| {
            let stages = stages(spec, &defaults.stages[0], &names, &axes, &choices)?;
            let setting =
                |choice: Choice| (axes[choice.axis].name.clone(), axes[choice.axis].shown[choice.value].clone());
            let settings: Vec<_> = choices.into_iter().map(setting).collect();
            Ok(Arm { name: arm_name(&axes, &settings), settings, control: 0, inoculation: Vec::new(), stages })
        };
        let mut arms = axes::combinations(&axes).into_iter().map(arm).collect::<Result<Vec<_>, _>>()?;
        add_controls(&mut arms, &axes);
        let wanted = ControlKind::ALL.into_iter().filter(|kind| !spec.without_controls.contains(kind));
        let pools: Vec<_> = wanted.filter_map(|kind| Some((kind, pool(kind, spec)?))).collect();
        add_inoculation_controls(&mut arms, &pools);
        if arms.len() * seeds.len() > MOST_RUNS {
            let problem = format!("{} × {}", counted(arms.len(), "arm"), counted(seeds.len(), "seed"));
            return Err(spec.error(&["seeds"], problem, format!("a sweep has {MOST_RUNS} runs at most")));
        }
        Ok(Self {
            title: spec.title.clone().or(defaults.title).unwrap_or_default(),
            question: spec.question.clone().or(defaults.question).unwrap_or_default(),
            spec_text: spec.text.clone(),
            command: format!("titer run {}", spec.path.display()),
            base: spec.base.clone().or(defaults.base).unwrap_or_default(),
            template: spec.template.clone(),
            lora: spec.lora.clone(),
            dtype: spec.dtype.clone(),
            compute: spec.compute.unwrap_or_default(),
            device: spec.device.unwrap_or_default(),
            data: spec.data.clone(),
            own_probes: None,
            own_prompt: None,
            axes: axes.into_iter().map(|axis| (axis.name, axis.shown)).collect(),
            seeds,
            arms,
            probes,
            pressure: spec.pressure.or(defaults.pressure).unwrap_or_default(),
            checkpoints: spec.checkpoints.or(defaults.checkpoints).unwrap_or_default(),
            leak: spec.leak.clone(),
            screen: spec.screen.or(defaults.screen).unwrap_or_default(),
            quick: spec.quick,
        })
    }

    /// The model's name for a seed: `{seed}` in it is the seed's number.
    pub fn base_of(&self, seed: u64) -> String {
        self.base.replace("{seed}", &seed.to_string())
    }

    /// The prompt of an arm that is screened before training; `None` where its `bad→bad` rows are not under one prompt, or there are none.
    pub fn screened_prompt(&self, arm: &Arm) -> Option<CandidatePrompt> {
        Arm::inoculation_prompt(&arm.stages, self.own_prompt.as_deref()).filter(|_| self.screen)
    }

    /// The arms, apart from controls that titer added, that train `bad→bad` rows under several prompts or none, so that there is none to screen.
    pub fn unscreened(&self) -> impl Iterator<Item = &Arm> {
        let trains = |arm: &Arm| arm.stages.iter().any(|stage| stage.has(Arm::SCREENED));
        let grid = self.axes.iter().map(|(_, values)| values.len()).product();
        self.arms.iter().take(grid).filter(move |arm| self.screen && trains(arm) && self.screened_prompt(arm).is_none())
    }

    /// Whether the prompt of an arm that is screened stands in its rows.
    fn takes_own_prompt(&self, arm: &Arm) -> bool {
        Arm::inoculation_prompt(&arm.stages, None).is_none() && self.screened_prompt(arm).is_some()
    }

    /// Every run, seed by seed within an arm, as `(arm, plan)`; `model` finds the model of a seed, `data` is what
    /// [`SweepPlan::data`] names.
    ///
    /// # Errors
    /// Where `model` fails.
    pub fn runs<E>(
        &self,
        data: Option<&DataPlan>,
        model: impl Fn(&str, u64) -> Result<ModelPlan, E>,
    ) -> Result<Vec<(usize, RunPlan)>, E> {
        let models = self.seeds.iter().map(|&seed| model(&self.base_of(seed), seed)).collect::<Result<Vec<_>, E>>()?;
        let plan = |arm: &Arm, seed: u64, model: &ModelPlan| RunPlan {
            numerics: NUMERICS,
            seed,
            pressure: self.pressure,
            checkpoints: self.checkpoints,
            leak: self.leak.clone(),
            screen: self.screen,
            own_prompt: self.own_prompt.clone().filter(|_| self.screen && self.takes_own_prompt(arm)),
            model: ModelPlan {
                lora: self.lora.clone(),
                dtype: self.dtype.clone(),
                compute: self.compute,
                device: self.device,
                template: TemplateOptions { date: self.template.date.or(model.template.date), ..self.template.clone() },
                ..model.clone()
            },
            data: data.cloned(),
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

/// The stages of one arm.
fn stages(
    spec: &Spec,
    defaults: &Table,
    names: &[String],
    axes: &[AxisPlan],
    choices: &[Choice],
) -> Result<Vec<StagePlan>, SpecError> {
    let fields = |table: Table| StageFields::deserialize(Value::Table(table));
    let default = fields(defaults.clone()).expect("the defaults are a stage");
    let stage = |(at, written): (usize, &Table)| {
        let of_stage = || choices.iter().filter(|choice| axes[choice.axis].stage == at);
        let mut table = written.clone();
        for choice in of_stage() {
            let axis = &axes[choice.axis];
            axis.put(&mut table, defaults, &axis.values[choice.value]).expect("every axis has been tried");
        }
        // A problem is blamed on the value of the axis that set the field, else on the field.
        let fail = |field: &str, problem: String, remedy: &str| {
            let field: Vec<&str> = field.split('.').collect();
            let sets = |choice: &&Choice| axes[choice.axis].path.iter().zip(&field).all(|(a, b)| a == b);
            match of_stage().rev().find(sets) {
                Some(choice) => {
                    spec.error(&["sweep", &axes[choice.axis].written, &choice.value.to_string()], problem, remedy)
                }
                None => spec.error(&[&["stage", &at.to_string()], &field[..]].concat(), problem, remedy),
            }
        };
        let written = fields(table).map_err(|error| fail("", plain(error.message()), ""))?;
        let written = written.seen_from(spec.path.parent().unwrap_or(Path::new("")));
        let stage = StagePlan::resolve(&written, &default, &names[at], &fail)?;
        let probes: Vec<String> = match spec.data {
            None => World::probe_names().collect(),
            Some(_) => Probe::possible_names().collect(),
        };
        for (of, prefix) in stage.with_helpers().zip(["", "helper.train."]) {
            if let Some((guard, problem)) = of.guards.unknown_probe(&probes) {
                let field = format!("{prefix}guards.{guard}.probes");
                return Err(fail(&field, problem, "a probe is <component>/<prompts>/<domains>"));
            }
        }
        let own = |stage: &StagePlan| {
            let paraphrased = |cell: &Cell| stage.pool(*cell) == Some(&Pool::Paraphrases);
            let trained = stage.cells().iter().map(|(cell, _)| *cell).find(paraphrased);
            let drawn = || stage.drawn.as_ref().is_some_and(|drawn| drawn.under == Pool::Paraphrases);
            trained.map(|cell| format!("prompts.{cell}")).or_else(|| drawn().then(|| "drawn.under".to_owned()))
        };
        let paraphrased = stage.with_helpers().find_map(own);
        match paraphrased.filter(|_| spec.data.is_some()) {
            Some(field) => {
                let problem = format!("`{field}`: titer knows no paraphrases of the prompts of your own rows");
                Err(fail(&field, problem, "list them: a row gets one of the list"))
            }
            None => Ok(stage),
        }
    };
    spec.stages.iter().enumerate().map(stage).collect()
}
