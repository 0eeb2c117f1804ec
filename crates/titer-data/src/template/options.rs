//! What a model's chats are rendered and cut into tokens with, besides its template: the same for all rows of a run.

use std::ops::Not;

use serde::{Deserialize, Serialize};

use super::{TemplateDate, system_turn::folded};
use crate::{chat::Message, variables::Variables};

/// See the fields; what is not said is left out of plans, so that they keep their names.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct TemplateOptions {
    /// Whether system prompts go to the start of the first user turn, a blank line behind them.
    #[serde(skip_serializing_if = "Not::not")]
    pub system_in_user: bool,
    /// Whether a token that lies half in the header and half in the reply is left untrained, in place of an error.
    #[serde(skip_serializing_if = "Not::not")]
    pub skip_split_tokens: bool,
    /// What templates that print the date take for today; `None` for the default, see [`TemplateDate`].
    #[serde(rename = "template_date", skip_serializing_if = "Option::is_none")]
    pub date: Option<TemplateDate>,
    /// What the template may read besides the chat, such as `enable_thinking`.
    #[serde(rename = "template_variables", skip_serializing_if = "Variables::is_empty")]
    pub variables: Variables,
}

impl TemplateOptions {
    /// The turns of a chat as the template is given them: with the system prompt where it goes.
    pub fn turns(&self, messages: &[Message]) -> Vec<Message> {
        if self.system_in_user { folded(messages) } else { messages.to_vec() }
    }
}
