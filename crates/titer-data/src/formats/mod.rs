//! Files of chats, read into rows, and a summary of what they hold.

mod census;
mod contrasts;
mod jsonl;
mod messages;

pub use census::Census;
pub use contrasts::{ContrastsError, read_contrasts};
pub use jsonl::{LineError, ReadError, read_jsonl, read_jsonl_all};
