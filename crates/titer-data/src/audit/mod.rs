//! What chats hold: counts, and how groups of rows differ apart from what they are meant to.

mod added;
mod census;
mod groups;
mod spread;
mod telling;

pub use added::AddedPlace;
pub use census::Census;
pub use groups::{Audit, GroupPair, Matches, RowGroup, matches};
pub use spread::Spread;
