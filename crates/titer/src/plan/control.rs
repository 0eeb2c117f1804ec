//! Controls: the same arm with `neutral→good` rows only, against which drift is told from effect.

use titer_data::{
    cell::{Action, Cell, PromptKind},
    mix::Mix,
};

use super::{Arm, StagePlan, axes::AxisPlan, name::arm_name};

/// Gives every arm its control, reusing an arm that already is one.
pub(super) fn add_controls(arms: &mut Vec<Arm>, axes: &[AxisPlan]) {
    let neutral = Cell { prompt: PromptKind::Neutral, action: Action::Good };
    let mix = Mix::new(Vec::new(), Some(neutral)).expect("a rest alone is a mix");
    for at in 0..arms.len() {
        let stages: Vec<_> = arms[at].stages.iter().map(|stage| stage.with_mix(mix.clone()).unguarded()).collect();
        let present = arms.iter().position(|arm| same_training(&arm.stages, &stages));
        arms[at].control = present.unwrap_or(arms.len());
        if present.is_none() {
            let rows = |name: &str| {
                axes.iter().any(|axis| axis.name == name && ["mix", "guards"].contains(&axis.path[0].as_str()))
            };
            let settings: Vec<_> = arms[at].settings.iter().filter(|(name, _)| !rows(name)).cloned().collect();
            let name = match settings.as_slice() {
                [] => "control".to_owned(),
                settings => format!("{} control", arm_name(axes, settings)),
            };
            arms.push(Arm { name, settings, control: arms.len(), stages });
        }
    }
}

/// Whether two lists of stages train the same rows in the same way, however their mixes are written.
fn same_training(a: &[StagePlan], b: &[StagePlan]) -> bool {
    let same = |a: &StagePlan, b: &StagePlan| a.cells() == b.cells() && a.with_mix(b.mix.clone()) == *b;
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b))
}
