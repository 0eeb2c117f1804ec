//! A stage in the words of `trl sft --config`.

use serde_json::json;

use super::{
    StageJob,
    settings::{Settings, of_transformers, targets},
};

/// The settings of a stage. Rows are trained in their order, none is cut or packed.
pub(super) fn settings(job: &StageJob<'_>) -> Settings {
    let mut settings = vec![
        ("model_name_or_path", json!(job.model)),
        ("dtype", json!("float32")),
        ("datasets", json!([{ "path": "json", "data_files": job.rows }])),
        ("completion_only_loss", json!(true)),
        ("max_length", json!(null)),
        ("packing", json!(false)),
        ("train_sampling_strategy", json!("sequential")),
        ("bf16", json!(false)),
        ("seed", json!(job.seed)),
    ];
    settings.extend(of_transformers(job));
    if let Some(lora) = job.lora {
        settings.extend([
            ("use_peft", json!(true)),
            ("lora_r", json!(lora.r)),
            ("lora_alpha", json!(lora.alpha as i64)),
            ("lora_dropout", json!(0.0)),
            ("use_rslora", json!(lora.rslora)),
            ("lora_target_modules", json!(targets(lora))),
        ]);
    }
    settings.extend([
        ("output_dir", json!(job.to)),
        ("save_strategy", json!("no")),
        ("logging_steps", json!(1)),
        ("report_to", json!("none")),
    ]);
    settings
}
