//! Files, read into rows, contrasts and prompts.

mod columns;
mod contrasts;
mod messages;
mod parquet;
mod problem;
mod prompts;
mod read;
mod turns;

pub(crate) use columns::columns_of_text;
pub use columns::{Columns, read_columns};
pub use contrasts::{ContrastProblem, ContrastsError, parse_contrasts, read_contrasts};
pub use messages::Shape;
pub use prompts::{PromptProblem, PromptsError, read_prompts};
pub use read::{ChatFile, Container, Format, LineError, ReadError, parse_rows, read_chat_file, read_rows};
