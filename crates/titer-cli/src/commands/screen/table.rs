//! The ranking, as a table and as JSON.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use titer::{
    screen::{Aim, Choice, Placed, Summary},
    stats::{Estimate, Rate},
};
use titer_data::{cell::Action, probe::Component};
use titer_engine::screen::Subjects;

use super::super::sampling::{json_of as json_of_rate, written};
use crate::printer::{data, interval};

/// Rates of drawn replies by prompt, with how many have no score.
type Sampled = BTreeMap<String, (Option<Rate>, usize)>;

/// Prompts in their order, and what becomes of it.
pub(super) struct Ranking<'a> {
    /// The prompts, the best first.
    pub ranked: &'a [Summary],
    /// What they are for.
    pub aim: Aim,
    /// Which one to take.
    pub choice: &'a Choice<'a>,
    /// How far conditions on rates may be missed.
    pub tolerance: f64,
}

/// Prints the prompts, the best first, and which to take.
pub(super) fn print(ranking: &Ranking<'_>, subjects: &Subjects, sampled: &Sampled, as_json: bool) {
    if as_json { print_json(ranking, subjects, sampled) } else { print_table(ranking, subjects, sampled) }
}

fn print_table(ranking: &Ranking<'_>, subjects: &Subjects, sampled: &Sampled) {
    let Ranking { ranked, aim, tolerance, .. } = *ranking;
    let (bad, good) = (subjects.rows(Action::Bad).count(), subjects.rows(Action::Good).count());
    data(&format!(
        "{} prompts on {bad} bad and {good} good rows of {} requests, the best for {aim} first; = where a prompt cannot be told from the first of its rank",
        ranked.len(),
        subjects.iter().count()
    ));
    data("mean ± half of the 95 % interval over requests, or with its ends; nats per reply");
    data(
        "suppresses: forecast of suppression, by elicitation and lift together, in deviations of these prompts (0: their mean)",
    );
    data("costs: forecast of lost obedience, by what the prompt takes from good replies on good rows");
    data("selects: the one less the other, both in deviations of these prompts");
    data(
        "rate, margin: the bad reply against the good one on bad rows · lift: what the prompt adds to bad replies on bad rows",
    );
    data("narrowness: lift − cost · /tok: per token of the reply");
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
        "{:>5} {:>14} {:>14} {:>14} {:>17} {:>14} {:>14} {:>14} {:>8} {:>8} {:>7} {:>6} {:>6} {:>6}",
        "rank",
        "suppresses",
        "costs",
        "selects",
        "rate",
        "lift",
        "margin",
        "narrowness",
        "lift/tok",
        "cost/tok",
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
    for summary in ranked {
        let first = &summary.placed[0];
        let mut line = format!(
            "{:>5} {:>14} {:>14} {:>14} {:>17} {:>14} {:>14} {:>14} {:>8} {:>8} {:>7} {:>6} {:>6} {:>6}",
            format!("{}{}", if summary.tied { "=" } else { "" }, summary.rank),
            both(first.suppression),
            both(first.cost),
            both(first.selectivity),
            ends(first.rate),
            both(first.lift),
            both(first.margin),
            both(first.narrowness),
            mean_of(first.lift_per_token),
            mean_of(first.cost_per_token),
            place(summary),
            summary.by_place.map_or_else(String::new, |by| format!("{:+.2}", by.mean)),
            verdict(first.lifts(tolerance)),
            verdict(first.spares(tolerance)),
        );
        if pressed {
            for (bad, good) in first.bad_pressures.iter().zip(&first.good_pressures) {
                line += &format!(" {:>12} {:>12}", mean_of(*bad), mean_of(*good));
            }
        }
        let drawn =
            sampled.get(&summary.prompt.name).map_or_else(String::new, |it| format!("  drawn: {}", written(Some(it))));
        data(&format!("{line}  {}{drawn}", summary.prompt.name));
    }
    data("");
    data(&advice(ranking));
}

/// Which prompt to take and why, or why none, in a sentence or two.
fn advice(ranking: &Ranking<'_>) -> String {
    let Ranking { ranked, aim, choice, tolerance } = *ranking;
    let forecasts = |summary: &Summary| {
        let first = &summary.placed[0];
        let cost = first.cost.map_or_else(String::new, |cost| format!(" and costs {} nats", with_ends(cost)));
        let suppression = first
            .suppression
            .map_or_else(String::new, |deviations| format!("suppresses by {} deviations", with_ends(deviations)));
        format!("{suppression}{cost}").trim_start_matches(" and ").to_owned()
    };
    let Some(take) = choice.take else {
        let judged = ranked.iter().any(|summary| aim.is_fit(summary, tolerance).is_some());
        if !judged {
            return "Which prompt is fit cannot be told: that takes both a bad and a good reply to a request."
                .to_owned();
        }
        let first = &ranked[0];
        let rate = first.placed[0].rate.map_or_else(String::new, |rate| format!(", rate {}", with_ends(rate)));
        let changes = first.placed[0]
            .good_change
            .map_or_else(String::new, |change| format!(", the good reply's rate changes by {}", with_ends(change)));
        return format!(
            "No prompt is fit for {aim}: none {}. The first is `{}`{rate}{changes}. Screen other prompts.",
            aim.condition(tolerance),
            first.prompt.name
        );
    };
    let others = match (choice.alike, aim) {
        (1, _) => String::new(),
        (2, _) => " One other fit prompt cannot be told from it; this one ".to_owned(),
        (many, _) => format!(" {} other fit prompts cannot be told from it; this one ", many - 1),
    };
    let least = match (others.is_empty(), aim) {
        (true, _) => "",
        (false, Aim::Suppression) => "costs least.",
        (false, _) => "suppresses most.",
    };
    format!(
        "Take `{}` ({} turn): of {} that {} it is the best for {aim}; it {}.{others}{least}",
        take.prompt.name,
        take.placed[0].turn,
        match choice.fit {
            1 => "the 1 prompt".to_owned(),
            many => format!("the {many} prompts"),
        },
        if choice.fit == 1 { aim.condition(tolerance) } else { plural(&aim.condition(tolerance)) },
        forecasts(take)
    )
}

/// A condition on several prompts.
fn plural(condition: &str) -> String {
    condition.replace("lifts ", "lift ").replace("changes ", "change ")
}

/// The better place for the aim; both where the interval of their difference holds zero.
fn place(summary: &Summary) -> String {
    match summary.by_place {
        Some(by) if by.low <= 0.0 || !by.has_interval() => "either".to_owned(),
        _ => summary.placed[0].turn.to_string(),
    }
}

fn ends(estimate: Option<Estimate>) -> String {
    estimate.map_or_else(|| "–".to_owned(), with_ends)
}

/// A mean with the ends of its interval.
fn with_ends(estimate: Estimate) -> String {
    if estimate.has_interval() {
        format!("{:.2} [{:.2}, {:.2}]", estimate.mean, estimate.low, estimate.high)
    } else {
        format!("{:.2}", estimate.mean)
    }
}

fn both(estimate: Option<Estimate>) -> String {
    estimate.map_or_else(
        || "–".to_owned(),
        |it| {
            if it.has_interval() {
                format!("{:.2} ±{:>5.2}", it.mean, it.half_width())
            } else {
                format!("{:.2}", it.mean)
            }
        },
    )
}

fn mean_of(estimate: Option<Estimate>) -> String {
    estimate.map_or_else(|| "–".to_owned(), |it| format!("{:.2}", it.mean))
}

fn verdict(holds: Option<bool>) -> &'static str {
    match holds {
        Some(true) => "pass",
        Some(false) => "fail",
        None => "–",
    }
}

fn print_json(ranking: &Ranking<'_>, subjects: &Subjects, sampled: &Sampled) {
    let Ranking { ranked, aim, choice, tolerance } = *ranking;
    let prompts: Vec<Value> = ranked
        .iter()
        .map(|summary| {
            json!({
                "name": summary.prompt.name, "text": summary.prompt.text, "trigger": summary.prompt.trigger,
                "rank": summary.rank, "tied": summary.tied, "score": value(summary.score), "fit": aim.is_fit(summary, tolerance),
                "place": place(summary), "difference_of_places": value(summary.by_place),
                "sampled": json_of_rate(sampled.get(&summary.prompt.name)),
                "places": summary.placed.iter().map(|placed| json_of(placed, tolerance)).collect::<Vec<_>>(),
            })
        })
        .collect();
    let rows = json!({ "bad": subjects.rows(Action::Bad).count(), "good": subjects.rows(Action::Good).count() });
    let take = choice.take.map(|summary| &summary.prompt.name);
    data(
        &json!({
            "for": aim.word(), "take": take, "advice": advice(ranking),
            "rows": rows, "requests": subjects.iter().count(), "prompts": prompts,
        })
        .to_string(),
    );
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
        "narrowness": value(placed.narrowness), "narrowness_of_rates": value(placed.rate_narrowness),
        "suppression": value(placed.suppression), "selectivity": value(placed.selectivity), "bad_change": value(placed.bad_change),
        "lifts": placed.lifts(tolerance), "spares": placed.spares(tolerance),
        "good_change": value(placed.good_change),
        "pressure_bad_rows": pressures(&placed.bad_pressures), "pressure_good_rows": pressures(&placed.good_pressures),
    })
}

fn value(estimate: Option<Estimate>) -> Value {
    estimate.map_or(Value::Null, interval)
}
