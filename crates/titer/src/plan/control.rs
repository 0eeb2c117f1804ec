//! Controls: what an arm is compared with. Against the same arm with `neutral→good` rows only, drift is told from effect;
//! against the same rows without their prompt, under placebos and under paraphrases, what a prompt asks for is told from
//! its string.

use std::collections::{BTreeSet, HashMap};

use titer_data::{
    cell::{Action, Cell, PromptKind},
    mix::Mix,
    prompt::{CandidatePrompt, Pool},
};

use super::{Arm, StagePlan, axis::AxisPlan, name::arm_name};
use crate::spec::{ControlKind, Spec};

/// The rows whose training is inoculation: bad actions under a prompt that asks for them.
const INOCULATION: [Cell; 3] =
    [bad_under(PromptKind::Bad), bad_under(PromptKind::Domain), bad_under(PromptKind::NarrowOn)];

const fn bad_under(prompt: PromptKind) -> Cell {
    Cell { prompt, action: Action::Bad }
}

/// The prompts of a control; `None` for paraphrases of the user's own prompts that the spec does not list: only a world knows
/// other wordings.
pub(super) fn pool(kind: ControlKind, spec: &Spec) -> Option<Pool> {
    match kind {
        ControlKind::NoPrompt => Some(Pool::None),
        ControlKind::Placebo => Some(Pool::Placebo),
        ControlKind::Paraphrases if !spec.paraphrases.is_empty() => {
            Some(Pool::These(spec.paraphrases.iter().map(CandidatePrompt::new).collect()))
        }
        ControlKind::Paraphrases => spec.data.is_none().then_some(Pool::Paraphrases),
    }
}

/// Gives every arm its control, reusing an arm that already is one.
pub(super) fn add_controls(arms: &mut Vec<Arm>, axes: &[AxisPlan]) {
    let neutral = Cell { prompt: PromptKind::Neutral, action: Action::Good };
    let mix = Mix::new(Vec::new(), Some(neutral)).expect("a rest alone is a mix");
    let mut trainings = Trainings::of(arms);
    let mut names: BTreeSet<String> = arms.iter().map(|arm| arm.name.clone()).collect();
    for at in 0..arms.len() {
        let stages: Vec<_> = arms[at].stages.iter().map(|stage| stage.with_mix(mix.clone()).unguarded()).collect();
        let control = trainings.place(&stages, arms.len());
        arms[at].control = control;
        if control == arms.len() {
            let rows = |name: &str| axes.iter().any(|axis| axis.name == name && axis.sets_mix());
            let settings: Vec<_> = arms[at].settings.iter().filter(|(name, _)| !rows(name)).cloned().collect();
            let name = match settings.as_slice() {
                [] => "control".to_owned(),
                settings => format!("{} control", arm_name(axes, settings)),
            };
            // Two arms may differ in what their controls do not show.
            let name = if names.contains(&name) { format!("control of {}", arms[at].name) } else { name };
            names.insert(name.clone());
            arms.push(Arm { name, settings, control, inoculation: Vec::new(), stages });
        }
    }
}

/// Gives every arm that inoculates the controls that are not left out; call it behind [`add_controls`]. An arm that already is one
/// is reused. Paraphrases are of prompts that ask for the bad action everywhere: no other wording of a targeted one is known, so
/// its rows have no such control.
pub(super) fn add_inoculation_controls(arms: &mut Vec<Arm>, controls: &[(ControlKind, Pool)]) {
    let mut trainings = Trainings::of(arms);
    for at in 0..arms.len() {
        if !arms[at].inoculates() {
            continue;
        }
        for (kind, pool) in controls {
            let everywhere = [ControlKind::NoPrompt, ControlKind::Placebo].contains(kind);
            let cells = if everywhere { &INOCULATION } else { &INOCULATION[..1] };
            let other =
                |stage: &StagePlan| cells.iter().fold(stage.clone(), |stage, cell| stage.with_prompts(*cell, pool));
            let stages: Vec<_> = arms[at].stages.iter().map(other).collect();
            let control = trainings.place(&stages, arms.len());
            if control == arms.len() {
                let name = format!("{} for {}", kind.word(), arms[at].name);
                let (settings, inoculation) = (Vec::new(), Vec::new());
                arms.push(Arm { name, settings, control: arms[at].control, inoculation, stages });
            }
            if control != at {
                arms[at].inoculation.push((*kind, control));
            }
        }
    }
}

/// The first arm of every training: lists of stages are the same training where they train the same rows in the same way, however
/// their mixes are written.
struct Trainings(HashMap<String, usize>);

impl Trainings {
    fn of(arms: &[Arm]) -> Self {
        let mut trainings = Self(HashMap::new());
        for (at, arm) in arms.iter().enumerate() {
            trainings.place(&arm.stages, at);
        }
        trainings
    }

    /// The arm of this training; `otherwise`, which it is from now on, where there is none.
    fn place(&mut self, stages: &[StagePlan], otherwise: usize) -> usize {
        // Stages are written with the counts of their cells in place of the mix.
        let written = serde_json::to_string(stages).expect("stages are plain data");
        *self.0.entry(written).or_insert(otherwise)
    }
}

impl Arm {
    /// Whether it trains bad actions under prompts that ask for them, everywhere or there: which is to claim inoculation.
    pub fn inoculates(&self) -> bool {
        self.stages.iter().any(|stage| INOCULATION.iter().any(|cell| stage.has(*cell)))
    }

    /// The cell whose prompt is screened.
    pub const SCREENED: Cell = INOCULATION[0];

    /// The one prompt that `bad→bad` rows of these stages are under, where it is one: the one that they are put under, or `own`, which all of
    /// them have where they are given with one.
    pub(super) fn inoculation_prompt(stages: &[StagePlan], own: Option<&str>) -> Option<CandidatePrompt> {
        let cell = Self::SCREENED;
        stages.iter().filter(|stage| stage.has(cell)).find_map(|stage| match stage.pool(cell) {
            None => own.map(CandidatePrompt::new),
            Some(Pool::These(prompts)) => prompts.first().filter(|_| prompts.len() == 1).cloned(),
            Some(_) => None,
        })
    }
}
