//! Control probes: what guards look at while they train.
//!
//! Their contexts are those that may be differentiated ([`ProbeUse::Gradient`]), never those that measure. They are cut into
//! slices that take turns, and what a look gives is a *change*: the slice's margins less those that the same contrasts had
//! when the stage began, so that it does not matter which contrasts a slice holds. Every look has contrasts of its own as
//! long as there are some: those that a guard has steered along before would flatter it.

use titer::{
    plan::{ControlPlan, Target},
    table::GuardRecord,
};
use titer_data::{
    probe::{Component, Contrast, Probe, ProbePrompts},
    source::Source,
    tokenize::TokenizeError,
    world::{DomainSplit, ProbeUse},
};
use titer_model::{params::Params, passes::Workspace};

use super::StepPosition;
use crate::{
    model::{EngineBackend, Model},
    pressure::Margin,
};

/// Why control probes cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// There is no such probe.
    #[error("no control probe is called `{name}`; there are {known}")]
    Unknown {
        /// As the spec has it.
        name: String,
        /// Those that there are.
        known: String,
    },
    /// A component has no contrast.
    #[error("the guard needs contrasts of `{0}`, and there are none: add some, or leave its target out")]
    None(&'static str),
    /// A contrast cannot be encoded.
    #[error(transparent)]
    Tokenize(#[from] TokenizeError),
}

/// The control probes of one guard: at least one for each target.
#[derive(Debug)]
pub struct Control {
    probes: Vec<ControlProbe>,
    every: usize,
    workspace: Workspace<EngineBackend>,
}

#[derive(Debug)]
struct ControlProbe {
    name: String,
    target: Target,
    slices: Vec<Slice>,
}

#[derive(Debug)]
struct Slice {
    margin: Margin,
    /// The margin of each contrast at the stage's start, nats.
    start: Vec<f64>,
}

/// What a look at one probe shows.
#[derive(Debug)]
pub struct Look {
    /// Mean change of the margin since the stage began, nats.
    pub change: f64,
    /// The gradient of the mean margin.
    pub gradient: Params<EngineBackend>,
}

/// Slices after which contrasts come round again.
const SLICES: usize = 50;

impl Control {
    /// Control probes of a source for a stage of `steps` steps, and their margins now.
    ///
    /// # Errors
    /// Where a probe is unknown, empty, or cannot be encoded.
    pub fn new(
        model: &Model,
        source: &Source,
        seed: u64,
        plan: &ControlPlan,
        steps: usize,
    ) -> Result<Self, ControlError> {
        let slices = steps.div_ceil(plan.every).clamp(1, SLICES);
        let all = source.probes(ProbeUse::Gradient, seed, plan.contrasts * slices);
        if let Some(name) = plan.probes.iter().find(|name| all.iter().all(|probe| probe.name() != **name)) {
            let known = all.iter().map(Probe::name).collect::<Vec<_>>().join(", ");
            return Err(ControlError::Unknown { name: name.clone(), known });
        }
        let slice = |contrasts: &[Contrast]| {
            let margin = Margin::new(model, &contrasts.iter().collect::<Vec<_>>())?;
            let start = margin.each(model);
            Ok::<_, ControlError>(Slice { margin, start })
        };
        let mut probes = Vec::new();
        for target in &plan.target {
            let component = Component::ALL[target.component];
            let of_component: Vec<&Probe> = all.iter().filter(|probe| probe.component == component).collect();
            let named = |probe: &&&Probe| plan.probes.contains(&probe.name());
            // Training rows have a say in what becomes of their own prompts, so paraphrases speak for the component.
            let usual = |prompts: ProbePrompts| {
                of_component.iter().find(|probe| probe.prompts == prompts && probe.domains == DomainSplit::Trained)
            };
            let wanted: Vec<&&Probe> = match plan.probes.as_slice() {
                [] => usual(ProbePrompts::Paraphrased).or_else(|| usual(ProbePrompts::Seen)).into_iter().collect(),
                _ => of_component.iter().filter(named).collect(),
            };
            if wanted.iter().all(|probe| probe.contrasts.is_empty()) {
                return Err(ControlError::None(component.word()));
            }
            for probe in wanted.into_iter().filter(|probe| !probe.contrasts.is_empty()) {
                let slices = probe.contrasts.chunks(plan.contrasts).map(slice).collect::<Result<_, _>>()?;
                probes.push(ControlProbe { name: probe.name(), target: *target, slices });
            }
        }
        Ok(Self { probes, every: plan.every, workspace: Workspace::default() })
    }

    /// The target of every probe, in order.
    pub fn targets(&self) -> Vec<Target> {
        self.probes.iter().map(|probe| probe.target).collect()
    }

    /// What a guard did about every probe at a look that found these changes, as far as guards have it in common.
    pub fn records(&self, guard: &str, at: StepPosition, changes: &[f64]) -> Vec<GuardRecord> {
        let record = |(probe, change): (&ControlProbe, &f64)| GuardRecord {
            step: (at.before + at.step) as i64,
            guard: guard.to_owned(),
            probe: probe.name.clone(),
            wanted_low: probe.target.low,
            wanted_high: probe.target.high,
            change: *change,
            multiplier: f64::NAN,
            bound: 0,
            moved: f64::NAN,
            push: f64::NAN,
            own: f64::NAN,
        };
        self.probes.iter().zip(changes).map(record).collect()
    }

    /// Whether a look is due before step `step` of the stage.
    pub fn is_due(&self, step: usize) -> bool {
        step.is_multiple_of(self.every)
    }

    /// Looks at the next slice of every probe; `step` says which.
    pub fn look(&mut self, model: &Model, step: usize) -> Vec<Look> {
        let turn = step / self.every;
        let workspace = &mut self.workspace;
        let look = |probe: &ControlProbe| {
            let Slice { margin, start } = &probe.slices[turn % probe.slices.len()];
            let (now, gradient) = margin.look(model, workspace);
            let change = now.iter().zip(start).map(|(now, start)| now - start).sum::<f64>() / start.len() as f64;
            Look { change, gradient }
        };
        self.probes.iter().map(look).collect()
    }
}
