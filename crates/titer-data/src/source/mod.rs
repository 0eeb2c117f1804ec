//! Where rows and probes come from: the synthetic world, or the user's own chats.
//!
//! [`DataFiles`] name the files and the rules by which rows get their cells; [`DataBytes`] are what was in the files; [`Chats`] are
//! their rows and contrasts, split into what is trained on and what measures; a [`Source`] gives slots their rows.

mod bytes;
mod cell_rule;
mod files;
mod halves;
mod label;
mod matched;
mod order;
mod pairs;
mod prompted;
mod row_place;
mod slots;
mod split;
mod unanswered;

pub use bytes::DataBytes;
pub use cell_rule::{CellRule, RuleCell};
pub use files::DataFiles;
pub use halves::uses;
pub use label::{LabelError, read_labelled};
pub use matched::{HARMLESS, ObeyContrasts, matched_contrasts};
pub use pairs::pairs;
pub use prompted::{NoPrompt, look_at_prompts};
pub use row_place::RowPlace;
pub use slots::Source;
pub use split::{Chats, ChatsError};
