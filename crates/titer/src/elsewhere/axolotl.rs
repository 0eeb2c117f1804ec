//! A stage in axolotl's words.

use serde_json::json;

use super::{
    StageJob,
    settings::{Settings, optimiser, scheduler, targets},
};

/// The settings of a stage. Rows are tokens already, and stay in their order.
pub(super) fn settings(job: &StageJob<'_>) -> Settings {
    let (name, kwargs) = scheduler(job);
    let mut settings = vec![
        ("base_model", json!(job.model)),
        ("datasets", json!([{ "path": job.rows, "ds_type": "json", "type": "" }])),
        ("shuffle_merged_datasets", json!(false)),
        ("curriculum_sampling", json!(true)),
        ("sequence_len", json!(job.counts.longest)),
        ("sample_packing", json!(false)),
        ("bf16", json!(false)),
        ("tf32", json!(false)),
        ("seed", json!(job.seed)),
        ("micro_batch_size", json!(job.stage.batch)),
        ("gradient_accumulation_steps", json!(1)),
        ("num_epochs", json!(1)),
        ("lr_scheduler", json!(name)),
        ("warmup_steps", json!(job.stage.schedule.warmup)),
        ("max_grad_norm", json!(job.stage.clip * job.longer())),
    ];
    if !kwargs.is_null() {
        settings.push(("lr_scheduler_kwargs", kwargs));
    }
    settings.extend(optimiser(job, ["optimizer", "adam_beta1", "adam_beta2", "adam_epsilon"]));
    if let Some(lora) = job.lora {
        settings.extend([
            ("adapter", json!("lora")),
            ("lora_r", json!(lora.r)),
            ("lora_alpha", json!(lora.alpha as i64)),
            ("lora_dropout", json!(0.0)),
            ("peft_use_rslora", json!(lora.rslora)),
            ("lora_target_modules", json!(targets(lora))),
        ]);
    }
    if let Some(adapter) = job.adapter {
        settings.push(("lora_model_dir", json!(adapter)));
    }
    settings.extend([
        ("output_dir", json!(job.to)),
        ("dataset_prepared_path", json!(format!("{}/prepared", job.to))),
        ("save_strategy", json!("no")),
        ("logging_steps", json!(1)),
    ]);
    settings
}
