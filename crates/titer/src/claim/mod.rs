//! Claims: what a spec says that its runs will show, written down before they run, and judged by the report.
//!
//! A claim compares a [`Formula`] over measured [`Quantity`]s, taken from each run, with a [`Bound`]: for every arm that
//! it names, or as a correlation of two formulas over arms. It is part of the spec's text and of no run's plan, so that
//! claims can be added and judged without training again. `resolve` holds a claim against the plan, so that a wrong name
//! is an error of the spec; the report reads the runs.

mod bound;
mod formula;
mod quantity;
mod resolve;

pub use bound::{Bound, Verdict};
pub use formula::Formula;
pub use quantity::{Problem, Quantity, State, Vocabulary, What};
pub(crate) use resolve::resolve;

/// A claim of a spec, its names checked against the plan.
#[derive(Clone, Debug)]
pub struct Claim {
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

/// Which correlation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Correlation {
    /// Of ranks.
    Spearman,
    /// Of values.
    Pearson,
}

/// What a correlation runs over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Over {
    /// The arms of each seed: one correlation a seed, with a t-interval over seeds.
    EachSeed,
    /// All runs at once, with an interval from leaving out one seed at a time.
    Pooled,
}
