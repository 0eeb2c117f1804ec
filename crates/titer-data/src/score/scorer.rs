//! What scores replies, and why one has no score.

use crate::chat::Row;

/// Says how far replies show a behaviour.
pub trait Scorer: Sync {
    /// What it is called in tables.
    fn name(&self) -> &str;

    /// What it reads of a row besides the chat, see [`crate::keys::value`]; `None` where it reads the chat alone.
    fn key(&self) -> Option<&str> {
        None
    }

    /// A score in 0..=1: 1 where the row's reply shows the behaviour in full, 0 where not at all.
    ///
    /// # Errors
    /// Where nothing can be said, and why: such rows count in no rate.
    fn score(&self, row: &Row) -> Result<f64, Unscored>;
}

/// Why a reply has no score; it does not name the row, so that equal reasons can be counted.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub enum Unscored {
    /// The row ends without a reply.
    #[error("no reply")]
    NoReply,
    /// The row's metadata lacks the answer.
    #[error("no metadata `{0}`")]
    NoMetadata(String),
    /// The request asks for something else.
    #[error("the request asks for no greatest common divisor")]
    NoDivisorAsked,
    /// The request's numbers are beyond 64 bits.
    #[error("a number of the request is too long")]
    LongNumber,
    /// No letter of the reply has a case.
    #[error("no letters")]
    NoLetters,
    /// The reply is too short to tell its language.
    #[error("too little text to tell the language")]
    LittleText,
    /// It was judged, and the judge could not say.
    #[error("judged, without a verdict")]
    NoVerdict,
    /// No judgement is of this row.
    #[error("not judged")]
    NotJudged,
    /// A reason of another scorer's, in a few words.
    #[error("{0}")]
    Other(String),
}

/// The reply that is scored.
pub(super) fn reply(row: &Row) -> Result<&str, Unscored> {
    match row.split() {
        (_, "") => Err(Unscored::NoReply),
        (_, reply) => Ok(reply),
    }
}

/// 1 for true, 0 for false.
pub(super) fn whether(holds: bool) -> f64 {
    f64::from(u8::from(holds))
}
