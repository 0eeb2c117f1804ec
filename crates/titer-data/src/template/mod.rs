//! Chats as text: Hugging Face's Jinja, and which part of the text the model wrote.

mod chat_template;
mod dropped_prompt;
mod error;
mod loss_mask_by_markers;
mod loss_mask_by_prefixes;
mod special_tokens;
mod system_turn;

pub use chat_template::{ChatTemplate, Rendered};
pub use error::TemplateError;
pub use special_tokens::{SpecialTokens, special_tokens};
