//! Chats as text: Hugging Face's Jinja, and which part of the text the model wrote.

mod chat_template;
mod context;
mod cut_reply;
mod date;
mod dialect;
mod dropped_prompt;
mod error;
mod expressions;
mod held;
mod letters;
mod limits;
mod loss_mask_by_markers;
mod loss_mask_by_prefixes;
mod options;
mod python;
mod rewrite;
mod special_tokens;
mod syntax;
mod system_turn;
mod text;
mod to_json;

pub use chat_template::{ChatTemplate, Rendered, RenderedReply};
pub use date::{NotADate, TemplateDate};
pub use error::TemplateError;
pub use options::TemplateOptions;
pub use special_tokens::{SpecialTokens, special_tokens};
