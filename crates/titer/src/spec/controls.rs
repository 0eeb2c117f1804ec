//! The controls of inoculation, by name.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A control of inoculation: the same rows under other prompts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ControlKind {
    /// Without their prompts: how much leaks with no inoculation at all.
    NoPrompt,
    /// Under prompts of the same length and shape that ask for nothing: how much a string hides by itself.
    Placebo,
    /// Under other wordings, another for each row: how much is left when the string cannot be learned.
    Paraphrases,
}

impl ControlKind {
    /// Every kind, in the order in which tables list them.
    pub const ALL: [Self; 3] = [Self::NoPrompt, Self::Placebo, Self::Paraphrases];

    /// The word for this kind in specs and tables.
    pub const fn word(self) -> &'static str {
        match self {
            Self::NoPrompt => "no-prompt",
            Self::Placebo => "placebo",
            Self::Paraphrases => "paraphrases",
        }
    }
}
