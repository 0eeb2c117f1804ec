//! A claim as a spec makes it: what is measured, where it should lie, in which runs.

use super::{Bound, Formula, State};
use crate::stats::Correlation;

/// A claim of a spec, its names checked against the plan.
#[derive(Clone, Debug)]
pub struct Claim {
    /// A hash of what the spec says of it, see [`crate::spec::ClaimFields::hash`].
    pub hash: String,
    /// The claim in words.
    pub text: String,
    /// When its quantities are read that name no moment of their own.
    pub at: State,
    /// What is measured in each run.
    pub value: Formula,
    /// Where it should lie.
    pub bound: Bound,
    /// In which runs.
    pub scope: Scope,
}

/// In which runs a claim is judged.
#[derive(Clone, Debug)]
pub enum Scope {
    /// Before training: once, on one run of each seed, since all runs of a seed start as the same model.
    Untrained,
    /// In each of these arms apart, by index; less the value in another arm of the same seed, where one is given.
    Arms(Vec<(usize, Option<usize>)>),
    /// Once over these arms: the correlation of `value` with another formula.
    Correlation {
        /// The other formula.
        with: Formula,
        /// Of ranks or of values.
        method: Correlation,
        /// Within each seed or over all runs.
        over: Over,
        /// The arms, by index.
        arms: Vec<usize>,
    },
}

/// What a correlation runs over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Over {
    /// The arms of each seed: one correlation a seed, with a t-interval over seeds.
    EachSeed,
    /// All runs at once, with an interval from leaving out one seed at a time.
    Pooled,
}
