//! The ranking, as a table and as JSON.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use titer::{
    screen::{Aim, Choice, Placed, Summary},
    stats::{Estimate, Rate},
    words::counted,
};
use titer_data::{cell::Action, probe::Component};
use titer_engine::screen::Subjects;

use super::super::sampling::{json_of as json_of_rate, written};
use crate::{
    args::ViewArgs,
    numbers::{mean_alone, or_dash, with_ends, with_half_width},
    printer::{Failure, interval, prose, verbatim},
    text_table::{TextColumn, TextTable},
};

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

/// Lines that are shown where nobody says how many.
const TOP: usize = 20;

/// Every column that there can be, the telling ones first; without lines.
pub(super) fn columns(aim: Aim, tolerance: f64, is_pressed: bool, is_sampled: bool) -> TextTable {
    let mut columns = vec![
        TextColumn::number("rank").meaning("= cannot be told from the first of its rank"),
        TextColumn::text("prompt"),
        TextColumn::number("selects").meaning("suppresses less costs, each in deviations of these prompts"),
        TextColumn::number("suppresses")
            .meaning("forecast of how far it keeps the bad action off other prompts, by rate and lift together, in deviations (0: their mean)"),
        TextColumn::number("costs").meaning("forecast of lost obedience: nats that it takes from good replies on good rows"),
        TextColumn::word("fit").meaning(format!("whether it {}", aim.condition(tolerance))),
        TextColumn::word("place").meaning("the better turn for it; either where the two cannot be told apart"),
        TextColumn::number("rate").meaning("of the bad reply against the good one, on bad rows"),
        TextColumn::number("lift").meaning("nats that it adds to bad replies on bad rows"),
        TextColumn::number("margin").meaning("of the bad reply over the good one on bad rows, nats"),
        TextColumn::number("narrowness").meaning("lift less costs, nats"),
        TextColumn::number("lift/token"),
        TextColumn::number("cost/token"),
        TextColumn::number("better").meaning("by how much its place is better than the other turn"),
        TextColumn::word("lifts").meaning(format!("rate ≥ {:.2}", 1.0 - tolerance)),
        TextColumn::word("spares").meaning(format!("the good reply's rate on good rows changes by ≤ {tolerance}")),
    ];
    if is_pressed {
        let pairs =
            Component::ALL.map(Component::word).into_iter().flat_map(|name| ["b→b", "b→g"].map(|rows| (rows, name)));
        let meaning = "mean pressures of bad (b→b) and of good (b→g) rows under the prompt, nats of margin per unit of learning rate";
        columns.extend(pairs.enumerate().map(|(at, (rows, name))| {
            let column = TextColumn::number(format!("{rows} {name}"));
            if at == 0 { column.meaning(meaning) } else { column }
        }));
    }
    if is_sampled {
        columns.insert(5, TextColumn::number("drawn").meaning("rate of drawn replies"));
    }
    TextTable::new(columns).top(TOP)
}

/// Prints the prompts, the best first, and which to take.
///
/// # Errors
/// Where a column is asked for that there is not.
pub(super) fn print(
    ranking: &Ranking<'_>,
    subjects: &Subjects,
    sampled: &Sampled,
    view: &ViewArgs,
    as_json: bool,
) -> Result<(), Failure> {
    if as_json {
        print_json(ranking, subjects, sampled);
        Ok(())
    } else {
        print_table(ranking, subjects, sampled, view)
    }
}

fn print_table(ranking: &Ranking<'_>, subjects: &Subjects, sampled: &Sampled, view: &ViewArgs) -> Result<(), Failure> {
    let Ranking { ranked, aim, tolerance, .. } = *ranking;
    let (bad, good) = (subjects.rows(Action::Bad).count(), subjects.rows(Action::Good).count());
    prose(&format!(
        "{} on {bad} bad and {} of {}, the best for {aim} first; mean ± half of the 95 % interval over requests, or [its ends]",
        counted(ranked.len(), "prompt"),
        counted(good, "good row"),
        counted(subjects.requests(), "request")
    ));
    let is_pressed = ranked.iter().any(|summary| summary.placed[0].bad_pressures[0].is_some());
    let mut table = columns(aim, tolerance, is_pressed, !sampled.is_empty());
    for summary in ranked {
        let first = &summary.placed[0];
        let mut line = vec![
            format!("{}{}", if summary.tied { "=" } else { "" }, summary.rank),
            summary.prompt.name.clone(),
            or_dash(first.selectivity, with_half_width),
            or_dash(first.suppression, with_half_width),
            or_dash(first.cost, with_half_width),
            yes_or_no(aim.is_fit(summary, tolerance)),
            place(summary),
            or_dash(first.rate, with_ends),
            or_dash(first.lift, with_half_width),
            or_dash(first.margin, with_half_width),
            or_dash(first.narrowness, with_half_width),
            or_dash(first.lift_per_token, mean_alone),
            or_dash(first.cost_per_token, mean_alone),
            summary.by_place.map_or_else(String::new, |by| format!("{:+.2}", by.mean)),
            yes_or_no(first.lifts(tolerance)),
            yes_or_no(first.spares(tolerance)),
        ];
        if is_pressed {
            for (bad, good) in first.bad_pressures.iter().zip(&first.good_pressures) {
                line.extend([or_dash(*bad, mean_alone), or_dash(*good, mean_alone)]);
            }
        }
        if !sampled.is_empty() {
            line.insert(5, written(sampled.get(&summary.prompt.name)));
        }
        table.line(line);
    }
    table.print(view)?;
    prose(&advice(ranking));
    Ok(())
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
        if let Some(margin) = far_below(ranked).filter(|_| aim != Aim::Obedience) {
            return format!(
                "No prompt is fit for {aim}: none {}. Under each the bad reply is far less likely than the good one, under `{}` by {margin:.0} nats, as where it is \
                 longer or of other words; so rates tell nothing. Go by lift and narrowness, or give pairs of replies that are alike in length.",
                aim.condition(tolerance),
                first.prompt.name
            );
        }
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
        "Take `{}` ({} turn): of {} that {} it is {} for {aim}; it {}.{others}{least}",
        take.prompt.name,
        take.placed[0].turn,
        match choice.fit {
            1 => "the 1 prompt".to_owned(),
            many => format!("the {many} prompts"),
        },
        if choice.fit == 1 { aim.condition(tolerance) } else { plural(&aim.condition(tolerance)) },
        if choice.is_best { "the best" } else { "among the best" },
        forecasts(take)
    )
}

/// How much less likely the bad reply is under the first prompt, in nats, where it is so much less likely under each that no rate says anything.
fn far_below(ranked: &[Summary]) -> Option<f64> {
    const FAR: f64 = -10.0;
    let margins: Option<Vec<f64>> =
        ranked.iter().map(|summary| summary.placed[0].margin.map(|margin| margin.mean)).collect();
    margins.filter(|margins| margins.iter().all(|margin| *margin < FAR)).and_then(|margins| Some(-margins.first()?))
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

fn yes_or_no(holds: Option<bool>) -> String {
    match holds {
        Some(true) => "yes",
        Some(false) => "no",
        None => "–",
    }
    .to_owned()
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
    verbatim(
        &json!({
            "for": aim.word(), "take": take, "advice": advice(ranking),
            "rows": rows, "requests": subjects.requests(), "prompts": prompts,
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
