//! What a kernel is of.

use titer::{
    forecast::About,
    plan::{DataPlan, ModelPlan, SweepPlan},
    spec::Lora,
};
use titer_data::world::DomainSplit;

/// What a kernel is of; counts are for the measurement to fill in.
pub fn about(model: &ModelPlan, data: Option<&DataPlan>, seed: u64) -> About {
    About {
        base: model.base.clone(),
        model: model.blake3.clone(),
        data: data.map_or_else(String::new, DataPlan::hash),
        held: held(model),
        seed,
        rows: 0,
        contrasts: 0,
        items: 0,
        step: 0,
        adam: true,
    }
}

/// What is trained of a model and how it is held, in words; empty for all weights as they are in their file.
fn held(model: &ModelPlan) -> String {
    let adapters = model.lora.as_ref().map(|Lora { r, alpha, rslora, targets }| {
        let scaled = if *rslora { ", rslora" } else { "" };
        let layers = if targets.is_empty() { "every linear layer".to_owned() } else { targets.join(", ") };
        format!("adapters of rank {r}, alpha {alpha}{scaled} on {layers}")
    });
    let template = &model.template;
    let prompts = template.system_in_user.then(|| "system prompts in the user's turn".to_owned());
    let split = template.skip_split_tokens.then(|| "split tokens skipped".to_owned());
    let date = template.date.map(|date| format!("chats of {date}"));
    let variables = template.variables.0.iter().map(|(name, value)| format!("{name} = {value}"));
    let products = (!model.compute.is_f32()).then(|| format!("products in {}", model.compute.word()));
    let device = (!model.device.is_cpu()).then(|| format!("on {}", model.device.word()));
    let all =
        [adapters, model.dtype.clone(), products, device, prompts, split, date].into_iter().flatten().chain(variables);
    all.collect::<Vec<_>>().join("; ")
}

/// The request domains in which a sweep trains; chats know of one.
pub fn domains(plan: &SweepPlan) -> Vec<DomainSplit> {
    let mut domains = vec![DomainSplit::Trained];
    for stage in plan.arms.iter().flat_map(|arm| &arm.stages) {
        if plan.data.is_none() && !domains.contains(&stage.domains) {
            domains.push(stage.domains);
        }
    }
    domains
}
