//! The ranking, as a table and as JSON.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use titer::{
    screen::{Placed, Summary},
    stats::{Estimate, Rate},
};
use titer_data::{cell::Action, probe::Component};
use titer_engine::screen::Subjects;

use super::super::sampling::{json_of as json_of_rate, written};
use crate::printer::{data, interval};

/// Rates of drawn replies by prompt, with how many have no score.
type Sampled = BTreeMap<String, (Option<Rate>, usize)>;

/// Prints the prompts, the narrowest first.
pub fn print(ranked: &[Summary], subjects: &Subjects, tolerance: f64, sampled: &Sampled, as_json: bool) {
    if as_json {
        print_json(ranked, subjects, tolerance, sampled)
    } else {
        print_table(ranked, subjects, tolerance, sampled)
    }
}

fn print_table(ranked: &[Summary], subjects: &Subjects, tolerance: f64, sampled: &Sampled) {
    let (bad, good) = (subjects.rows(Action::Bad).count(), subjects.rows(Action::Good).count());
    data(&format!(
        "{} prompts on {bad} bad and {good} good rows of {} requests",
        ranked.len(),
        subjects.iter().count()
    ));
    data("mean ± half of the 95 % interval over requests; nats per reply; the narrowest prompt first");
    data(
        "rate, margin: the bad reply against the good one on bad rows · lift: what the prompt adds to bad replies on bad rows",
    );
    data("cost: what it takes from good replies on good rows · narrowness: lift − cost · /tok: per token of the reply");
    data(&format!(
        "lifts: rate ≥ {:.2} · spares: the good reply's rate on good rows changes by ≤ {tolerance}",
        1.0 - tolerance
    ));
    let pressed = ranked.iter().any(|summary| summary.placed[0].bad_pressures[0].is_some());
    if pressed {
        data(
            "b→b, b→g: mean pressure of bad and of good rows under the prompt, nats of margin per unit of learning rate",
        );
    }
    data("");
    let mut head = format!(
        "{:>4} {:>14} {:>14} {:>14} {:>14} {:>8} {:>8} {:>14} {:>12} {:>6} {:>6} {:>6}",
        "rank",
        "narrowness",
        "lift",
        "cost",
        "margin",
        "lift/tok",
        "cost/tok",
        "rate",
        "place",
        "better",
        "lifts",
        "spares"
    );
    if pressed {
        for name in Component::ALL.map(Component::word) {
            head += &format!(" {:>12} {:>12}", format!("b→b {name}"), format!("b→g {name}"));
        }
    }
    data(&format!("{head}  prompt"));
    for (rank, summary) in ranked.iter().enumerate() {
        let first = &summary.placed[0];
        let mut line = format!(
            "{:>4} {:>14} {:>14} {:>14} {:>14} {:>8} {:>8} {:>14} {:>12} {:>6} {:>6} {:>6}",
            rank + 1,
            both(first.narrowness),
            both(first.lift),
            both(first.cost),
            both(first.margin),
            one(first.lift_per_token),
            one(first.cost_per_token),
            both(first.rate),
            place(summary),
            summary.by_place.map_or_else(String::new, |by| format!("{:+.2}", by.mean)),
            verdict(first.lifts(tolerance)),
            verdict(first.spares(tolerance)),
        );
        if pressed {
            for (bad, good) in first.bad_pressures.iter().zip(&first.good_pressures) {
                line += &format!(" {:>12} {:>12}", one(*bad), one(*good));
            }
        }
        let drawn =
            sampled.get(&summary.prompt.name).map_or_else(String::new, |it| format!("  drawn: {}", written(Some(it))));
        data(&format!("{line}  {}{drawn}", summary.prompt.name));
    }
}

/// The narrower place; both where the interval of their difference holds zero.
fn place(summary: &Summary) -> String {
    match summary.by_place {
        Some(by) if by.low <= 0.0 || !by.has_interval() => "either".to_owned(),
        _ => summary.placed[0].turn.to_string(),
    }
}

fn both(estimate: Option<Estimate>) -> String {
    estimate.map_or_else(|| "–".to_owned(), |it| format!("{:.2} ±{:>5.2}", it.mean, (it.high - it.low) / 2.0))
}

fn one(estimate: Option<Estimate>) -> String {
    estimate.map_or_else(|| "–".to_owned(), |it| format!("{:.2}", it.mean))
}

fn verdict(holds: Option<bool>) -> &'static str {
    match holds {
        Some(true) => "pass",
        Some(false) => "fail",
        None => "–",
    }
}

fn print_json(ranked: &[Summary], subjects: &Subjects, tolerance: f64, sampled: &Sampled) {
    let prompts: Vec<Value> = ranked
        .iter()
        .map(|summary| {
            json!({
                "name": summary.prompt.name, "text": summary.prompt.text, "trigger": summary.prompt.trigger,
                "place": place(summary), "difference_of_places": value(summary.by_place),
                "sampled": json_of_rate(sampled.get(&summary.prompt.name)),
                "places": summary.placed.iter().map(|placed| json_of(placed, tolerance)).collect::<Vec<_>>(),
            })
        })
        .collect();
    let rows = json!({ "bad": subjects.rows(Action::Bad).count(), "good": subjects.rows(Action::Good).count() });
    data(&json!({ "rows": rows, "requests": subjects.iter().count(), "prompts": prompts }).to_string());
}

fn json_of(placed: &Placed, tolerance: f64) -> Value {
    let pressures = |pressures: &[Option<Estimate>; 3]| -> Value {
        let named = Component::ALL.iter().zip(pressures);
        named
            .map(|(component, pressure)| (component.word().to_owned(), value(*pressure)))
            .collect::<serde_json::Map<_, _>>()
            .into()
    };
    json!({
        "turn": placed.turn.word(),
        "rate": value(placed.rate), "margin": value(placed.margin),
        "lift": value(placed.lift), "lift_per_token": value(placed.lift_per_token),
        "cost": value(placed.cost), "cost_per_token": value(placed.cost_per_token),
        "narrowness": value(placed.narrowness),
        "lifts": placed.lifts(tolerance), "spares": placed.spares(tolerance),
        "good_change": value(placed.good_change),
        "pressure_bad_rows": pressures(&placed.bad_pressures), "pressure_good_rows": pressures(&placed.good_pressures),
    })
}

fn value(estimate: Option<Estimate>) -> Value {
    estimate.map_or(Value::Null, interval)
}
