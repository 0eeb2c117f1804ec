//! Scoring free text: how far the reply of a chat shows a behaviour, by a rule or by a judgement made elsewhere.
//!
//! A [`Scorer`] sees one row, whose last turn is the reply, with everything that is known about it, and gives a number in
//! 0..=1 or says why it gives none. [`rule`] makes one from a text such as `regex:\bno\b`; [`Judgements`] are one read from a file.

mod arithmetic;
mod judgements;
mod pattern;
mod rule;
mod text;

pub use judgements::{Judgements, JudgementsError};
pub use pattern::PatternFields;
pub use rule::{RULES, RuleError, rule};

use crate::chat::Row;

/// Says how far replies show a behaviour.
pub trait Scorer: Sync {
    /// What it is called in tables.
    fn name(&self) -> &str;

    /// A score in 0..=1: 1 where the row's reply shows the behaviour in full, 0 where not at all.
    ///
    /// # Errors
    /// Where nothing can be said, and why: such rows count in no rate.
    fn score(&self, row: &Row) -> Result<f64, Unscored>;
}

/// Why a reply has no score, in a few words that do not name the row, so that equal reasons can be counted.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
#[error("{0}")]
pub struct Unscored(pub String);

impl Unscored {
    fn because<T>(reason: impl Into<String>) -> Result<T, Self> {
        Err(Self(reason.into()))
    }
}

/// The reply that is scored.
fn reply(row: &Row) -> Result<&str, Unscored> {
    match row.split() {
        (_, "") => Unscored::because("no reply"),
        (_, reply) => Ok(reply),
    }
}

/// 1 for true, 0 for false.
fn whether(holds: bool) -> f64 {
    f64::from(u8::from(holds))
}
