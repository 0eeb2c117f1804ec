//! Whether a claim was made before the runs that judge it.

use std::fmt;

use super::{Claim, Scope};
use crate::results::{RunResults, SweepResults};

/// When a claim was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Made {
    /// Before any of its runs started.
    Before,
    /// After one of its finished runs had started.
    Later,
    /// One of its runs does not say which claims there were when it started, or none is finished.
    NotKnown,
}

impl Made {
    /// Every answer, in the order in which they are counted.
    pub const ALL: [Self; 3] = [Self::Before, Self::Later, Self::NotKnown];

    /// When a claim was made, as the finished runs of its arms have it, and those of the arms that they are compared with.
    pub fn of(claim: &Claim, results: &SweepResults) -> Self {
        let runs = runs(claim, results);
        let knew = |run: &&RunResults| run.claims().map(|hashes| hashes.contains(&claim.hash));
        let known: Vec<Option<bool>> = runs.iter().map(knew).collect();
        if known.contains(&Some(false)) {
            Self::Later
        } else if known.is_empty() || known.contains(&None) {
            Self::NotKnown
        } else {
            Self::Before
        }
    }
}

/// The finished runs that judge a claim.
fn runs<'a>(claim: &Claim, results: &'a SweepResults) -> Vec<&'a RunResults> {
    let runs_of = |arm: usize| &results.arms[arm].runs;
    match &claim.scope {
        Scope::Untrained => results.runs().collect(),
        Scope::Arms(arms) => arms
            .iter()
            .flat_map(|&(arm, other)| runs_of(arm).iter().chain(other.into_iter().flat_map(runs_of)))
            .collect(),
        Scope::Correlation { arms, .. } => arms.iter().flat_map(|&arm| runs_of(arm)).collect(),
    }
}

impl fmt::Display for Made {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Before => "before the runs",
            Self::Later => "added later",
            Self::NotKnown => "not known",
        })
    }
}
