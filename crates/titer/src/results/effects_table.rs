//! What every arm does against its control as one table: a row for each arm, moment and probe.

use super::{
    ArmResults, At, Measure, RunResults, Split, SweepResults,
    results_table::{AT_END, PROBE, STAGE, STEP},
};
use crate::{
    stats::Estimate,
    table::{ARM, Column, Field, Values, put_axes, unitless},
};

/// Version of the effects table's columns and their meanings.
pub const EFFECTS_SCHEMA: u32 = 2;

const CONTROL: Field = unitless("control", "The control's name: the same stages with `neutral→good` rows only.");
const SEEDS: Field = Field { unit: "seeds", ..unitless("seeds", "Seeds that the arm and its control share.") };
const ITEMS: Field = Field {
    unit: "contrasts",
    ..unitless("items", "Contrasts that they share: over all seeds, or counted once where all seeds measure the same.")
};
const INTERVAL: Field = unitless(
    "interval",
    "What intervals are taken over: `t over seeds`, `t over items`, `t over seeds and items` or `no interval`.",
);

const NATS: &str = "nats per reply";
const PROBABILITY: &str = "probability";

/// A measure with the columns of its mean difference and of the ends of the 95 % interval.
const MEASURES: [(Measure, [Field; 3]); 4] = [
    (Measure::Margin, difference(["margin_effect", "margin_effect_low", "margin_effect_high"], NATS)),
    (Measure::Gap, difference(["gap_effect", "gap_effect_low", "gap_effect_high"], NATS)),
    (Measure::Rate, difference(["rate_effect", "rate_effect_low", "rate_effect_high"], PROBABILITY)),
    (Measure::Other, difference(["other_effect", "other_effect_low", "other_effect_high"], PROBABILITY)),
];

const fn difference([mean, low, high]: [&'static str; 3], unit: &'static str) -> [Field; 3] {
    [
        Field { unit, ..unitless(mean, "Mean of arm less control, paired by seed and contrast; seeds count equally.") },
        Field { unit, ..unitless(low, "Lower end of its 95 % interval.") },
        Field { unit, ..unitless(high, "Upper end of its 95 % interval.") },
    ]
}

/// One arm at one moment, on one probe, less its control.
struct Row<'a> {
    arm: &'a ArmResults,
    control: &'a ArmResults,
    split: Split,
    step: i64,
    at_end: bool,
    /// Of the margin: what says how much is behind the row.
    margin: Estimate,
    effects: [Option<Estimate>; MEASURES.len()],
}

impl SweepResults {
    /// What every arm does against its control: a row for each arm, moment and probe that both measured. Controls have none.
    pub fn effects_table(&self) -> Vec<Column> {
        let rows = self.effect_rows();
        let text = |field: Field, value: fn(&Row<'_>) -> String| {
            Column::of(&field, Values::Text(rows.iter().map(value).collect()))
        };
        let whole = |field: Field, value: fn(&Row<'_>) -> i64| {
            Column::of(&field, Values::Whole(rows.iter().map(value).collect()))
        };
        let [component, prompts, domains] = PROBE;
        let mut columns = vec![
            text(ARM, |row| row.arm.name.clone()),
            text(CONTROL, |row| row.control.name.clone()),
            text(STAGE, |row| {
                let stage = row.arm.runs.iter().find_map(|run| run.stage_at(row.step));
                stage.unwrap_or_default().to_owned()
            }),
            whole(STEP, |row| row.step),
            Column::of(&AT_END, Values::Flag(rows.iter().map(|row| row.at_end).collect())),
            text(component, |row| row.split.component.to_string()),
            text(prompts, |row| row.split.prompts.to_string()),
            text(domains, |row| row.split.domains.to_string()),
            whole(SEEDS, |row| row.margin.n_seeds as i64),
            whole(ITEMS, |row| row.margin.n_items as i64),
            text(INTERVAL, |row| row.margin.method.to_string()),
        ];
        for (at, (_, fields)) in MEASURES.iter().enumerate() {
            let ends: [fn(&Estimate) -> f64; 3] =
                [|estimate| estimate.mean, |estimate| estimate.low, |estimate| estimate.high];
            for (field, end) in fields.iter().zip(ends) {
                let finite = |row: &Row<'_>| row.effects[at].as_ref().map(end).filter(|number| number.is_finite());
                columns.push(Column::of(field, Values::NumberIfAny(rows.iter().map(finite).collect())));
            }
        }
        let arms: Vec<&ArmResults> = rows.iter().map(|row| row.arm).collect();
        put_axes(&mut columns, self.axis_columns(&arms), 1);
        columns
    }

    fn effect_rows(&self) -> Vec<Row<'_>> {
        let splits = self.splits();
        let mut rows = Vec::new();
        for (at, arm) in self.arms.iter().enumerate() {
            let Some(control) = self.control_of(at) else { continue };
            let measured = |split: &Split| arm.finished().moments(split);
            let mut steps: Vec<i64> = splits.iter().flat_map(measured).collect();
            steps.sort_unstable();
            steps.dedup();
            let end = arm.runs.iter().filter_map(RunResults::end).max();
            for &step in &steps {
                rows.extend(splits.iter().filter_map(|split| {
                    let effects = MEASURES.map(|(measure, _)| self.effect(at, split, measure, At::Step(step)));
                    let at_end = Some(step) == end;
                    Some(Row { arm, control, split: *split, step, at_end, margin: effects[0]?, effects })
                }));
            }
        }
        rows
    }
}
