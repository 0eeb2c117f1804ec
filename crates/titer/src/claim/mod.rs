//! Claims: what a spec says that its runs will show, judged by them, and whether it said so before they ran.
//!
//! A claim compares a [`Formula`] over measured [`Quantity`]s, taken from each run, with a [`Bound`]: for every arm that
//! it names, or as a correlation of two formulas over arms. It is part of the spec's text and of no run's plan, so that
//! claims can be added and judged without training again. `resolve` holds a claim against the plan, so that a wrong name
//! is an error of the spec; [`judge`] reads the runs.

mod bound;
mod formula;
mod judge;
mod made;
mod quantity;
mod reading;
mod resolve;
mod scope;

pub use bound::{Bound, Verdict};
pub use formula::Formula;
pub use judge::{Judgement, Trained, judge};
pub use made::Made;
pub use quantity::{ClaimProblem, Quantity, State, Vocabulary, WarningNumber, What};
pub(crate) use reading::DEAF;
pub(crate) use reading::HALF;
pub use resolve::resolve;
pub use scope::{Claim, Over, Scope};
