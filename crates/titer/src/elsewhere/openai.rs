//! A stage as a job of a service that takes OpenAI's fine-tuning format.

use serde_json::{Value, json};

use super::StageJob;

/// The body of the request that starts the job, but for the name that the service gives to the file of rows.
pub(super) fn job(job: &StageJob<'_>) -> Value {
    json!({
        "model": job.model,
        "training_file": job.rows,
        "seed": job.seed,
        "suffix": job.name,
        "method": {
            "type": "supervised",
            "supervised": { "hyperparameters": { "n_epochs": 1, "batch_size": job.stage.batch } },
        },
    })
}
