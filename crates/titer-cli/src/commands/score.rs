//! `titer score`

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use titer::stats::Rate;
use titer_data::{
    chat::Row,
    formats::read_rows,
    keys::{EVERY_ROW, value},
    score::{Judgements, PatternFields, Scorer, rule},
};

use super::outputs::fresh;
use crate::{
    args::ScoreArgs,
    printer::{Failure, data, prose, talk},
    text_table::{TextColumn, TextTable},
};

/// Scores the replies of a file and prints their rates, by group.
pub(crate) fn score(args: &ScoreArgs) -> Result<(), Failure> {
    columns(args).knows(&args.view)?;
    let all = read_rows(&args.file).map_err(Failure::input)?;
    let only = args.only.iter().map(|(key, _)| ("--where", key));
    let named = args.by.iter().map(|key| ("--by", key)).chain([("--cluster", &args.cluster)]).chain(only);
    named
        .chain(args.key.iter().map(|key| ("--key", key)))
        .try_for_each(|(option, key)| known(args, &all, option, key))?;
    let scorers = scorers(args, &all)?;
    let rows = chosen(args, &all)?;
    let mut groups: BTreeMap<Vec<String>, Vec<&Row>> = BTreeMap::new();
    for row in rows {
        groups.entry(args.by.iter().map(|key| value(row, key)).collect()).or_default().push(row);
    }
    let mut lines = Vec::new();
    let mut written = String::new();
    for (group, rows) in &groups {
        for scorer in &scorers {
            let group = args.by.iter().cloned().zip(group.iter().cloned()).collect();
            lines.push(Line::of(group, &**scorer, rows, args, &mut written));
        }
    }
    if let Some(out) = &args.out {
        fs_err::write(out, written).map_err(Failure::work)?;
        talk(&format!("scores of every reply in {}", out.display()));
    }
    if args.json {
        lines.iter().for_each(|line| data(&line.json().to_string()));
    } else {
        print_table(args, &lines)?;
    }
    Ok(())
}

/// What was asked for, in order.
fn scorers(args: &ScoreArgs, rows: &[Row]) -> Result<Vec<Box<dyn Scorer>>, Failure> {
    fresh([("--out", args.out.as_ref())])?;
    let patterns: BTreeMap<String, PatternFields> = match &args.rules {
        None => BTreeMap::new(),
        Some(path) => {
            let text = fs_err::read_to_string(path).map_err(Failure::input)?;
            titer::spec::parse_toml(&text, path).map_err(Failure::input)?
        }
    };
    let mut scorers = Vec::new();
    for text in &args.rule {
        scorers.push(rule(text, &patterns).map_err(Failure::input)?);
    }
    let columns = args.verdicts.columns(args.key.clone());
    for path in &args.judgements {
        scorers.push(Box::new(Judgements::read(path, &columns, rows).map_err(Failure::input)?) as _);
    }
    match scorers.is_empty() {
        true => Err(Failure::input("nothing to score by: name a --rule or a file of --judgements")),
        false => Ok(scorers),
    }
}

/// The rows that `--where` names.
fn chosen<'a>(args: &ScoreArgs, rows: &'a [Row]) -> Result<Vec<&'a Row>, Failure> {
    let fits = |row: &&Row| args.only.iter().all(|(key, wanted)| value(row, key) == *wanted);
    let chosen: Vec<&Row> = rows.iter().filter(fits).collect();
    match chosen.is_empty() {
        true => Err(Failure::Input(format!("{}: no row is what --where asks for", args.file.display()))),
        false => Ok(chosen),
    }
}

/// Fails where no row has such a key: a group or a cluster of everything would look like an answer.
fn known(args: &ScoreArgs, rows: &[Row], option: &str, key: &String) -> Result<(), Failure> {
    if EVERY_ROW.contains(&key.as_str()) || rows.iter().any(|row| row.metadata.contains_key(key)) {
        return Ok(());
    }
    let keys: BTreeSet<&str> = rows.iter().flat_map(|row| row.metadata.keys()).map(String::as_str).collect();
    let there_are: Vec<&str> = EVERY_ROW.into_iter().chain(keys).collect();
    let problem = format!("{option}: no row has `{key}`; there are {}", there_are.join(", "));
    Err(Failure::Input(format!("{}: {problem}", args.file.display())))
}

/// One scorer on one group.
struct Line {
    group: BTreeMap<String, String>,
    scorer: String,
    rate: Option<Rate>,
    unscored: BTreeMap<String, usize>,
}

impl Line {
    /// Scores `rows`; a line of JSON for each goes to `written`.
    fn of(
        group: BTreeMap<String, String>,
        scorer: &dyn Scorer,
        rows: &[&Row],
        args: &ScoreArgs,
        written: &mut String,
    ) -> Self {
        let mut unscored = BTreeMap::new();
        let mut scores = Vec::new();
        for row in rows {
            let (score, reason) = match scorer.score(row) {
                Ok(score) => {
                    scores.push((value(row, &args.cluster), score));
                    (Some(score), None)
                }
                Err(reason) => {
                    *unscored.entry(reason.to_string()).or_default() += 1;
                    (None, Some(reason.to_string()))
                }
            };
            let mut line = json!({ "id": row.id, "rule": scorer.name(), "score": score, "reason": reason });
            args.key.iter().for_each(|key| line[key] = value(row, key).into());
            *written += &format!("{line}\n");
        }
        let rate = Rate::of(scores.iter().map(|(cluster, score)| (cluster.as_str(), *score)));
        Self { group, scorer: scorer.name().to_owned(), rate, unscored }
    }

    fn json(&self) -> Value {
        let mut line = json!({ "group": self.group, "rule": self.scorer, "unscored": self.unscored });
        if let Some(rate) = &self.rate {
            line["rate"] = rate.rate.into();
            line["low"] = rate.low.into();
            line["high"] = rate.high.into();
            line["n"] = rate.n.into();
            line["clusters"] = rate.clusters.into();
            line["interval"] = rate.method.to_string().into();
        }
        line
    }
}

fn print_table(args: &ScoreArgs, lines: &[Line]) -> Result<(), Failure> {
    let mut table = columns(args);
    for line in lines {
        let numbers = match &line.rate {
            Some(rate) => [
                format!("{:.4}", rate.rate),
                format!("{:.4} to {:.4}", rate.low, rate.high),
                rate.n.to_string(),
                rate.clusters.to_string(),
            ],
            None => ["–", "–", "0", "0"].map(str::to_owned),
        };
        let group = args.by.iter().map(|key| line.group[key].clone()).collect::<Vec<_>>().join(" ");
        let group = (!args.by.is_empty()).then_some(group);
        table.line(group.into_iter().chain([line.scorer.clone()]).chain(numbers));
        for (reason, count) in &line.unscored {
            table.note(format!("{count} not scored: {reason}"));
        }
    }
    table.print(&args.view)?;
    let methods: BTreeSet<String> = lines.iter().filter_map(|line| Some(line.rate?.method.to_string())).collect();
    let methods: Vec<String> = methods.into_iter().collect();
    prose(&format!("intervals: {}; clusters are rows of one {}", methods.join(" or "), args.cluster));
    Ok(())
}

/// The columns, without lines.
fn columns(args: &ScoreArgs) -> TextTable {
    let group = (!args.by.is_empty()).then(|| TextColumn::text("group"));
    let numbers = ["rate", "95 % interval", "n", "clusters"].map(TextColumn::number);
    TextTable::new(group.into_iter().chain([TextColumn::text("rule")]).chain(numbers))
}
