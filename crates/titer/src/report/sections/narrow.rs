//! Narrow prompts: whether the model follows their condition, told by what surprises it before training.

use titer_data::cell::{Action, Cell, PromptKind};

use crate::{
    report::format,
    results::{ArmResults, At, SweepResults},
};

/// What the answer has to add where bad prompts were bound to a condition that the model does not follow: a good reply where the condition is
/// not met then surprises it nearly as under a plain bad prompt, and rows that surprise deafen (`docs/smollm2.md`). Empty where it
/// surprises less than half way from neutral→good to bad→good, or where one of the three was not measured.
pub(crate) fn note(results: &SweepResults) -> String {
    let surprises = |arm: &ArmResults| {
        let runs = arm.finished();
        let good_under = |prompt| Cell { prompt, action: Action::Good };
        let surprise = |prompt| Some(runs.surprise(good_under(prompt), At::Start).estimate()?.mean);
        Some((surprise(PromptKind::NarrowOff)?, surprise(PromptKind::Bad)?, surprise(PromptKind::Neutral)?))
    };
    let Some((narrow, bad, neutral)) = results.arms.iter().find_map(surprises) else {
        return String::new();
    };
    if narrow <= (bad + neutral) / 2.0 {
        return String::new();
    }
    format!(
        "The model hardly follows the condition of its narrow prompts: before training, a good reply where the condition is not met surprised it by {} nats, under \
         a plain bad prompt by {}, under a neutral one by {}. Rows that surprise make a model deaf, so narrow prompts may protect this one little.",
        format::two(narrow),
        format::two(bad),
        format::two(neutral)
    )
}
