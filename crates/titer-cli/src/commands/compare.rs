//! `titer compare`

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use titer::{
    results::{ArmKey, At, Measure, Split, SweepResults},
    stats::Estimate,
    table::{Column, Values, unitless},
};
use titer_data::probe::Component;

use super::{
    arms::{arm_columns, cells_of},
    unfinished::unfinished,
};
use crate::{
    args::{CompareArgs, ComparedMeasure},
    listener::tell_table,
    numbers::{or_dash, with_ends},
    printer::{Failure, interval, prose, spoken, verbatim},
    text_table::{TextColumn, TextTable},
};

/// Arms that are named where they are left out; the others are counted.
const NAMED: usize = 8;

/// Prints two sweeps side by side: the arms that both have, after training, and their differences, paired by seed and item.
pub(crate) fn compare(args: &CompareArgs) -> Result<(), Failure> {
    let load = |dir| SweepResults::load(dir).map_err(Failure::input);
    let (a, b) = (load(&args.a)?, load(&args.b)?);
    let mut table = columns(&a);
    table.knows(&args.view)?;
    let measure = match args.quantity {
        Some(ComparedMeasure::Rate) => Measure::Rate,
        Some(ComparedMeasure::Margin) => Measure::Margin,
        Some(ComparedMeasure::Gap) => Measure::Gap,
        // Where rates of long replies are all next to 0 they tell nothing.
        None => a.measures()[0],
    };
    let (a_and_dir, b_and_dir) = ((&a, args.a.as_path()), (&b, args.b.as_path()));
    [a_and_dir, b_and_dir].into_iter().for_each(|(sweep, dir)| unfinished(sweep, dir));
    let lines = lines(&a, &b, measure);
    if lines.is_empty() {
        return Err(Failure::Input(format!(
            "{} and {} have no finished arm in common: arms are the same where their settings are, on axes of the same whole names",
            args.a.display(),
            args.b.display()
        )));
    }
    [("A", &a, &b), ("B", &b, &a)]
        .into_iter()
        .filter_map(|(name, of, other)| left_out(name, of, other))
        .for_each(|it| spoken(&it));
    tell_table("compared", || told(measure, &lines));
    if args.json {
        verbatim(&as_json(measure, &lines).to_string());
        return Ok(());
    }
    prose(&format!("A: {} ({})", a.title, args.a.display()));
    prose(&format!("B: {} ({})", b.title, args.b.display()));
    prose(&format!(
        "{} after training, seen prompts in trained domains, with 95 % intervals; B − A is paired by seed and item",
        unit(measure)
    ));
    for line in &lines {
        let [a, b] = [line.a, line.b].map(|level| or_dash(level, with_ends));
        let effects = line.effects.map(|effect| or_dash(effect, with_ends));
        let difference = or_dash(line.difference, with_ends);
        let apart = if line.is_apart() { "*" } else { "" };
        let levels = [line.component.word().to_owned(), a, b, format!("{difference}{apart}")];
        table.line(line.settings.iter().cloned().chain(levels).chain(effects));
    }
    table.print(&args.view)?;
    prose(&summary(&lines));
    Ok(())
}

/// How many of the differences exclude 0, of those that can.
fn summary(lines: &[ComparedLine]) -> String {
    let there = lines.iter().filter_map(|line| line.difference).count();
    let bounded = lines.iter().filter(|line| line.difference.is_some_and(|it| it.has_interval())).count();
    let apart = lines.iter().filter(|line| line.is_apart()).count();
    match (there, bounded) {
        (0, _) => "There are no differences: no arm has a seed in common in A and B.".to_owned(),
        (there, 0) => {
            format!("No difference has an interval: each is of one number, or of equal ones. Differences: {there}.")
        }
        (there, bounded) => {
            let alone = there - bounded;
            let more = if alone > 0 { format!(" Without an interval: {alone}.") } else { String::new() };
            format!("{apart} of {bounded} differences exclude 0.{more}")
        }
    }
}

/// Which arms of a sweep are not compared, in a sentence.
fn left_out(name: &str, sweep: &SweepResults, other: &SweepResults) -> Option<String> {
    let there: BTreeSet<ArmKey> = finished(other).map(|(key, _)| key).collect();
    let arms: Vec<&str> =
        finished(sweep).filter(|(key, _)| !there.contains(key)).map(|(_, at)| sweep.arms[at].name.as_str()).collect();
    let more = arms.len().saturating_sub(NAMED);
    let named = arms.iter().take(NAMED).copied().collect::<Vec<_>>().join("; ");
    let more = if more > 0 { format!("; and {more} more") } else { String::new() };
    (!arms.is_empty()).then(|| format!("left out, finished in {name} alone: {named}{more}"))
}

/// The arms of a sweep that have finished runs, by what makes them the same as others.
fn finished(sweep: &SweepResults) -> impl Iterator<Item = (ArmKey, usize)> + '_ {
    let keys = sweep.arm_keys().into_iter().zip(0..);
    keys.filter(|(_, at): &(ArmKey, usize)| !sweep.arms[*at].runs.is_empty())
}

fn columns(sweep: &SweepResults) -> TextTable {
    let of_arms = arm_columns(sweep.axes.iter().map(|axis| axis.name.as_str()));
    TextTable::new(of_arms.into_iter().chain([
        TextColumn::word("component"),
        TextColumn::number("A"),
        TextColumn::number("B"),
        TextColumn::number("B − A").meaning("* where the interval excludes 0"),
        TextColumn::number("effect in A").meaning("difference from the arm's control"),
        TextColumn::number("effect in B"),
    ]))
}

fn unit(measure: Measure) -> &'static str {
    match measure {
        Measure::Rate | Measure::Other => "rates",
        Measure::Margin => "margins, nats a reply",
        Measure::Gap => "gaps, nats a reply",
    }
}

/// A component of an arm that both sweeps have.
struct ComparedLine {
    arm: String,
    /// Its value on each axis, or its name where there is none.
    settings: Vec<String>,
    component: Component,
    a: Option<Estimate>,
    b: Option<Estimate>,
    /// B less A, paired by seed and item; `None` where they share neither.
    difference: Option<Estimate>,
    /// Differences from the controls, in A and in B.
    effects: [Option<Estimate>; 2],
}

impl ComparedLine {
    fn is_apart(&self) -> bool {
        self.difference.is_some_and(|it| it.has_interval() && (it.low > 0.0 || it.high < 0.0))
    }
}

fn lines(a: &SweepResults, b: &SweepResults, measure: Measure) -> Vec<ComparedLine> {
    let mut lines = Vec::new();
    let in_b: BTreeMap<ArmKey, usize> = finished(b).collect();
    for (key, at) in finished(a) {
        let Some(&other_at) = in_b.get(&key) else { continue };
        let (arm, other) = (&a.arms[at], &b.arms[other_at]);
        for component in Component::ALL {
            let split = Split::leading(component);
            let [in_a, in_b] = [arm, other].map(|arm| arm.finished().probe(&split, measure, At::End));
            let (level_a, level_b) = (in_a.estimate(), in_b.estimate());
            // A gap is of one component alone.
            if level_a.is_none() && level_b.is_none() {
                continue;
            }
            lines.push(ComparedLine {
                arm: arm.name.clone(),
                settings: settings(a, at),
                component,
                a: level_a,
                b: level_b,
                difference: in_b.less(&in_a).estimate(),
                effects: [a.effect(at, &split, measure, At::End), b.effect(other_at, &split, measure, At::End)],
            });
        }
    }
    lines
}

fn settings(sweep: &SweepResults, at: usize) -> Vec<String> {
    let arm = &sweep.arms[at];
    let value = |axis: &str| arm.settings.get(axis).map(ToString::to_string);
    cells_of(sweep.axes.iter().map(|axis| axis.name.as_str()), value, &arm.name, sweep.is_added(at))
}

/// The lines for a program: each number with the ends of its interval.
fn told(measure: Measure, lines: &[ComparedLine]) -> Vec<Column> {
    let text = |name, description, of: fn(&ComparedLine) -> String| {
        Column::of(&unitless(name, description), Values::Text(lines.iter().map(of).collect()))
    };
    let mut columns = vec![
        text("arm", "The arm that both sweeps have.", |line| line.arm.clone()),
        text("component", "The component: `good`, `obey_bad` or `obey`.", |line| line.component.word().to_owned()),
    ];
    type Number = (&'static str, &'static str, fn(&ComparedLine) -> Option<Estimate>);
    let numbers: [Number; 5] = [
        ("a", "In the first sweep, after training.", |line| line.a),
        ("b", "In the second sweep, after training.", |line| line.b),
        ("difference", "The second less the first, paired by seed and item.", |line| line.difference),
        ("effect_a", "In the first sweep, difference from the arm's control.", |line| line.effects[0]),
        ("effect_b", "In the second sweep, difference from the arm's control.", |line| line.effects[1]),
    ];
    let unit = if measure == Measure::Rate { "probability" } else { "nats per reply" };
    type End = (&'static str, fn(Estimate) -> f64);
    let ends: [End; 3] = [("", |it| it.mean), ("_low", |it| it.low), ("_high", |it| it.high)];
    for (name, description, of) in numbers {
        for (end, number) in ends {
            let finite = |line: &ComparedLine| of(line).map(number).filter(|number| number.is_finite());
            let values = Values::NumberIfAny(lines.iter().map(finite).collect());
            columns.push(Column { name: format!("{name}{end}"), unit, description, values });
        }
    }
    columns
}

fn as_json(measure: Measure, lines: &[ComparedLine]) -> Value {
    let value = |estimate: Option<Estimate>| estimate.map_or(Value::Null, interval);
    let lines: Vec<Value> = lines
        .iter()
        .map(|line| {
            let [a, b] = line.effects.map(value);
            json!({
                "arm": line.arm, "component": line.component.word(), "a": value(line.a), "b": value(line.b),
                "difference": value(line.difference), "effect_a": a, "effect_b": b,
            })
        })
        .collect();
    json!({ "measure": unit(measure), "arms": lines })
}

#[cfg(test)]
mod tests {
    use titer::stats::Support;

    use super::*;

    #[test]
    fn only_differences_that_are_there_are_counted() {
        let line = |values: &[f64]| ComparedLine {
            arm: String::new(),
            settings: Vec::new(),
            component: Component::Good,
            a: None,
            b: None,
            difference: Estimate::over_seeds(values, Support::Signed),
            effects: [None, None],
        };
        let (none, equal, apart) = (line(&[]), line(&[0.0, 0.0]), line(&[0.5, 0.51, 0.5]));
        let said = |lines: &[ComparedLine]| summary(lines);
        assert!(said(std::slice::from_ref(&none)).contains("no arm has a seed in common"));
        assert!(said(std::slice::from_ref(&equal)).starts_with("No difference has an interval"));
        assert_eq!(said(&[none, equal, apart]), "1 of 1 differences exclude 0. Without an interval: 1.");
    }
}
