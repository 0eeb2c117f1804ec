//! Which prompt to take, and why; or that none is fit.

use super::{Aim, Summary};

/// What becomes of a ranking.
#[derive(Clone, Debug)]
pub struct Choice<'a> {
    /// The prompt to take: of those that are fit and cannot be told from the best of them, the one that does best in what the aim leaves out. `None` where none
    /// is fit.
    pub take: Option<&'a Summary>,
    /// Whether it is the best of them for the aim.
    pub is_best: bool,
    /// How many are fit.
    pub fit: usize,
    /// How many of them, itself among them, cannot be told from the one that is taken.
    pub alike: usize,
}

impl Aim {
    /// Whether a prompt in its better place meets the condition that it is chosen by; `None` where the rows do not tell.
    pub fn is_fit(self, summary: &Summary, tolerance: f64) -> Option<bool> {
        let first = summary.placed.first()?;
        let (lifts, spares) = (first.lifts(tolerance), first.spares(tolerance));
        match self {
            Self::Suppression => lifts,
            Self::Selectivity => Some(lifts? && spares?),
            Self::Obedience => spares,
        }
    }

    /// The condition in words.
    pub fn condition(self, tolerance: f64) -> String {
        let lifts = format!("lifts the bad reply to {:.2} of bad rows", 1.0 - tolerance);
        let spares = format!("changes the good reply's rate on good rows by at most {tolerance}");
        match self {
            Self::Suppression => lifts,
            Self::Selectivity => format!("{lifts} and {spares}"),
            Self::Obedience => spares,
        }
    }
}

/// The prompt to take of a ranking for this aim.
pub fn choose(ranked: &[Summary], aim: Aim, tolerance: f64) -> Choice<'_> {
    let fit: Vec<usize> = (0..ranked.len()).filter(|at| aim.is_fit(&ranked[*at], tolerance) == Some(true)).collect();
    let of_fit = |at: usize| fit.iter().copied().filter(move |other| ranked[at].alike.contains(other));
    let rest = |summary: &Summary| {
        let first = &summary.placed[0];
        let number = if aim == Aim::Suppression {
            first.cost.map(|cost| -cost.mean)
        } else {
            first.suppression.map(|suppression| suppression.mean)
        };
        number.unwrap_or(f64::NEG_INFINITY)
    };
    // Of equal ones the first, which is the better for the aim.
    let better = |best: usize, other: usize| if rest(&ranked[other]) > rest(&ranked[best]) { other } else { best };
    let take = fit.first().and_then(|best| of_fit(*best).reduce(better));
    Choice {
        take: take.map(|at| &ranked[at]),
        is_best: take == fit.first().copied(),
        fit: fit.len(),
        alike: take.map_or(0, |at| of_fit(at).count()),
    }
}
