//! Files, read into rows, contrasts and prompts.

mod content;
mod contrasts;
mod messages;
mod parquet;
mod problem;
mod prompts;
mod read;
mod turns;

pub use contrasts::{ContrastProblem, ContrastsError, parse_contrasts, read_contrasts};
pub use messages::Shape;
pub use prompts::{PromptProblem, PromptsError, read_prompts};
pub use read::{ChatFile, Container, Format, LineError, ReadError, parse_rows, read_chat_file, read_rows};
