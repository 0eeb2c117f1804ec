//! Files of chats, read into rows, and a summary of what they hold.

mod audit;
mod census;
mod contrasts;
mod messages;
mod parquet;
mod prompts;
mod read;
mod turns;

pub use audit::{Audit, Group, Pair, Place, Spread, matches};
pub use census::Census;
pub use contrasts::{ContrastsError, read_contrasts};
pub use messages::Shape;
pub use prompts::{PromptsError, read_prompts};
pub use read::{Container, Format, Found, LineError, ReadError, read_found, read_rows};
