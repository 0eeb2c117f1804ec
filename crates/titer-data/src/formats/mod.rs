//! Files of chats, read into rows, and a summary of what they hold.

mod audit;
mod census;
mod contrasts;
mod jsonl;
mod messages;
mod prompts;

pub use audit::{Audit, Group, Pair, Place, Spread};
pub use census::Census;
pub use contrasts::{ContrastsError, read_contrasts};
pub use jsonl::{LineError, ReadError, read_jsonl, read_jsonl_all};
pub use prompts::{PromptsError, read_prompts};
