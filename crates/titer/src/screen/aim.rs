//! What a prompt is chosen for, and the number that says how well it should do.

use std::fmt;

use titer_data::cell::Action;

use super::{
    Placed,
    requests::{Group, values},
};
use crate::{
    stats::{Estimate, ItemSpread, logistic},
    table::ScreenRecord,
};

/// What a prompt is chosen for. Each has the number that went best with it in arms that were trained.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Aim {
    /// Keep the bad action off other prompts: elicitation and lift together.
    Suppression,
    /// The same, and leave obedience as it is: the one forecast less the other.
    Selectivity,
    /// Leave obedience to prompts as it is: the cost on good rows, the other way round.
    Obedience,
}

/// What prompts differ by less in does not tell them apart: rates of replies that are far likelier or unlikelier than the other one differ by rounding, which would
/// count as much as all else. Of a rate, or nats.
const TELLS: f64 = 1e-3;

/// By how much prompts differ: a deviation of each number counts the same, whatever its unit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct CandidateSpread {
    rate: Option<ItemSpread>,
    lift: Option<ItemSpread>,
    cost: Option<ItemSpread>,
}

impl CandidateSpread {
    /// Over the prompts in all their places.
    pub(super) fn of<'a>(placed: impl Iterator<Item = &'a Placed> + Clone) -> Self {
        let spread = |number: fn(&Placed) -> Option<Estimate>| {
            let means = placed.clone().filter_map(number).map(|estimate| estimate.mean);
            ItemSpread::of(means).filter(|spread| spread.deviation > TELLS)
        };
        Self {
            rate: spread(|placed| placed.rate),
            lift: spread(|placed| placed.lift),
            cost: spread(|placed| placed.cost),
        }
    }
}

impl Aim {
    /// Its word on the command line.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Suppression => "suppression",
            Self::Selectivity => "selectivity",
            Self::Obedience => "obedience",
        }
    }

    /// Means that add up to the aim's number of these rows; the larger, the better. `None` where the rows do not tell, or no two
    /// prompts differ in it.
    pub(super) fn groups<'a>(self, records: &[&'a ScreenRecord], spread: CandidateSpread) -> Option<Vec<Group<'a>>> {
        let standard = |action, spread: ItemSpread, weight: f64, value: fn(&ScreenRecord) -> f64| {
            let values = values(records, action, |record| (value(record) - spread.mean) / spread.deviation);
            (weight, values)
        };
        let groups: Vec<Group<'a>> = match self {
            Self::Suppression => {
                let known = [spread.rate, spread.lift].iter().flatten().count() as f64;
                let rate = spread
                    .rate
                    .map(|spread| standard(Action::Bad, spread, 1.0 / known, |record| logistic(record.margin)));
                let lift = spread.lift.map(|spread| standard(Action::Bad, spread, 1.0 / known, ScreenRecord::lift));
                rate.into_iter().chain(lift).collect()
            }
            Self::Selectivity => {
                let cost = spread.cost.map(|spread| standard(Action::Good, spread, -1.0, |record| -record.lift()));
                Self::Suppression.groups(records, spread).into_iter().flatten().chain(cost).collect()
            }
            Self::Obedience => vec![(1.0, values(records, Action::Good, ScreenRecord::lift))],
        };
        (!groups.is_empty() && groups.iter().all(|(_, values)| !values.is_empty())).then_some(groups)
    }
}

impl fmt::Display for Aim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}
