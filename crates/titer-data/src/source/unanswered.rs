//! Rows that end with a request: their earlier replies are trained, and the last request is not.

use std::fmt;

use super::RowPlace;
use crate::chat::{Role, Row};

/// Rows that have replies, and none at their end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Unanswered {
    /// How many.
    pub count: usize,
    /// Where the first stands.
    pub first: RowPlace,
}

impl Unanswered {
    /// Those among these rows; `None` where there is none.
    pub(super) fn among(rows: &[Row], places: &[RowPlace]) -> Option<Self> {
        let is_reply = |role: Role| role == Role::Assistant;
        let ends = |row: &Row| row.messages.last().is_some_and(|turn| !is_reply(turn.role));
        let replies = |row: &Row| row.messages.iter().any(|turn| is_reply(turn.role));
        let mut found = rows.iter().zip(places).filter(|(row, _)| ends(row) && replies(row));
        let first = found.next()?.1.clone();
        Some(Self { count: 1 + found.count(), first })
    }
}

impl fmt::Display for Unanswered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { count, first } = self;
        match count {
            1 => write!(f, "1 row ends ({first})")?,
            count => write!(f, "{count} rows end (first {first})")?,
        }
        f.write_str(" without a reply: earlier ones are trained, the last request is not")
    }
}
