//! What a spec asks for that another trainer has not.

use super::Trainer;
use crate::{
    plan::{GuardsPlan, OptimiserPlan, SweepPlan},
    spec::{Spec, SpecError},
};

/// Makes sure that a trainer can train every arm of a spec.
///
/// # Errors
/// The first thing that it has not, named, with the arm that asks for it.
pub fn refuse(spec: &Spec, plan: &SweepPlan, trainer: Trainer) -> Result<(), SpecError> {
    let refused = |keys: &[&str], what: String, remedy: &str| {
        Err(spec.error(keys, format!("{what}, which {trainer} has not"), remedy.to_owned()))
    };
    for arm in &plan.arms {
        let trained: Vec<_> = arm.stages.iter().filter(|stage| stage.steps > 0).collect();
        for stage in &trained {
            let place = format!("arm `{}`, stage `{}`", arm.name, stage.name);
            // Those that only say which rows are trained are in the rows that are written.
            let guards = GuardsPlan { rewrite: None, anchor: None, ..stage.guards.clone() };
            if !guards.is_empty() {
                let remedy = "train these arms with `titer run`, or leave the guards out";
                return refused(&["stage"], format!("{place}: it has guards ({guards})"), remedy);
            }
            if let Some(drawn) = &stage.drawn {
                let remedy = "train these arms with `titer run`, or leave `drawn` out";
                return refused(&["stage"], format!("{place}: its rows are not known beforehand ({drawn})"), remedy);
            }
            if let Some(vector) = &stage.vector {
                let remedy = "train these arms with `titer run`, or leave `vector` out";
                return refused(&["stage"], format!("{place}: it has a vector ({vector})"), remedy);
            }
            if let Some(helper) = &stage.helper {
                let remedy = "train these arms with `titer run`, or leave `helper` out";
                return refused(&["stage"], format!("{place}: it has a helper ({helper})"), remedy);
            }
            if let OptimiserPlan::Sgd { momentum, .. } = stage.optimiser
                && momentum > 0.0
                && trainer.leaves_weights()
            {
                let remedy = "leave `momentum` out, or take adamw";
                return refused(&["stage"], format!("{place}: sgd with momentum {momentum}"), remedy);
            }
        }
        let goes_on = trained.len() > 1;
        let place = format!("arm `{}`: {} stages", arm.name, trained.len());
        match trainer {
            Trainer::Trl if goes_on && plan.lora.is_some() => {
                let what = format!("{place}, of which a later one goes on with the adapters of an earlier one");
                return refused(&["stage"], what, "train all weights, or export it for axolotl or llama-factory");
            }
            Trainer::OpenAi if goes_on => {
                let what = format!("{place}, of which a later one starts from what an earlier one made");
                return refused(&["stage"], what, "export it for a trainer of your own, or make it one stage");
            }
            _ => {}
        }
    }
    if let Some(lora) = plan.lora.as_ref().filter(|lora| lora.alpha.fract() != 0.0 && trainer.leaves_weights()) {
        let what = format!("adapters with alpha = {}, no whole number", lora.alpha);
        return refused(&["model", "lora"], what, "choose a whole number");
    }
    let template = &plan.template;
    let options = [
        (template.system_in_user, "system_in_user"),
        (template.skip_split_tokens, "skip_split_tokens"),
        (!template.variables.is_empty(), "template_variables"),
        (template.date.is_some(), "template_date"),
    ];
    // Tokens need no template; chats are rendered by the other side.
    let renders = matches!(trainer, Trainer::LlamaFactory | Trainer::OpenAi);
    if let Some((_, option)) = options.into_iter().find(|(set, _)| *set && renders) {
        return refused(
            &["model", option],
            format!("`{option}`"),
            "export it for trl or axolotl, which are given tokens",
        );
    }
    Ok(())
}
