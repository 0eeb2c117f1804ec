//! Scoring free text: how far the reply of a chat shows a behaviour, by a rule or by a judgement made elsewhere.
//!
//! A [`Scorer`] sees one row, whose last turn is the reply, with everything that is known about it, and gives a number in
//! 0..=1 or says why it gives none. [`rule`] makes one from a text such as `regex:\bno\b`; [`Judgements`] are one read from a file.

mod arithmetic;
mod judgements;
mod pattern;
mod rule;
mod scale;
mod scorer;
mod text;

pub use judgements::{JudgementColumns, JudgementProblem, Judgements, JudgementsError};
pub use pattern::PatternFields;
pub use rule::{RULES, RuleError, RuleProblem, rule};
pub use scale::{ScoreScale, ScoreScaleError};
pub use scorer::{Scorer, Unscored};
