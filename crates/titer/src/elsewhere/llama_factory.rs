//! A stage in LLaMA-Factory's words.

use serde_json::{Value, json};

use super::{
    StageJob,
    settings::{Settings, of_transformers, targets},
};

/// The settings of a stage. Without a `template` the tokenizer's own is read.
pub(super) fn settings(job: &StageJob<'_>) -> Settings {
    let mut settings = vec![
        ("model_name_or_path", json!(job.model)),
        ("stage", json!("sft")),
        ("do_train", json!(true)),
        ("finetuning_type", json!(if job.lora.is_some() { "lora" } else { "full" })),
        ("dataset_dir", json!(".")),
        ("dataset", json!(job.name)),
        ("cutoff_len", json!(job.counts.longest)),
        ("disable_shuffling", json!(true)),
        ("packing", json!(false)),
        ("bf16", json!(false)),
        ("seed", json!(job.seed)),
    ];
    settings.extend(of_transformers(job));
    if let Some(lora) = job.lora {
        settings.extend([
            ("lora_rank", json!(lora.r)),
            ("lora_alpha", json!(lora.alpha as i64)),
            ("lora_dropout", json!(0.0)),
            ("use_rslora", json!(lora.rslora)),
            ("lora_target", json!(targets(lora).join(","))),
        ]);
    }
    if let Some(adapter) = job.adapter {
        settings.push(("adapter_name_or_path", json!(adapter)));
    }
    settings.extend([
        ("output_dir", json!(job.to)),
        ("save_strategy", json!("no")),
        ("logging_steps", json!(1)),
        ("report_to", json!("none")),
    ]);
    settings
}

/// The entry of its rows in `dataset_info.json`.
pub(super) fn data_set(job: &StageJob<'_>) -> (String, Value) {
    let tags = json!({
        "role_tag": "role", "content_tag": "content", "user_tag": "user", "assistant_tag": "assistant", "system_tag": "system",
    });
    let columns = json!({ "messages": "messages" });
    let entry = json!({ "file_name": job.rows, "formatting": "sharegpt", "columns": columns, "tags": tags });
    (job.name.to_owned(), entry)
}
