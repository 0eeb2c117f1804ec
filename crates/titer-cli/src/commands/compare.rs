//! `titer compare`

use serde_json::{Value, json};
use titer::{
    results::{ArmResults, At, Measure, Split, SweepResults},
    stats::Estimate,
    table::{Column, Values, unitless},
};
use titer_data::probe::Component;

use super::arms::arm_columns;
use crate::{
    args::{CompareArgs, ComparedMeasure},
    listener::tell_table,
    numbers::{or_dash, with_ends},
    printer::{Failure, data, interval, prose},
    text_table::{TextColumn, TextTable},
};

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
    let lines = lines(&a, &b, measure);
    if lines.is_empty() {
        return Err(Failure::Input(format!(
            "{} and {} have no finished arm in common: arms are the same where their settings are",
            args.a.display(),
            args.b.display()
        )));
    }
    tell_table("compared", || told(measure, &lines));
    if args.json {
        data(&as_json(measure, &lines).to_string());
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
    let apart = lines.iter().filter(|line| line.is_apart()).count();
    prose(&format!("{apart} of {} differences exclude 0.", lines.len()));
    Ok(())
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
    for (at, arm) in a.arms.iter().enumerate().filter(|(_, arm)| !arm.runs.is_empty()) {
        let same = |other: &(usize, &ArmResults)| other.1.name == arm.name && !other.1.runs.is_empty();
        let Some((other_at, other)) = b.arms.iter().enumerate().find(same) else { continue };
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
                settings: settings(a, arm),
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

fn settings(sweep: &SweepResults, arm: &ArmResults) -> Vec<String> {
    let setting = |name: &String| arm.settings.get(name).map_or_else(|| "–".to_owned(), ToString::to_string);
    match sweep.axes.as_slice() {
        [] => vec![arm.name.clone()],
        axes => axes.iter().map(|axis| setting(&axis.name)).collect(),
    }
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
