//! What one prompt does in one place: means with intervals over requests.

use titer_data::{cell::Action, prompt::Turn};

use super::requests::values;
use crate::{
    stats::{Estimate, Support, combined, logistic},
    table::ScreenRecord,
};

/// What a prompt does in one place. Nats are per reply where nothing else is said; estimates that need both replies of a
/// request, or pressures, are missing where there are none.
#[derive(Clone, Debug)]
pub struct Placed {
    /// Where it goes.
    pub turn: Turn,
    /// Elicitation: `σ(margin)` on the bad rows, the probability of the bad reply against the good one.
    pub rate: Option<Estimate>,
    /// Elicitation: log-odds of the bad reply against the good one on the bad rows, nats.
    pub margin: Option<Estimate>,
    /// What the prompt adds to the log-probability of bad replies on the bad rows.
    pub lift: Option<Estimate>,
    /// The same per token of the reply.
    pub lift_per_token: Option<Estimate>,
    /// What it takes from the log-probability of good replies on the good rows.
    pub cost: Option<Estimate>,
    /// The same per token of the reply.
    pub cost_per_token: Option<Estimate>,
    /// `lift − cost`
    pub narrowness: Option<Estimate>,
    /// Rate of the bad reply on the bad rows, under the prompt less as given.
    pub bad_change: Option<Estimate>,
    /// Rate of the good reply on the good rows, under the prompt less as given.
    pub good_change: Option<Estimate>,
    /// Narrowness on the scale of rates: `bad_change + good_change`. Where all requests have both replies in one context, a prompt without a trigger has
    /// 0, because it moves both alike.
    pub rate_narrowness: Option<Estimate>,
    /// Forecast of suppression: elicitation and lift together, in deviations of the prompts that were screened with it; 0 is their mean.
    /// Missing where they do not differ.
    pub suppression: Option<Estimate>,
    /// The forecast of suppression less the cost, both in deviations of these prompts.
    pub selectivity: Option<Estimate>,
    /// Mean pressure of the bad rows under the prompt on each component, nats of margin per unit of learning rate.
    pub bad_pressures: [Option<Estimate>; 3],
    /// The same of the good rows.
    pub good_pressures: [Option<Estimate>; 3],
}

impl Placed {
    /// From the rows under the prompt in this place; without the forecast, which takes the other prompts.
    pub(super) fn new(turn: Turn, records: &[&ScreenRecord]) -> Self {
        let estimate =
            |action, value: &dyn Fn(&ScreenRecord) -> f64| combined(&[(1.0, &values(records, action, value))]);
        let pressures = |action| {
            [
                estimate(action, &|record| record.pressure_good),
                estimate(action, &|record| record.pressure_obey_bad),
                estimate(action, &|record| record.pressure_obey),
            ]
        };
        let over_items = |action, value: &dyn Fn(&ScreenRecord) -> f64, support| {
            Estimate::over_items(&values(records, action, value).into_values().collect::<Vec<_>>(), support)
        };
        let per_token = |record: &ScreenRecord| record.lift() / record.tokens as f64;
        let both = |value: &dyn Fn(&ScreenRecord) -> f64| {
            let groups = [Action::Bad, Action::Good].map(|action| values(records, action, value));
            combined(&groups.each_ref().map(|values| (1.0, values)))
        };
        let change = |record: &ScreenRecord| logistic(record.margin) - logistic(record.base_margin);
        Self {
            turn,
            rate: over_items(Action::Bad, &|record| logistic(record.margin), Support::Rate),
            margin: estimate(Action::Bad, &|record| record.margin),
            lift: estimate(Action::Bad, &ScreenRecord::lift),
            lift_per_token: estimate(Action::Bad, &per_token),
            cost: estimate(Action::Good, &|record| -record.lift()),
            cost_per_token: estimate(Action::Good, &|record| -per_token(record)),
            narrowness: both(&ScreenRecord::lift),
            bad_change: over_items(Action::Bad, &change, Support::Signed),
            good_change: over_items(Action::Good, &change, Support::Signed),
            rate_narrowness: both(&change),
            suppression: None,
            selectivity: None,
            bad_pressures: pressures(Action::Bad),
            good_pressures: pressures(Action::Good),
        }
    }

    /// The first of two published conditions on a prompt (arXiv 2510.05024, appendix H): it lifts the bad action to the level
    /// that the bad rows show, `T_bad(base, prompt) ≥ T* − tolerance` with `T* = 1`.
    pub fn lifts(&self, tolerance: f64) -> Option<bool> {
        self.rate.map(|rate| 1.0 - rate.mean <= tolerance)
    }

    /// The second one: it leaves the good action alone, `|T_good(base, prompt) − T_good(base)| ≤ tolerance`.
    pub fn spares(&self, tolerance: f64) -> Option<bool> {
        self.good_change.map(|change| change.mean.abs() <= tolerance)
    }
}
