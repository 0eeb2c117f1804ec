//! The results of a sweep as one table: a row for each run of an arm, moment and probe.

use super::{ArmResults, Measure, RunResults, Split, SweepResults, run::Reading};
use crate::{
    stats::ItemSpread,
    table::{ARM, Column, Field, RUN, SEED, Values, put_axes, unitless},
};

/// Version of the results table's columns and their meanings.
pub const RESULTS_SCHEMA: u32 = 1;

/// The stage of a moment.
pub(super) const STAGE: Field = unitless("stage", "The stage that had run last, or ran; `base` before training.");
/// The step of a moment.
pub(super) const STEP: Field =
    Field { unit: "steps", ..unitless("step", "Optimiser steps since the run began; 0 is before training.") };
/// Whether a moment is the last one.
pub(super) const AT_END: Field = unitless("at_end", "Whether it is the run's last measurement.");
/// The columns that name a probe.
pub(super) const PROBE: [Field; 3] = [
    unitless("component", "The component: `good`, `obey_bad` or `obey`."),
    unitless("prompts", "Which prompts: `seen`, `paraphrased`, `held-out`, `persona`, `other`, `domain`, `narrow`, …"),
    unitless("domains", "Which request domains: `trained`, `new`, `held-out` or `sloppy`."),
];

const IS_CONTROL: Field = unitless("is_control", "Whether the arm is a control: `neutral→good` rows only.");
const TRAINED_BY: Field =
    unitless("trained_by", "Who trained the run: `titer`, or the trainer that it was imported from.");
const ITEMS: Field = Field { unit: "contrasts", ..unitless("items", "Contrasts that were measured.") };

/// What every contrast gives one number of, for the mean and the standard deviation over contrasts.
type Number = (Field, Option<Field>, fn(&Reading) -> f64);

const NUMBERS: [Number; 5] = [
    (
        Field {
            unit: "nats per reply",
            ..unitless("margin", "Log-odds of the reply that shows the component against the one that does not.")
        },
        Some(Field {
            unit: "nats per reply",
            ..unitless("margin_sd", "Standard deviation of the margin over contrasts.")
        }),
        |reading| reading.of(Measure::Margin),
    ),
    (
        Field {
            unit: "nats per token",
            ..unitless("margin_per_token", "The same with each reply's log-probability divided by its tokens.")
        },
        None,
        |reading| reading.margin_per_token,
    ),
    (
        Field {
            unit: "nats per reply",
            ..unitless("gap", "Only `obey_bad`: margin less the margin on the same request under a neutral prompt.")
        },
        Some(Field { unit: "nats per reply", ..unitless("gap_sd", "Standard deviation of the gap over contrasts.") }),
        |reading| reading.of(Measure::Gap),
    ),
    (
        Field { unit: "probability", ..unitless("rate", "Exact probability of all replies that show the component.") },
        Some(Field { unit: "probability", ..unitless("rate_sd", "Standard deviation of the rate over contrasts.") }),
        |reading| reading.of(Measure::Rate),
    ),
    (
        Field { unit: "probability", ..unitless("other", "Probability of replies that are on neither side.") },
        None,
        |reading| reading.of(Measure::Other),
    ),
];

/// One run of an arm at one moment, on one probe.
struct Row<'a> {
    arm: &'a ArmResults,
    run: &'a RunResults,
    split: &'a Split,
    step: i64,
    at_end: bool,
    readings: &'a [Reading],
}

impl SweepResults {
    /// The results as a table: means over contrasts, a row for each run of an arm, moment and probe; a run that several arms share
    /// is there once for each. Numbers that were not measured, or are not finite, are null.
    pub fn results_table(&self) -> Vec<Column> {
        let rows = self.rows();
        let text = |field: Field, value: fn(&Row<'_>) -> String| {
            Column::of(&field, Values::Text(rows.iter().map(value).collect()))
        };
        let whole = |field: Field, value: fn(&Row<'_>) -> i64| {
            Column::of(&field, Values::Whole(rows.iter().map(value).collect()))
        };
        let flag = |field: Field, value: fn(&Row<'_>) -> bool| {
            Column::of(&field, Values::Flag(rows.iter().map(value).collect()))
        };
        let [component, prompts, domains] = PROBE;
        let mut columns = vec![
            text(RUN, |row| row.run.plan_hash.clone()),
            text(ARM, |row| row.arm.name.clone()),
            whole(SEED, |row| row.run.seed as i64),
            text(TRAINED_BY, |row| row.run.trained_by().to_owned()),
            flag(IS_CONTROL, |row| row.arm.control.is_none()),
            text(STAGE, |row| row.run.stage_at(row.step).unwrap_or_default().to_owned()),
            whole(STEP, |row| row.step),
            flag(AT_END, |row| row.at_end),
            text(component, |row| row.split.component.to_string()),
            text(prompts, |row| row.split.prompts.to_string()),
            text(domains, |row| row.split.domains.to_string()),
            whole(ITEMS, |row| row.readings.len() as i64),
        ];
        for (mean, deviation, value) in NUMBERS {
            let spreads: Vec<_> = rows.iter().map(|row| ItemSpread::of(row.readings.iter().map(value))).collect();
            let number = |field: Field, value: fn(&ItemSpread) -> f64| {
                let finite =
                    |spread: &Option<ItemSpread>| spread.as_ref().map(value).filter(|number| number.is_finite());
                Column::of(&field, Values::NumberIfAny(spreads.iter().map(finite).collect()))
            };
            columns.push(number(mean, |spread| spread.mean));
            columns.extend(deviation.map(|field| number(field, |spread| spread.deviation)));
        }
        let arms: Vec<&ArmResults> = rows.iter().map(|row| row.arm).collect();
        put_axes(&mut columns, self.axis_columns(&arms), 3);
        columns
    }

    fn rows(&self) -> Vec<Row<'_>> {
        let mut rows = Vec::new();
        for arm in &self.arms {
            for run in &arm.runs {
                let last = run.end();
                for step in run.measured() {
                    rows.extend(run.probes.iter().filter_map(|(split, moments)| {
                        let readings = moments.get(&step)?;
                        Some(Row { arm, run, split, step, at_end: Some(step) == last, readings })
                    }));
                }
            }
        }
        rows
    }
}
