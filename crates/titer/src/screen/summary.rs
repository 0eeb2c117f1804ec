//! One line a prompt and place: means with intervals over requests.

use std::collections::BTreeMap;

use titer_data::{
    cell::Action,
    prompt::{CandidatePrompt, Turn},
};

use crate::{
    stats::{Estimate, combined, logistic},
    table::ScreenRecord,
};

/// What was screened, and what was found.
#[derive(Clone, Debug)]
pub struct Screening {
    /// The prompts, in the order given.
    pub prompts: Vec<CandidatePrompt>,
    /// One line for each row under each prompt in each place.
    pub records: Vec<ScreenRecord>,
}

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
    /// Rate of the good reply on the good rows, under the prompt less as given.
    pub good_change: Option<Estimate>,
    /// `T*_bad − T_bad(base, prompt)`: what training still has to move, `1 − rate`.
    pub left: Option<Estimate>,
    /// Mean pressure of the bad rows under the prompt on each component, nats of margin per unit of learning rate.
    pub bad_pressures: [Option<Estimate>; 3],
    /// The same of the good rows.
    pub good_pressures: [Option<Estimate>; 3],
}

/// What a prompt does.
#[derive(Clone, Debug)]
pub struct Summary {
    /// The prompt.
    pub prompt: CandidatePrompt,
    /// Every place that was tried, the narrower first.
    pub placed: Vec<Placed>,
    /// Narrowness in the first place less that in the second, paired by request; `None` with one place.
    pub by_place: Option<Estimate>,
}

impl Placed {
    /// The first of two published conditions on a prompt (arXiv 2510.05024, appendix H): it lifts the bad action to the level
    /// that the bad rows show, `T_bad(base, prompt) ≥ T* − tolerance` with `T* = 1`.
    pub fn lifts(&self, tolerance: f64) -> Option<bool> {
        self.left.map(|left| left.mean <= tolerance)
    }

    /// The second one: it leaves the good action alone, `|T_good(base, prompt) − T_good(base)| ≤ tolerance`.
    pub fn spares(&self, tolerance: f64) -> Option<bool> {
        self.good_change.map(|change| change.mean.abs() <= tolerance)
    }
}

/// The prompts, the narrowest first.
pub fn summarise(screening: &Screening) -> Vec<Summary> {
    let mut by_prompt: BTreeMap<(&str, &str), Vec<&ScreenRecord>> = BTreeMap::new();
    for record in &screening.records {
        by_prompt.entry((&record.prompt, &record.turn)).or_default().push(record);
    }
    let of = |prompt: &CandidatePrompt| {
        let records = |turn: Turn| by_prompt.get(&(prompt.name.as_str(), turn.word()));
        let mut placed: Vec<Placed> =
            Turn::ALL.into_iter().filter_map(|turn| Some(place(turn, records(turn)?))).collect();
        placed.sort_by(|a, b| mean(b.narrowness).total_cmp(&mean(a.narrowness)));
        let by_place = match placed.as_slice() {
            [first, second] => records(first.turn).zip(records(second.turn)).and_then(|(a, b)| difference(a, b)),
            _ => None,
        };
        Summary { prompt: prompt.clone(), placed, by_place }
    };
    let mut all: Vec<Summary> = screening.prompts.iter().map(of).collect();
    all.sort_by(|a, b| mean(b.placed[0].narrowness).total_cmp(&mean(a.placed[0].narrowness)));
    all
}

fn mean(estimate: Option<Estimate>) -> f64 {
    estimate.map_or(f64::NEG_INFINITY, |estimate| estimate.mean)
}

/// A number of every row of an action, by request; what is not finite is no number.
fn values<'a>(
    records: &[&'a ScreenRecord],
    action: Action,
    value: impl Fn(&ScreenRecord) -> f64,
) -> BTreeMap<&'a str, f64> {
    let own = records.iter().filter(|record| record.action == action.word());
    own.map(|record| (record.request.as_str(), value(record))).filter(|(_, value)| value.is_finite()).collect()
}

fn place(turn: Turn, records: &[&ScreenRecord]) -> Placed {
    let of = |action, value: &dyn Fn(&ScreenRecord) -> f64| combined(&[(1.0, &values(records, action, value))]);
    let pressures = |action| {
        [
            of(action, &|record| record.pressure_good),
            of(action, &|record| record.pressure_obey_bad),
            of(action, &|record| record.pressure_obey),
        ]
    };
    let per_token = |record: &ScreenRecord| record.lift() / record.tokens as f64;
    Placed {
        turn,
        rate: of(Action::Bad, &|record| logistic(record.margin)).map(Estimate::of_rate),
        margin: of(Action::Bad, &|record| record.margin),
        lift: of(Action::Bad, &ScreenRecord::lift),
        lift_per_token: of(Action::Bad, &per_token),
        cost: of(Action::Good, &|record| -record.lift()),
        cost_per_token: of(Action::Good, &|record| -per_token(record)),
        narrowness: narrowness(1.0, records).and_then(|groups| combined(&signed(&groups))),
        good_change: of(Action::Good, &|record| logistic(record.margin) - logistic(record.base_margin)),
        left: of(Action::Bad, &|record| 1.0 - logistic(record.margin)),
        bad_pressures: pressures(Action::Bad),
        good_pressures: pressures(Action::Good),
    }
}

type Group<'a> = (f64, BTreeMap<&'a str, f64>);

/// Lifts of bad rows and lifts of good rows (minus the costs): their means add up to the narrowness.
fn narrowness<'a>(sign: f64, records: &[&'a ScreenRecord]) -> Option<Vec<Group<'a>>> {
    let groups = [Action::Bad, Action::Good].map(|action| (sign, values(records, action, ScreenRecord::lift)));
    groups.iter().all(|(_, values)| !values.is_empty()).then(|| groups.to_vec())
}

fn signed<'g, 'a>(groups: &'g [Group<'a>]) -> Vec<(f64, &'g BTreeMap<&'a str, f64>)> {
    groups.iter().map(|(sign, values)| (*sign, values)).collect()
}

fn difference(a: &[&ScreenRecord], b: &[&ScreenRecord]) -> Option<Estimate> {
    let groups = [narrowness(1.0, a)?, narrowness(-1.0, b)?].concat();
    combined(&signed(&groups))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(turn: &str, request: &str, action: &str, log_prob: f64, margin: f64) -> ScreenRecord {
        ScreenRecord {
            prompt: "p".to_owned(),
            turn: turn.to_owned(),
            request: request.to_owned(),
            item: request.to_owned(),
            action: action.to_owned(),
            tokens: 4,
            log_prob,
            base_log_prob: -3.0,
            margin,
            base_margin: 2.0,
            pressure_good: f64::NAN,
            pressure_obey_bad: f64::NAN,
            pressure_obey: f64::NAN,
        }
    }

    #[test]
    fn lift_cost_and_narrowness_are_what_they_are_said_to_be() {
        let records = vec![
            record("system", "a", "bad", -1.0, 4.0),
            record("system", "a", "good", -3.5, 2.0),
            record("system", "b", "bad", -2.0, 4.0),
            record("system", "b", "good", -3.5, 2.0),
            record("user", "a", "bad", -3.0, 0.0),
            record("user", "a", "good", -3.0, 2.0),
            record("user", "b", "bad", -3.0, 0.0),
            record("user", "b", "good", -3.0, 2.0),
        ];
        let found = &summarise(&Screening { prompts: vec![CandidatePrompt::new("p")], records })[0];
        let first = &found.placed[0];
        let mean = |estimate: Option<Estimate>| estimate.unwrap().mean;
        assert_eq!(first.turn, Turn::System);
        assert_eq!((mean(first.lift), mean(first.cost), mean(first.narrowness)), (1.5, 0.5, 1.0));
        assert_eq!(mean(first.lift_per_token), 1.5 / 4.0);
        assert_eq!(mean(found.by_place), 1.0);
        assert_eq!((first.lifts(0.1), first.spares(0.1)), (Some(true), Some(true)));
        assert_eq!((found.placed[1].lifts(0.1), found.placed[1].spares(0.1)), (Some(false), Some(true)));
        assert!(first.bad_pressures[0].is_none());
    }
}
