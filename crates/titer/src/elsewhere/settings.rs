//! Settings that several trainers have under one name, and how they are written.

use serde_json::{Value, json};

use super::StageJob;
use crate::{
    plan::{LrDecay, OptimiserPlan},
    spec::Lora,
};

/// Settings in the order in which they are written.
pub(super) type Settings = Vec<(&'static str, Value)>;

/// What transformers' `TrainingArguments` say of optimiser and schedule; TRL and LLaMA-Factory hand them on.
pub(super) fn of_transformers(job: &StageJob<'_>) -> Settings {
    let (name, kwargs) = scheduler(job);
    let mut settings = vec![
        ("per_device_train_batch_size", json!(job.stage.batch)),
        ("gradient_accumulation_steps", json!(1)),
        ("num_train_epochs", json!(1)),
        ("lr_scheduler_type", json!(name)),
        ("warmup_steps", json!(job.stage.schedule.warmup)),
        ("max_grad_norm", json!(job.stage.clip * job.longer())),
    ];
    if !kwargs.is_null() {
        settings.push(("lr_scheduler_kwargs", kwargs));
    }
    settings.extend(optimiser(job, ["optim", "adam_beta1", "adam_beta2", "adam_epsilon"]));
    settings
}

/// The optimiser, by a trainer's names for its kind, its two decays and what is added to the root.
pub(super) fn optimiser(job: &StageJob<'_>, [kind, first, second, added]: [&'static str; 4]) -> Settings {
    match job.stage.optimiser {
        // A step is as long as the gradient, so where that is longer the rate is smaller.
        OptimiserPlan::Sgd { lr, .. } => {
            vec![(kind, json!("sgd")), ("learning_rate", json!(lr / job.longer())), ("weight_decay", json!(0.0))]
        }
        OptimiserPlan::AdamW { lr, beta1, beta2, eps, weight_decay } => vec![
            (kind, json!("adamw_torch")),
            ("learning_rate", json!(lr)),
            (first, json!(beta1)),
            (second, json!(beta2)),
            (added, json!(eps * job.longer())),
            ("weight_decay", json!(weight_decay)),
        ],
    }
}

/// The schedule of the learning rate in transformers' words, and what else it takes.
pub(super) fn scheduler(job: &StageJob<'_>) -> (&'static str, Value) {
    let schedule = &job.stage.schedule;
    let peak = job.stage.optimiser.peak_lr();
    match (schedule.decay, schedule.floor > 0.0) {
        (LrDecay::None, _) => ("constant_with_warmup", Value::Null),
        (LrDecay::Linear, false) => ("linear", Value::Null),
        (LrDecay::Linear, true) => ("polynomial", json!({ "power": 1.0, "lr_end": schedule.floor * peak })),
        (LrDecay::Cosine, false) => ("cosine", Value::Null),
        (LrDecay::Cosine, true) => ("cosine_with_min_lr", json!({ "min_lr_rate": schedule.floor })),
    }
}

/// The layers that adapters go on, all linear ones where none is named.
pub(super) fn targets(lora: &Lora) -> Vec<&str> {
    const ALL: [&str; 7] = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"];
    if lora.targets.is_empty() { ALL.to_vec() } else { lora.targets.iter().map(String::as_str).collect() }
}

/// Settings as YAML: a key a line, with its value as JSON, which YAML contains.
pub(super) fn yaml(settings: &Settings) -> String {
    settings.iter().map(|(key, value)| format!("{key}: {}\n", readable(value))).collect()
}

/// A value as JSON whose numbers are numbers to readers of YAML 1.1 too: to them `1e-8` is a word, and `1.0e-8` is not.
fn readable(value: &Value) -> String {
    match value {
        Value::Number(number) => {
            let text = number.to_string();
            match text.split_once('e') {
                Some((digits, power)) if !digits.contains('.') => format!("{digits}.0e{power}"),
                _ => text,
            }
        }
        Value::Array(values) => format!("[{}]", values.iter().map(readable).collect::<Vec<_>>().join(", ")),
        Value::Object(fields) => {
            let fields =
                fields.iter().map(|(key, value)| format!("{}: {}", Value::from(key.as_str()), readable(value)));
            format!("{{{}}}", fields.collect::<Vec<_>>().join(", "))
        }
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_numbers_are_numbers_to_readers_of_yaml_1_1() {
        let settings = vec![("eps", json!(1e-8)), ("all", json!({ "lr": 2.5e-9, "n": [1, 0.5, "a: b"] }))];
        assert_eq!(yaml(&settings), "eps: 1.0e-8\nall: {\"lr\": 2.5e-9, \"n\": [1, 0.5, \"a: b\"]}\n");
    }
}
