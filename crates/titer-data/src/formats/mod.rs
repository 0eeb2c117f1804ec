//! Files, read into rows, contrasts and prompts.

mod chat_line;
mod columns;
mod container;
mod content;
mod contrasts;
mod delimited;
mod earlier;
mod entry;
mod messages;
mod once;
mod parquet;
mod problem;
mod prompts;
mod read;
mod slip;
mod text_turns;
mod turns;
mod unread;

pub use chat_line::chat_line;
pub use columns::{Columns, NumberedColumns, read_columns};
pub(crate) use container::records;
pub use container::{Container, ContainerError};
pub(crate) use contrasts::contrasts_of;
pub use contrasts::{ContrastProblem, ContrastsError, is_contrast, parse_contrasts, read_contrasts};
pub(crate) use entry::Entry;
pub use messages::Shape;
pub(crate) use problem::{Problem, is_rounded};
pub use prompts::{PromptProblem, PromptsError, parse_prompts, read_prompts};
pub use read::{
    ChatFile, Format, LineError, ReadError, parse_chat_file, parse_rows, read_chat_file, read_data, read_rows,
};
pub use turns::parse_messages;
