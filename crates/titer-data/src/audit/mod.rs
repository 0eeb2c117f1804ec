//! What chats hold: counts, and how groups of rows differ apart from what they are meant to.

mod census;
mod groups;
mod spread;
mod telling;

pub use census::Census;
pub use groups::{AddedPlace, Audit, GroupPair, RowGroup, matches};
pub use spread::Spread;
