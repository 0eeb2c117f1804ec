//! Health: do replies stay on either side of the probes, and did training behave?

use crate::{
    report::{
        family::SplitFamily,
        format,
        series::{Dose, Series},
        view::Table,
    },
    results::{ArmResults, At, Measure, RunResults, Runs, SweepResults},
    stats::{Estimate, Sample, Support},
    words::counted,
};

/// Share of a run's steps, at its end, that its final loss is the mean of.
const TAIL: usize = 10;

/// Probability of replies on neither side, before and after training, by component: a margin says little about a
/// model that says something else.
pub(crate) fn other_replies(results: &SweepResults, families: &[&SplitFamily]) -> Table {
    let over = |runs: &Runs<'_>, family: &SplitFamily, at| -> (Option<f64>, f64) {
        let samples: Vec<Sample<&str>> =
            family.splits.iter().map(|split| runs.probe(split, Measure::Other, at)).collect();
        let means: Vec<f64> = samples.iter().filter_map(Sample::estimate).map(|estimate| estimate.mean).collect();
        let most = samples.iter().flat_map(Sample::values).fold(f64::NEG_INFINITY, f64::max);
        ((!means.is_empty()).then(|| means.iter().sum::<f64>() / means.len() as f64), most)
    };
    let row = |family: &&SplitFamily| {
        let (before, most_before) = over(&results.untrained(), family, At::Start);
        let arms = results.arms.iter().map(|arm| (arm, over(&arm.finished(), family, At::End)));
        let worst = arms
            .filter_map(|(arm, (mean, most))| Some((arm, mean?, most)))
            .max_by(|left, right| left.1.total_cmp(&right.1));
        let (before, most_before) = (before.map_or(f64::NAN, |mean| mean), most_before);
        let (name, mean, most) =
            worst.map_or(("–", f64::NAN, f64::NAN), |(arm, mean, most)| (arm.name.as_str(), mean, most));
        let numbers = [before, most_before, mean, most].map(small);
        [family.title.to_owned(), name.to_owned()].into_iter().chain(numbers).collect()
    };
    let head =
        ["component", "arm with the largest mean after", "mean before", "most before", "mean after", "most after"];
    Table {
        caption: format!(
            "Probability of replies that are neither, over all probes of a component; “most” is the single worst item \
             of {}. Source: probes.parquet of each run, its first and its last step.",
            counted(results.untrained().len(), "seed")
        ),
        text_columns: 2,
        head: head.map(str::to_owned).into(),
        rows: families.iter().map(row).collect(),
    }
}

/// Loss, gradient norm and clipping of every arm.
pub(crate) fn training(results: &SweepResults, dose: &Dose, series: &[Series]) -> Table {
    let row = |title: &str, label: String, arm: &ArmResults| {
        let over = |number: fn(&RunResults) -> f64, support| {
            let seeds: Vec<f64> = arm.runs.iter().filter(|run| !run.steps().is_empty()).map(number).collect();
            Estimate::over_seeds(&seeds, support)
        };
        let trained = || arm.runs.iter().filter(|run| !run.steps().is_empty());
        let [shares, within] = [clipped, clipped_within].map(|share| trained().map(share).collect::<Vec<f64>>());
        let share_clipped = Estimate::over_counted_seeds(&shares, &within, Support::Rate);
        let written = |number, support| {
            over(number, support).map_or_else(|| "–".to_owned(), |estimate| format::interval(&estimate))
        };
        let seeds = arm.runs.len().to_string();
        vec![
            title.to_owned(),
            label,
            written(final_loss, Support::Line),
            written(largest_norm, Support::Line),
            share_clipped.map_or_else(|| "–".to_owned(), |estimate| format::interval(&estimate)),
            seeds,
        ]
    };
    let mut rows = Vec::new();
    let in_series = |arm: usize| series.iter().any(|series| series.arms.iter().any(|(_, member)| *member == arm));
    for (_, arm) in results.arms.iter().enumerate().filter(|(index, _)| !in_series(*index)) {
        rows.push(row("", arm.name.clone(), arm));
    }
    for series in series {
        rows.extend(
            series.arms.iter().map(|&(position, arm)| row(&series.title, dose.value(position), &results.arms[arm])),
        );
    }
    let head = ["series", dose.head(), "final loss", "largest gradient norm", "share of steps clipped", "seeds"];
    Table {
        caption: format!(
            "Mean over seeds with 95 % interval (t over seeds).{} The final loss is the mean over the last {TAIL} % of \
             steps, in nats per unit of the divisor. Source: steps.parquet of each run.",
            if results.runs().any(RunResults::shares_items) {
                " All seeds train on the same rows: an interval says nothing of other rows."
            } else {
                ""
            }
        ),
        text_columns: 2,
        head: head.map(str::to_owned).into(),
        rows,
    }
}

fn final_loss(run: &RunResults) -> f64 {
    let tail = (run.steps().len() * TAIL).div_ceil(100);
    let last = &run.steps()[run.steps().len() - tail..];
    last.iter().map(|step| step.loss).sum::<f64>() / tail as f64
}

fn largest_norm(run: &RunResults) -> f64 {
    run.steps().iter().map(|step| step.gradient_norm).fold(0.0, f64::max)
}

fn clipped(run: &RunResults) -> f64 {
    run.steps().iter().filter(|step| step.clip < 1.0).count() as f64 / run.steps().len() as f64
}

/// The same as far from 0 and 1 as so many steps can tell: half a step more on each side.
fn clipped_within(run: &RunResults) -> f64 {
    let steps = run.steps().len() as f64;
    (clipped(run) * steps + 0.5) / (steps + 1.0)
}

/// A probability that is usually tiny, with two significant digits.
fn small(probability: f64) -> String {
    match probability {
        p if !p.is_finite() => "–".to_owned(),
        p if p < 1e-4 => "< 0.0001".to_owned(),
        p => format::plain((p * 1e4).round() / 1e4),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::StepRecord;

    #[test]
    fn the_final_loss_is_that_of_the_last_tenth() {
        let step = |step: i64| StepRecord {
            stage: "train".to_owned(),
            step,
            loss: step as f64,
            lr: 0.1,
            gradient_norm: 2.0,
            clip: if step % 4 == 0 { 0.5 } else { 1.0 },
            tokens: 5,
        };
        let run =
            |steps: i64| RunResults::new(0, String::new(), Vec::new(), Vec::new(), (1..=steps).map(step).collect());
        assert_eq!((final_loss(&run(20)), final_loss(&run(3))), (19.5, 3.0));
        assert_eq!((clipped(&run(20)), largest_norm(&run(20))), (0.25, 2.0));
    }

    #[test]
    fn tiny_probabilities_are_not_rounded_to_nothing() {
        assert_eq!([1e-9, 0.0123456, 1.0, f64::NAN].map(small), ["< 0.0001", "0.0123", "1", "–"]);
    }
}
