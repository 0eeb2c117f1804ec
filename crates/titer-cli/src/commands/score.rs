//! `titer score`

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
};

use serde_json::{Value, json};
use titer::{files::write_whole, stats::Rate};
use titer_data::{
    chat::Row,
    formats::read_rows,
    keys::{EVERY_ROW, value},
    score::{JudgementColumns, Judgements, PatternFields, Scorer, rule},
    template::TemplateOptions,
};
use titer_engine::{
    endpoint::Drawer,
    sampled::{Asked, FINISH},
};

use super::{
    drawing::{Speaker, can_be_drawn, counted, rendered_there, sentence, write},
    outputs::{LINES, endings, fresh},
    subjects::{endpoint_options, not_there, open_here, unasked},
};
use crate::{
    args::{Listed, ScoreArgs},
    printer::{Failure, data, prose, talk, verbatim},
    text_table::{TextColumn, TextTable},
};

/// Scores the replies of a file and prints their rates, by group.
pub(crate) fn score(args: &ScoreArgs) -> Result<(), Failure> {
    columns(args).knows(&args.view)?;
    let (out, replies) = (args.out.as_ref(), args.drawing.replies.as_ref());
    fresh([("--out", out), ("--replies", replies)])?;
    endings([(out, &LINES[..]), (replies, &LINES[..])])?;
    let rules = rules(args)?;
    let verdicts = args.verdicts.columns(Listed::texts(&args.key).cloned().collect())?;
    let mut all = read_rows(&args.file).map_err(Failure::input)?;
    let only = args.only.iter().map(|(key, _)| ("--where", key));
    let named = Listed::texts(&args.by).map(|key| ("--by", key)).chain([("--cluster", &args.cluster)]).chain(only);
    named
        .chain(Listed::texts(&args.key).map(|key| ("--key", key)))
        .map(|(option, key)| (option, key.as_str()))
        .chain(rules.iter().filter_map(|rule| Some(("--rule", rule.key()?))))
        .try_for_each(|(option, key)| known(args, &all, option, key))?;
    if args.drawing.sample == 0 {
        nobody_replies(args)?;
    } else {
        let chosen = chosen(args, &all)?.into_iter().cloned().collect::<Vec<_>>();
        match replied(args, &chosen)? {
            Some(rows) => all = rows,
            None => return Ok(()),
        }
    }
    let scorers = rules.into_iter().chain(judges(args, &verdicts, &all)?).collect::<Vec<_>>();
    // What is drawn was chosen before.
    let rows = if args.drawing.sample > 0 { all.iter().collect() } else { chosen(args, &all)? };
    let mut groups: BTreeMap<Vec<String>, Vec<&Row>> = BTreeMap::new();
    for row in rows {
        groups.entry(Listed::texts(&args.by).map(|key| value(row, key)).collect()).or_default().push(row);
    }
    let mut lines = Vec::new();
    let mut written = String::new();
    for (group, rows) in &groups {
        for scorer in &scorers {
            let group = Listed::texts(&args.by).cloned().zip(group.iter().cloned()).collect();
            lines.push(Line::of(group, &**scorer, rows, args, &mut written));
        }
    }
    if lines.iter().all(|line| line.rate.is_none()) {
        return Err(nothing_scored(args, &lines));
    }
    if let Some(out) = &args.out {
        write_whole(out, written.as_bytes()).map_err(Failure::work)?;
        talk(&format!("scores of every reply in {}", out.display()));
    }
    if args.json {
        lines.iter().for_each(|line| verbatim(&line.json().to_string()));
    } else {
        print_table(args, &lines)?;
    }
    Ok(())
}

/// No reply has a score, with the commonest reason.
fn nothing_scored(args: &ScoreArgs, lines: &[Line]) -> Failure {
    let mut reasons: BTreeMap<&str, usize> = BTreeMap::new();
    for (reason, count) in lines.iter().flat_map(|line| &line.unscored) {
        *reasons.entry(reason).or_default() += count;
    }
    let first = reasons.iter().max_by_key(|(_, count)| **count);
    let why = first.map(|(reason, count)| format!(": {count} not scored: {reason}")).unwrap_or_default();
    Failure::Input(format!("{}: no reply has a score{why}", args.file.display()))
}

/// The rules that were asked for, in order.
fn rules(args: &ScoreArgs) -> Result<Vec<Box<dyn Scorer>>, Failure> {
    if args.rule.is_empty() && args.judgements.is_empty() {
        return Err(Failure::input("nothing to score by: name a --rule or a file of --judgements"));
    }
    let patterns: BTreeMap<String, PatternFields> = match &args.rules {
        None => BTreeMap::new(),
        Some(path) => {
            let text = fs_err::read_to_string(path).map_err(Failure::input)?;
            titer::spec::parse_toml(&text, path).map_err(Failure::input)?
        }
    };
    args.rule.iter().map(|text| rule(text, &patterns).map_err(Failure::input)).collect()
}

/// The judgements that were named, of these rows.
fn judges(args: &ScoreArgs, columns: &JudgementColumns, rows: &[Row]) -> Result<Vec<Box<dyn Scorer>>, Failure> {
    let judge = |path: &PathBuf| -> Result<Box<dyn Scorer>, Failure> {
        Ok(Box::new(Judgements::read(path, columns, rows).map_err(Failure::input)?))
    };
    args.judgements.iter().map(judge).collect()
}

/// Refuses options about who replies where nothing is drawn.
fn nobody_replies(args: &ScoreArgs) -> Result<(), Failure> {
    let given = [
        (args.endpoint.endpoint.is_some(), "--endpoint"),
        (args.compute.compute.is_some(), "--compute"),
        (args.compute.device.is_some(), "--device"),
        (args.template.options() != TemplateOptions::default(), "an option of the chat template"),
    ];
    match given.into_iter().find(|(given, _)| *given) {
        Some((_, option)) => Err(Failure::Input(format!(
            "{option} is for replies that are drawn: say how many with --sample, or leave it out"
        ))),
        None => Ok(()),
    }
}

/// Replies to the chats of these rows, each with what its row says besides; `None` where it is only told what that would cost.
fn replied(args: &ScoreArgs, rows: &[Row]) -> Result<Option<Vec<Row>>, Failure> {
    can_be_drawn(&args.drawing)?;
    if let Some(row) = rows.iter().find(|row| row.split().0.is_empty()) {
        let problem = format!("row `{}` has no turn before its reply, so there is nothing to reply to", row.id);
        return Err(Failure::Input(format!("{}: {problem}", args.file.display())));
    }
    let asked: Vec<Asked> = rows
        .iter()
        .map(|row| {
            let (context, variables) = (row.split().0.to_vec(), row.variables.clone());
            Asked { id: row.id.clone(), context, variables }
        })
        .collect();
    let wanted = args.drawing.of(args.seed);
    let template = args.template.options();
    let here;
    let speaker = match (&args.model, &args.endpoint.endpoint) {
        (_, Some(url)) => {
            not_there(args.adapter.as_deref(), &args.compute)?;
            rendered_there(template.date.is_some())?;
            let drawer = Drawer::new(endpoint_options(url, &args.endpoint)?, template).map_err(unasked)?;
            if args.endpoint.dry_run {
                let spending = drawer.spending(&asked, &wanted);
                if args.json {
                    verbatim(&counted(spending).to_string())
                } else {
                    data(&sentence(spending))
                }
                return Ok(None);
            }
            Speaker::There(Box::new(drawer))
        }
        (Some(model), None) => {
            here = open_here((model, args.seed), &args.compute, &template, args.adapter.as_deref())?;
            Speaker::Here(here.first())
        }
        (None, None) => {
            let problem =
                "--sample: nobody is there to reply: name a --model, or a server with --endpoint and --served";
            return Err(Failure::input(problem));
        }
    };
    // How replies end is seen by any text that the model reads.
    let like = &asked[0].context.last().expect("a chat has a turn").content;
    let mut drawn = speaker.drawn(&asked, like, &wanted)?;
    for (at, reply) in drawn.iter_mut().enumerate() {
        let row = &rows[at / wanted.count];
        reply.cell = row.cell;
        let finish = std::mem::replace(&mut reply.metadata, row.metadata.clone());
        reply.metadata.extend(finish);
    }
    write(&drawn, &args.drawing)?;
    Ok(Some(drawn))
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
fn known(args: &ScoreArgs, rows: &[Row], option: &str, key: &str) -> Result<(), Failure> {
    let comes_with_replies = args.drawing.sample > 0 && key == FINISH;
    let has = |row: &Row| row.metadata.contains_key(key) || !value(row, key).is_empty();
    if comes_with_replies || EVERY_ROW.contains(&key) || rows.iter().any(has) {
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
            Listed::texts(&args.key).for_each(|key| line[key] = value(row, key).into());
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
        let group = Listed::texts(&args.by).map(|key| line.group[key].clone()).collect::<Vec<_>>().join(" ");
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
