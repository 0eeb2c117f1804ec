//! Rows whose replies the model writes itself where a stage begins: the fields of a spec, checked.

use std::fmt;

use serde::Serialize;
use titer_data::prompt::Pool;

use crate::{spec::DrawnField, words::counted};

/// Tokens of a reply where a spec does not say how many.
const LIMIT: usize = 64;

/// How the model writes the replies of a stage's rows, with the weights that the stage begins with. The rows are then trained under the
/// prompts of the stage: consistency training (arXiv 2606.05817) where replies are drawn without the prompt, recontextualization
/// (arXiv 2512.19027) where they are drawn under one that asks for the opposite.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct DrawnPlan {
    /// The prompts that rows are under while their replies are drawn.
    pub under: Pool,
    /// Divides log-probabilities before a token is drawn; 0 takes the likeliest.
    pub temperature: f64,
    /// Tokens of a reply at most, the closing one included.
    pub limit: usize,
    /// The same as a plan's `numerics` for drawn rows alone. 1 draws more replies side by side, which rounds otherwise: of some thousands of
    /// tokens one is another.
    pub numerics: u32,
}

impl DrawnPlan {
    /// Checks what is written. The error is a field, what is wrong with it, and a remedy.
    pub(super) fn resolve(written: &DrawnField) -> Result<Self, (&'static str, String, &'static str)> {
        let temperature = written.temperature.unwrap_or(1.0);
        if !(temperature.is_finite() && temperature >= 0.0) {
            let problem = format!("replies cannot be drawn at a temperature of {temperature}");
            return Err(("temperature", problem, "use a number above 0, or 0 for the likeliest token each time"));
        }
        let limit = written.limit.unwrap_or(LIMIT);
        if limit < 2 {
            let problem = format!("a reply of {} has no room for a word and for its end", counted(limit, "token"));
            return Err(("limit", problem, "use 2 at the least; 64 are usual"));
        }
        Ok(Self { under: written.under.clone(), temperature, limit, numerics: 1 })
    }
}

impl fmt::Display for DrawnPlan {
    /// In a few words: `replies drawn from the model without a prompt, at temperature 1`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("replies drawn from the model ")?;
        match &self.under {
            Pool::None => f.write_str("without a prompt")?,
            Pool::Placebo => f.write_str("under placebos")?,
            Pool::Paraphrases => f.write_str("under paraphrases")?,
            Pool::These(prompts) => match prompts.as_slice() {
                [one] => write!(f, "under `{}`", one.text)?,
                more => write!(f, "under {} prompts", more.len())?,
            },
        }
        match self.temperature {
            0.0 => f.write_str(", the likeliest token each time"),
            temperature => write!(f, ", at temperature {temperature}"),
        }
    }
}
