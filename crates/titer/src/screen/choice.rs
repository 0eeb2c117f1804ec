//! Which prompt to take, and why; or that none is fit.

use super::{Aim, Summary};

/// What becomes of a ranking.
#[derive(Clone, Debug)]
pub struct Choice<'a> {
    /// The prompt to take: of those that are fit and share the best rank, the one that does best in what the aim leaves out. `None` where none is fit.
    pub take: Option<&'a Summary>,
    /// How many are fit.
    pub fit: usize,
    /// How many of them cannot be told from the one that is taken.
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
    let fit: Vec<&Summary> = ranked.iter().filter(|summary| aim.is_fit(summary, tolerance) == Some(true)).collect();
    let best = fit.first().map_or(0, |summary| summary.rank);
    let alike: Vec<&Summary> = fit.iter().filter(|summary| summary.rank == best).copied().collect();
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
    let take = alike.iter().copied().reduce(|best, other| if rest(other) > rest(best) { other } else { best });
    Choice { take, fit: fit.len(), alike: alike.len() }
}
