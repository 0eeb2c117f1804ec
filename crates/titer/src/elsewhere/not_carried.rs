//! What another trainer does otherwise than titer would.

use super::Trainer;
use crate::plan::{OptimiserPlan, StagePlan, SweepPlan};

/// What of a spec a trainer does otherwise, a sentence each.
pub fn not_carried(plan: &SweepPlan, trainer: Trainer) -> Vec<String> {
    let stages = || plan.arms.iter().flat_map(|arm| &arm.stages).filter(|stage| stage.steps > 0);
    let any = |holds: &dyn Fn(&StagePlan) -> bool| stages().any(holds);
    let decays =
        |stage: &StagePlan| matches!(stage.optimiser, OptimiserPlan::AdamW { weight_decay, .. } if weight_decay > 0.0);
    let service = !trainer.leaves_weights();
    let sentences = [
        (service, "Chat template, optimiser, learning rate, schedule, clipping and adapters are the service's own."),
        (
            trainer == Trainer::LlamaFactory,
            "It renders chats and masks tokens by itself; what it trains has not been held against titer's mask.",
        ),
        (
            !service,
            "The loss is a mean over a batch's target tokens, here over its rows: clipping, what Adam adds to its root and the rate of SGD \
             are rescaled for rows of mean length, so batches of longer or shorter rows count for less or more.",
        ),
        (
            !service && any(&|stage| stage.schedule.warmup > 0),
            "In a warm-up of w steps, step t (from 0) has t / w of the learning rate, here (t + 1) / w: the first step moves nothing.",
        ),
        (
            !service && plan.lora.is_none() && any(&decays),
            "Weight decay is on embeddings too, here on the matrices of layers alone.",
        ),
        (!service && plan.lora.is_some(), "Adapters start from other random numbers."),
        (!service && plan.dtype.is_some(), "Weights are not rounded to `dtype`."),
        (!service && !plan.compute.is_f32(), "Products are in f32, here those of frozen weights in bf16."),
        (
            plan.probes.every > 0,
            "Nothing is measured along the way: only before training and after stages whose weights are there.",
        ),
        (!plan.pressure.is_never(), "Pressures are taken before training alone, and there is no ledger."),
        (!plan.checkpoints.is_never(), "No checkpoints are kept in runs: weights stay where the trainer puts them."),
    ];
    sentences.into_iter().filter(|(holds, _)| *holds).map(|(_, sentence)| sentence.to_owned()).collect()
}
