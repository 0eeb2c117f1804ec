//! `drawn` of a stage as written: its replies are written by the model itself.

use schemars::JsonSchema;
use serde::Deserialize;
use titer_data::prompt::Pool;

/// `drawn`
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DrawnField {
    /// The prompts that rows are under while their replies are drawn.
    pub under: Pool,
    /// Divides log-probabilities before a token is drawn; 0 takes the likeliest.
    pub temperature: Option<f64>,
    /// Tokens of a reply at most.
    pub limit: Option<usize>,
}
