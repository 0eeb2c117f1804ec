//! `titer validate`

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use serde_json::{Value, json};
use titer::{
    screen::{Aim, Placed, Screening, summarise},
    stats::Estimate,
    store::Sweep,
    table::{Record as _, ScreenRecord, read},
    validate::{ExternalArm, OutcomeColumns, OutcomeResult, PredictorResult, compare, read_outcomes},
    words::counted,
};
use titer_data::prompt::CandidatePrompt;

use crate::{
    args::{OutcomeName, ValidateArgs, ViewArgs},
    numbers::{or_dash, with_ends},
    printer::{Failure, data, interval, prose, verbatim},
    text_table::{TextColumn, TextTable},
};

/// Holds outcomes of arms that were trained elsewhere against what was screened of their prompts, and against the user's predictors.
pub(crate) fn validate(args: &ValidateArgs) -> Result<(), Failure> {
    let called = |name: OutcomeName, own: &str| -> String {
        let named = args.column.iter().find(|(given, _)| *given == name);
        named.map_or(own, |(_, column)| column).to_owned()
    };
    let columns = OutcomeColumns {
        prompt: called(OutcomeName::Prompt, "prompt"),
        setting: called(OutcomeName::Setting, "setting"),
        suppression: called(OutcomeName::Suppression, "suppression"),
        kept: called(OutcomeName::Kept, "kept"),
        target: called(OutcomeName::Target, "target"),
        turn: called(OutcomeName::Turn, "turn"),
    };
    let arms = read_outcomes(&args.table, &columns).map_err(Failure::input)?;
    let screenings = screenings(args, &arms)?;
    if screenings.is_empty() && arms.iter().all(|arm| arm.predictors.is_empty()) {
        return Err(Failure::Input(format!(
            "{}: there is nothing to predict by: name what `titer screen --out` wrote with --screening, or add columns of numbers",
            args.table.display()
        )));
    }
    let placed = placed(&args.table, &arms, &screenings)?;
    let outcomes = compare(&arms, &placed);
    if args.json {
        verbatim(&json!({ "arms": arms.len(), "settings": settings(&arms).len(), "outcomes": outcomes.iter().map(json_of).collect::<Vec<_>>() }).to_string());
    } else {
        print(&arms, &outcomes, !screenings.is_empty(), &args.view)?;
    }
    Ok(())
}

/// The settings of some arms, in the order in which they come.
fn settings(arms: &[ExternalArm]) -> Vec<&str> {
    let mut all: Vec<&str> = Vec::new();
    for arm in arms {
        if !all.contains(&arm.setting.as_str()) {
            all.push(&arm.setting);
        }
    }
    all
}

/// A screening of the prompts of a setting, and the file that it is from.
type Screened = (PathBuf, Vec<ScreenRecord>);

/// Screenings by setting; the one of the empty setting is for all that have none of their own.
fn screenings(args: &ValidateArgs, arms: &[ExternalArm]) -> Result<BTreeMap<String, Screened>, Failure> {
    let known = settings(arms);
    let mut all = BTreeMap::new();
    for text in &args.screening {
        let named = text.split_once('=').filter(|(setting, _)| known.contains(setting));
        let (setting, path) =
            named.map_or((String::new(), Path::new(text)), |(setting, path)| (setting.to_owned(), Path::new(path)));
        if named.is_none() && text.contains('=') && !path.exists() {
            let setting = text.split_once('=').map_or("", |(setting, _)| setting);
            return Err(Failure::Input(format!(
                "--screening {text}: the table has no setting `{setting}`; it has {}",
                known.join(", ")
            )));
        }
        let records = if path.is_dir() { of_sweep(path)? } else { read(path).map_err(Failure::input)? };
        if let Some((first, _)) = all.insert(setting, (path.to_owned(), records)) {
            return Err(Failure::Input(format!(
                "--screening names {} and {} for the same arms: write SETTING=FILE",
                first.display(),
                path.display()
            )));
        }
    }
    Ok(all)
}

/// What the finished runs of a sweep did screen before they were trained, by whomever: each row under each prompt once.
fn of_sweep(dir: &Path) -> Result<Vec<ScreenRecord>, Failure> {
    let sweep = Sweep::open(dir).map_err(Failure::input)?;
    let (mut records, mut seen) = (Vec::new(), BTreeSet::new());
    for run in sweep.runs().iter().filter(|run| run.done) {
        let path = run.dir.join(ScreenRecord::FILE);
        let table: Vec<ScreenRecord> = if path.exists() { read(&path).map_err(Failure::input)? } else { Vec::new() };
        // Arms of one prompt screen the same rows.
        let row = |record: &ScreenRecord| {
            [&record.prompt, &record.turn, &record.request, &record.item, &record.action].map(String::clone)
        };
        records.extend(table.into_iter().filter(|record| seen.insert((run.seed, row(record)))));
    }
    match records.is_empty() {
        true => {
            let problem = "no finished run of it was screened: its spec should say `screen = true`";
            Err(Failure::Input(format!("--screening {}: {problem}", dir.display())))
        }
        false => Ok(records),
    }
}

/// What was screened of every arm's prompt, the prompts of a setting as screened together; none without a screening.
fn placed(
    table: &Path,
    arms: &[ExternalArm],
    screenings: &BTreeMap<String, Screened>,
) -> Result<Vec<Option<Placed>>, Failure> {
    let mut placed = vec![None; arms.len()];
    for setting in settings(arms) {
        let Some((path, records)) = screenings.get(setting).or_else(|| screenings.get("")) else { continue };
        let of_setting: Vec<(usize, &ExternalArm)> =
            arms.iter().enumerate().filter(|(_, arm)| arm.setting == setting).collect();
        let named = |name: &str| of_setting.iter().any(|(_, arm)| arm.prompt == name);
        let mut prompts: Vec<CandidatePrompt> = Vec::new();
        let records: Vec<ScreenRecord> = records.iter().filter(|record| named(&record.prompt)).cloned().collect();
        for record in &records {
            if prompts.iter().all(|prompt| prompt.name != record.prompt) {
                prompts.push(CandidatePrompt::new(&*record.prompt));
            }
        }
        let ranked = summarise(&Screening { prompts, records }, Aim::Selectivity);
        for (at, arm) in of_setting {
            let problem = |what: String, remedy: &str| {
                Failure::Input(format!("{}, line {}: {what} {}; {remedy}", table.display(), arm.line, path.display()))
            };
            let summary = ranked.iter().find(|summary| summary.prompt.name == arm.prompt);
            let places = &summary
                .ok_or_else(|| {
                    let remedy = "screen it too, or call it as the screening does";
                    problem(format!("the prompt `{}` is not in the screening", arm.prompt), remedy)
                })?
                .placed;
            let place = match (arm.turn, places.as_slice()) {
                (None, [only]) => Some(only),
                (None, _) => {
                    let remedy = "add a column `turn` that says system or user";
                    return Err(problem(format!("the prompt `{}` stands in both turns in", arm.prompt), remedy));
                }
                (Some(turn), places) => places.iter().find(|place| place.turn == turn),
            };
            let place = place.ok_or_else(|| {
                let turn = arm.turn.map(|turn| turn.to_string()).unwrap_or_default();
                problem(
                    format!("the prompt `{}` is not in the {turn} turn of", arm.prompt),
                    "screen it there with --turn both",
                )
            })?;
            placed[at] = Some(place.clone());
        }
    }
    Ok(placed)
}

fn print(arms: &[ExternalArm], outcomes: &[OutcomeResult], screened: bool, view: &ViewArgs) -> Result<(), Failure> {
    let settings = settings(arms).len();
    prose(&format!(
        "{} in {}; rank correlations within settings with 95 % intervals over settings and prompts, none over fewer than three settings for what was held out",
        counted(arms.len(), "arm"),
        counted(settings, "setting")
    ));
    for (at, outcome) in outcomes.iter().enumerate() {
        data("");
        data(&format!("{} ({})", outcome.name, counted(outcome.arms, "arm")));
        let mut table = columns(at + 1 == outcomes.len());
        for result in &outcome.predictors {
            let behind = match result.behind {
                None => "best".to_owned(),
                Some(behind) => format!("{}{}", with_ends(behind), if apart(result) { "" } else { " =" }),
            };
            table.line([
                result.name.clone(),
                or_dash(result.held_out, with_ends),
                behind,
                or_dash(result.within, with_ends),
            ]);
        }
        table.print(view)?;
        prose(&sentence(outcome, screened));
    }
    Ok(())
}

/// The columns; what they mean is said once.
fn columns(are_explained: bool) -> TextTable {
    let meaning =
        |column: TextColumn, meaning: &'static str| if are_explained { column.meaning(meaning) } else { column };
    TextTable::new([
        TextColumn::text("predictor"),
        meaning(
            TextColumn::number("held out"),
            "correlation of what the other settings predict with the outcome, mean over settings",
        ),
        meaning(
            TextColumn::number("behind"),
            "the best one's correlation less this one's; = where the interval holds 0, so that the two cannot be told apart",
        ),
        meaning(
            TextColumn::number("within"),
            "correlation of a predictor as it is with the outcome, mean over settings",
        ),
    ])
}

/// Whether the best predictor can be told from this one.
fn apart(result: &PredictorResult) -> bool {
    result.behind.is_some_and(|behind| behind.has_interval() && behind.low > 0.0)
}

/// Which predictor to go by.
fn sentence(outcome: &OutcomeResult, screened: bool) -> String {
    let Some(first) = outcome.predictors.first() else { return "No predictor has values for these arms.".to_owned() };
    let alike: Vec<&str> =
        outcome.predictors[1..].iter().filter(|result| !apart(result)).map(|result| result.name.as_str()).collect();
    let alike = match alike.as_slice() {
        [] => String::new(),
        names => format!(" Not told from it: {}.", names.join(", ")),
    };
    let best = match first.held_out {
        None => format!(
            "`{}` goes best with it here, but no other setting has it: nothing was held out, so nothing can be told of whether it predicts.",
            first.name
        ),
        Some(correlation) if !correlation.has_interval() => format!(
            "`{}` is first, but without an interval (fewer than three settings have it, or all say the same): nothing can be told of whether it predicts.",
            first.name
        ),
        Some(correlation) if correlation.low > 0.0 => format!("Go by `{}`.", first.name),
        Some(correlation) if correlation.high < 0.0 => {
            format!("`{}` is first, but what one setting says of it is the wrong way round in the others.", first.name)
        }
        Some(_) => format!("`{}` is first, but not told from no correlation.", first.name),
    };
    let picked = outcome.picked.map_or_else(String::new, |picked| {
        format!(" Picking by the other settings gives {} within the one left out.", with_ends(picked))
    });
    let without = if screened { "" } else { " titer's own are not among them: --screening adds them." };
    format!("{best}{alike}{picked}{without}")
}

fn json_of(outcome: &OutcomeResult) -> Value {
    let value = |estimate: Option<Estimate>| estimate.map_or(Value::Null, interval);
    let predictor = |result: &PredictorResult| {
        json!({
            "name": result.name, "own": result.from_table, "within": value(result.within),
            "held_out": value(result.held_out), "behind": value(result.behind),
        })
    };
    json!({
        "name": outcome.name, "arms": outcome.arms, "picked": value(outcome.picked),
        "predictors": outcome.predictors.iter().map(predictor).collect::<Vec<_>>(),
    })
}
