//! How well forecasts and baselines foresaw finished runs.

use serde::Serialize;
use titer_data::probe::Component;

use super::{
    against_runs::cases,
    baselines::{NAMES, changes},
    comparison::Comparison,
    runs::RunForecast,
};
use crate::{
    plan::{StagePlan, SweepPlan},
    stats::{median, spearman},
};

/// How well one component was foreseen over the runs of one course: those whose forecasts said that they know, or those that did not.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Score {
    /// The optimisers of the stages, in turn.
    pub optimisers: String,
    /// The component.
    pub component: Component,
    /// Whether the forecasts said that they know.
    pub knows: bool,
    /// How many runs.
    pub runs: usize,
    /// Spearman's rank correlation of forecast and measured margins; not a number for a single run.
    pub rank: f64,
    /// Median error of the margin, nats.
    pub margin: f64,
    /// Median error of the rate.
    pub rate: f64,
    /// What nine of ten errors of the rate stay below.
    pub most_rates: f64,
    /// Share of the runs within the interval of the margin.
    pub within: f64,
    /// Median error of each baseline's margin, nats, in the order of [`NAMES`]; not a number where it lacks what it needs.
    pub baselines: [f64; NAMES.len()],
}

impl Score {
    fn of(runs: &[(&Comparison, [f64; NAMES.len()])], knows: bool) -> Option<Self> {
        let (first, _) = runs.first()?;
        let numbers =
            |value: &dyn Fn(&Comparison) -> f64| -> Vec<f64> { runs.iter().map(|(run, _)| value(run)).collect() };
        let mut rates = numbers(&|run| (run.predicted_rate.mean - run.measured_rate).abs());
        rates.sort_by(f64::total_cmp);
        let inside = |run: &Comparison| (run.predicted.low..=run.predicted.high).contains(&run.measured);
        let rule = |at: usize| {
            let errors = runs.iter().map(|(run, changes)| (run.start + changes[at] - run.measured).abs());
            median(&errors.collect::<Vec<_>>())
        };
        Some(Self {
            optimisers: first.optimisers.clone(),
            component: first.component,
            knows,
            runs: runs.len(),
            rank: spearman(&numbers(&|run| run.predicted.mean), &numbers(&|run| run.measured)),
            margin: median(&numbers(&|run| (run.predicted.mean - run.measured).abs())),
            rate: median(&rates),
            most_rates: rates[(rates.len() * 9 / 10).min(rates.len() - 1)],
            within: runs.iter().filter(|(run, _)| inside(run)).count() as f64 / runs.len() as f64,
            baselines: std::array::from_fn(rule),
        })
    }

    /// The baseline that was off least, where that is less than the forecast, and by how much it was.
    pub fn nearer(&self) -> Option<(&'static str, f64)> {
        let named = NAMES.into_iter().zip(self.baselines).filter(|(_, error)| *error < self.margin);
        named.min_by(|a, b| a.1.total_cmp(&b.1))
    }
}

/// The scores of finished runs without guards or prompts that no forecast foresees, course by course; what is known first.
pub fn scores(plan: &SweepPlan, forecasts: &[RunForecast<'_>], compared: &[Comparison]) -> Vec<Score> {
    // What was not foreseen at all says nothing of forecasts.
    let plain = |run: &&RunForecast<'_>| run.plan.stages.iter().all(StagePlan::differs_in_rows_alone);
    let forecasts: Vec<&RunForecast<'_>> = forecasts.iter().filter(plain).collect();
    let mut courses: Vec<&str> = Vec::new();
    for comparison in compared {
        if !courses.contains(&comparison.optimisers.as_str()) {
            courses.push(&comparison.optimisers);
        }
    }
    courses.sort_by_key(|course| (course.len(), *course));
    let mut scores = Vec::new();
    for course in courses {
        for component in Component::ALL {
            let cases = cases(plan, &forecasts, compared, course, component);
            let rules = changes(&cases);
            let forecast_and_rules =
                cases.iter().enumerate().map(|(at, case)| (case.pair, std::array::from_fn(|rule| rules[rule][at])));
            let (known, unknown): (Vec<_>, Vec<_>) =
                forecast_and_rules.partition(|(run, _): &(&Comparison, _)| run.knows());
            scores.extend(Score::of(&known, true));
            scores.extend(Score::of(&unknown, false));
        }
    }
    scores.sort_by_key(|score| !score.knows);
    scores
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::forecast::ForecastValue;

    /// A run of which `margin` was foreseen, within one nat, and `measured` measured.
    fn run(margin: f64, measured: f64) -> Comparison {
        let of = |mean: f64, wide: f64| ForecastValue { mean, low: mean - wide, high: mean + wide };
        Comparison {
            arm: "one".to_owned(),
            seed: 0,
            optimisers: "sgd".to_owned(),
            component: Component::Good,
            start: 1.0,
            start_rate: 0.5,
            predicted: of(margin, 1.0),
            predicted_rate: of(0.5, 0.1),
            measured,
            measured_rate: 0.5 + 0.1 * (measured - margin),
            beyond: Vec::new(),
            open: None,
        }
    }

    #[test]
    fn a_score_counts_what_is_within_and_names_the_baseline_that_is_nearest() {
        let runs = [run(2.0, 2.1), run(3.0, 3.5), run(4.0, 6.0)];
        // The changes that the rules foresee: the second rule is right of the second run, the last one of all.
        let rules = |at: usize| [f64::NAN, 2.5, 9.0, 9.0, 9.0, 9.0, runs[at].measured - 1.0];
        let pairs: Vec<_> = runs.iter().enumerate().map(|(at, run)| (run, rules(at))).collect();
        let score = Score::of(&pairs, true).unwrap();
        assert_eq!((score.runs, score.rank), (3, 1.0));
        assert!((score.within - 2.0 / 3.0).abs() < 1e-12 && (score.margin - 0.5).abs() < 1e-12);
        assert!((score.rate - 0.05).abs() < 1e-12 && (score.most_rates - 0.2).abs() < 1e-12);
        assert!(score.baselines[0].is_nan() && (score.baselines[1] - 1.4).abs() < 1e-12);
        assert_eq!(score.nearer(), Some((NAMES[6], 0.0)));
        // Right by as much is not nearer.
        let same: Vec<_> = runs.iter().map(|run| (run, [run.predicted.mean - 1.0; NAMES.len()])).collect();
        assert_eq!(Score::of(&same, true).unwrap().nearer(), None);
        assert!(Score::of(&[], true).is_none());
    }
}
