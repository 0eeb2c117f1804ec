//! `titer audit`

use std::{collections::BTreeMap, path::Path};

use serde_json::{Value, json};
use titer::{
    stats::{Estimate, Support},
    words::counted,
};
use titer_data::{
    audit::{Audit, GroupPair, RowGroup, matches},
    chat::{Message, Role, Row},
    formats::read_chat_file,
    source::read_labelled,
    template::TemplateOptions,
    tokenize::{Encoded, encode_row},
};
use titer_engine::{
    model::{Model, ModelCopies},
    rows::PackedRows,
    scoring::{Scoring, ScoringError},
};

use super::{
    data::{is_spec, of_spec},
    open::fetch,
    subjects::{Opened, behind_endpoint, on_device, unscored},
};
use crate::{
    args::{AuditArgs, ViewArgs},
    printer::{Failure, data, prose, talk, verbatim},
    progress::Bar,
    text_table::{TextColumn, TextTable},
};

/// From this size on, a difference of lengths is called one.
const LENGTH_EFFECT: f64 = 0.5;

/// Rows that are compared with others, by name.
type Groups<'a> = Vec<(String, Vec<&'a Row>)>;

/// Compares files of chats and the cells in them: what differs besides what should.
pub(crate) fn audit(args: &AuditArgs) -> Result<(), Failure> {
    columns().knows(&args.view)?;
    if args.model.is_none() && args.template.options() != TemplateOptions::default() {
        return Err(Failure::input("options of a chat template are for a model: name one with --model"));
    }
    if args.model.is_none() && args.endpoint.endpoint.is_some() {
        return Err(Failure::input(
            "an endpoint is sent tokens: name its model's tokenizer and chat template with --model",
        ));
    }
    if args.model.is_none() && (args.compute.compute.is_some() || args.compute.device.is_some()) {
        return Err(Failure::input("--compute and --device are for a model: name one with --model"));
    }
    let files = args.paths.iter().map(|path| Ok((path.as_path(), read(path)?))).collect::<Result<Vec<_>, Failure>>()?;
    let mut groups: Groups<'_> = Vec::new();
    for (path, rows) in &files {
        let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
        let mut cells: BTreeMap<String, Vec<&Row>> = BTreeMap::new();
        let mixture = is_mixture(rows);
        for row in rows {
            let group = match (row.cell, row.system_prompt().is_some()) {
                (Some(cell), _) => format!("{name} {cell}"),
                (None, true) if mixture => format!("{name} with a system prompt"),
                (None, false) if mixture => format!("{name} without one"),
                (None, _) => name.clone(),
            };
            cells.entry(group).or_default().push(row);
        }
        groups.extend(cells);
    }
    let on_model = match args.model.as_ref().map(|base| OnModel::of(base, args, &groups)).transpose() {
        Ok(on_model) => on_model,
        Err(Unmeasured::Failure(failure)) => return Err(failure),
        Err(Unmeasured::Scoring(error)) => return unscored(error, 0, args.json),
    };
    let audit = Audit::of(&groups);
    if args.json {
        print_json(&audit, on_model.as_ref());
    } else {
        print_groups(&audit.groups, &args.view)?;
        on_model.iter().for_each(|measured| prose(&measured.template));
        for (at, pair) in audit.pairs.iter().enumerate() {
            print_pair(pair, on_model.as_ref().and_then(|measured| measured.lifts[at]));
        }
    }
    Ok(())
}

/// The rows of a file, with warnings of what some have and others lack; or those that the rules of a spec label.
fn read(path: &Path) -> Result<Vec<Row>, Failure> {
    if is_spec(path) {
        let files = of_spec(path)?;
        return read_labelled(&files.rows, &files.cells).map_err(Failure::input);
    }
    let file = read_chat_file(path).map_err(Failure::input)?;
    if let Some(error) = file.errors.first() {
        return Err(Failure::Input(format!("{}, {error}", path.display())));
    }
    talk(&format!("{}: {}", path.display(), file.format));
    let rows = file.rows;
    let warn = |problem: String| talk(&format!("warning: {}: {problem}", path.display()));
    let labelled = rows.iter().filter(|row| row.cell.is_some()).count();
    if labelled > 0 && labelled < rows.len() {
        warn(format!(
            "{labelled} of {} rows have a `cell`: commands that train or screen need one in every row",
            rows.len()
        ));
    }
    if is_mixture(&rows) {
        let prompted = rows.iter().filter(|row| row.system_prompt().is_some()).count();
        let remedy = "two groups below; where that was not meant, look for a mixture that nobody declared";
        warn(format!("{prompted} of {} rows without a `cell` have a system prompt: {remedy}", rows.len() - labelled));
    }
    two_minded(&rows).into_iter().for_each(warn);
    Ok(rows)
}

/// Whether of the rows without a cell some have a system prompt and others none.
fn is_mixture(rows: &[Row]) -> bool {
    let mut unlabelled = rows.iter().filter(|row| row.cell.is_none()).map(|row| row.system_prompt().is_some());
    let first = unlabelled.next();
    unlabelled.any(|has| Some(has) != first)
}

/// From this share of contexts on, several replies to one context may be two actions in one file.
const TWO_MINDED: f64 = 0.1;

/// What to say where rows without labels answer the same contexts in different ways: good and bad actions that nothing tells
/// apart, or several samples of one model.
fn two_minded(rows: &[Row]) -> Option<String> {
    let mut replies: BTreeMap<&[Message], (&str, &str)> = BTreeMap::new();
    let mut answered_twice: BTreeMap<&[Message], [&str; 2]> = BTreeMap::new();
    for row in rows.iter().filter(|row| row.cell.is_none()) {
        let (context, reply) = row.split();
        let &mut (first, id) = replies.entry(context).or_insert((reply, &row.id));
        if first != reply {
            answered_twice.entry(context).or_insert([id, &row.id]);
        }
    }
    let (twice, all) = (answered_twice.len(), replies.len());
    let [reply, other] = answered_twice.values().next().filter(|_| twice as f64 >= TWO_MINDED * all as f64)?;
    Some(format!(
        "{twice} of {all} contexts have several replies, such as `{reply}` and `{other}`: where these are good and bad actions, give \
         rows a `cell`, write rules for a spec's [data], or split the file"
    ))
}

/// What a model says about the groups.
struct OnModel {
    /// What its chat template adds to chats without a system prompt.
    template: String,
    injected: Option<String>,
    /// For every pair in its order: log-probability of equal replies in the second group's context less that in the
    /// first's, in nats; `None` where no matched rows have equal replies.
    lifts: Vec<Option<Estimate>>,
}

/// Why nothing can be said of a model.
enum Unmeasured {
    /// It, or a row, cannot be used.
    Failure(Failure),
    /// Replies could not be scored.
    Scoring(ScoringError),
}

impl From<Failure> for Unmeasured {
    fn from(failure: Failure) -> Self {
        Self::Failure(failure)
    }
}

impl OnModel {
    fn of(base: &str, args: &AuditArgs, groups: &Groups<'_>) -> Result<Self, Unmeasured> {
        let opened = open_model(args, base)?;
        let injected = opened.template().injected_system();
        let without: usize =
            groups.iter().flat_map(|(_, rows)| rows).filter(|row| row.system_prompt().is_none()).count();
        let template = match &injected {
            Some(text) => format!("the chat template gives the {without} rows without a system prompt one: {text:?}"),
            None => "the chat template adds no system prompt".to_owned(),
        };
        let log_probs = match opened.model() {
            Some(model) => log_probs_here(model, groups)?,
            None => log_probs_there(&opened, groups)?,
        };
        let pairs = (0..groups.len()).flat_map(|a| (a + 1..groups.len()).map(move |b| (a, b)));
        let lift = |(a, b): (usize, usize)| {
            let (first, second) = (&groups[a].1, &groups[b].1);
            let equal = |&(left, right): &(usize, usize)| first[left].split().1 == second[right].split().1;
            let matched = matches(first, second).pairs.into_iter().filter(equal);
            let lifts: Vec<f64> = matched.map(|(left, right)| log_probs[b][right] - log_probs[a][left]).collect();
            Estimate::over_items(&lifts, Support::Line)
        };
        Ok(Self { template, injected, lifts: pairs.map(lift).collect() })
    }
}

/// Who is asked.
fn open_model(args: &AuditArgs, base: &str) -> Result<Opened, Failure> {
    if let Some(url) = &args.endpoint.endpoint {
        if args.compute.compute.is_some() || args.compute.device.is_some() {
            return Err(Failure::input(
                "--compute and --device are for a model here, not for an endpoint: the server decides what it computes in and where",
            ));
        }
        return behind_endpoint(url, &args.endpoint, base, 0, &args.template.options());
    }
    fetch(base).map_err(Failure::input)?;
    let (compute, device) = args.compute.asked().or_default();
    let model = Model::open_for(base, 0, compute, device).map_err(Failure::input)?;
    let model = model.with_template_options(&args.template.options()).map_err(Failure::input)?;
    let copies = on_device(model.computing(compute, device).map(|model| ModelCopies::of(vec![model])))?;
    Ok(Opened::Here(Box::new(copies)))
}

/// The log-probabilities of what is trained of every row, by group, nats.
fn log_probs_here(model: &Model, groups: &Groups<'_>) -> Result<Vec<Vec<f64>>, Failure> {
    let bar = Bar::new(groups.len() as u64, "groups");
    let score = |(name, rows): &(String, Vec<&Row>)| {
        let rows: Vec<Row> = rows.iter().map(|row| (*row).clone()).collect();
        let encoded = PackedRows::encode(model, &rows).map_err(Failure::input)?;
        bar.advance(1, name);
        Ok(encoded.log_probs(model))
    };
    let log_probs = groups.iter().map(score).collect();
    bar.clear();
    log_probs
}

/// The same by an endpoint, which takes one reply behind one context.
fn log_probs_there(opened: &Opened, groups: &Groups<'_>) -> Result<Vec<Vec<f64>>, Unmeasured> {
    let asked = |scoring: &dyn Scoring| -> Result<Vec<f64>, ScoringError> {
        let mut encoded = Vec::new();
        for row in groups.iter().flat_map(|(_, rows)| rows) {
            encoded.push(cut(row, &encode_row(scoring.template(), scoring.tokenizer(), row)?));
        }
        let pairs: Vec<(&[u32], &[u32])> = encoded.iter().map(|(context, reply)| (&**context, &**reply)).collect();
        Ok(scoring.log_probs(&pairs)?)
    };
    if let Some(row) = groups.iter().flat_map(|(_, rows)| rows).find(|row| replies(row) > 1) {
        let problem =
            "has several replies, and an endpoint is asked for one: audit it on a model here, or leave it out";
        return Err(Failure::Input(format!("row `{}` {problem}", row.id)).into());
    }
    let all = opened.asked(asked).map_err(Unmeasured::Scoring)?;
    let mut all = all.into_iter();
    Ok(groups.iter().map(|(_, rows)| all.by_ref().take(rows.len()).collect()).collect())
}

/// How many replies of a row are trained.
fn replies(row: &Row) -> usize {
    let is_reply = |(at, message): &(usize, &Message)| message.role == Role::Assistant && !row.untrained.contains(at);
    row.messages.iter().enumerate().filter(is_reply).count()
}

/// The tokens of a row before what is trained, and those that are.
fn cut(row: &Row, encoded: &Encoded) -> (Vec<u32>, Vec<u32>) {
    let first = encoded.trained.iter().position(|&trained| trained).unwrap_or(0);
    let last = encoded.trained.iter().rposition(|&trained| trained).map_or(first, |last| last + 1);
    debug_assert!(encoded.trained[first..last].iter().all(|&trained| trained), "row `{}` has one reply", row.id);
    (encoded.tokens[..first].to_vec(), encoded.tokens[first..last].to_vec())
}

/// The columns of groups, without lines.
fn columns() -> TextTable {
    TextTable::new([
        TextColumn::text("group"),
        TextColumn::number("rows"),
        TextColumn::number("reply words").meaning("mean ± standard deviation"),
        TextColumn::number("with system"),
        TextColumn::number("prompts").meaning("different system prompts"),
        TextColumn::number("contradictory").meaning("contexts with several replies"),
        TextColumn::number("contexts").meaning("different ones"),
        TextColumn::number("context words"),
    ])
}

fn print_groups(groups: &[RowGroup], view: &ViewArgs) -> Result<(), Failure> {
    let mut table = columns();
    for group in groups {
        table.line([
            group.name.clone(),
            group.rows.to_string(),
            format!("{:.1} ± {:.1}", group.reply_words.mean, group.reply_words.deviation),
            group.with_system.to_string(),
            group.system_prompts.to_string(),
            group.contradictory_contexts.to_string(),
            group.contexts.to_string(),
            format!("{:.1} ± {:.1}", group.context_words.mean, group.context_words.deviation),
        ]);
    }
    table.print(view)
}

fn print_pair(pair: &GroupPair, lift: Option<Estimate>) {
    data("");
    prose(&format!("{} → {}", pair.names[0], pair.names[1]));
    let (matched, reply, context) = (pair.matched, pair.same_reply, pair.same_context);
    prose(&format!("  rows matched by request: {matched}; the same reply {reply}, the same context {context}"));
    if pair.clashing_ids > 0 {
        prose(&format!(
            "  ids that stand for different requests in the two: {}, so these are not matched by id",
            pair.clashing_ids
        ));
    }
    if !pair.added.is_empty() {
        let places: Vec<_> = pair.added.iter().map(|(place, count)| format!("{} {count}", place.word())).collect();
        prose(&format!("  the context differs at: {}", places.join(", ")));
    }
    prose(&format!("  contexts of the first that the second has too: {}", pair.shared_contexts));
    let size = pair.length_effect;
    let confound = if size.abs() >= LENGTH_EFFECT { ": length tells the groups apart" } else { "" };
    prose(&format!("  reply length, difference over its spread: {size:+.2}{confound}"));
    for (key, share) in &pair.telling {
        prose(&format!(
            "  metadata `{key}` tells the groups apart: it guesses {:.0} % of the rows right",
            100.0 * share
        ));
    }
    if let Some(lift) = lift {
        let Estimate { mean, low, high, n_items: n, .. } = lift;
        let ends = if lift.has_interval() { format!(" ({low:+.3} to {high:+.3})") } else { String::new() };
        prose(&format!("  lift of an equal reply's log-probability: {mean:+.3} nats{ends}, {}", counted(n, "row")));
    }
}

fn print_json(audit: &Audit, on_model: Option<&OnModel>) {
    let groups: Vec<_> = audit
        .groups
        .iter()
        .map(|group| {
            json!({
                "name": group.name, "rows": group.rows, "with_system": group.with_system,
                "system_prompts": group.system_prompts, "contexts": group.contexts,
                "contradictory_contexts": group.contradictory_contexts,
                "context_words": group.context_words.mean, "reply_words": group.reply_words.mean,
            })
        })
        .collect();
    let pair = |(at, pair): (usize, &GroupPair)| {
        let added: BTreeMap<_, _> = pair.added.iter().map(|(place, count)| (place.word(), count)).collect();
        let telling: BTreeMap<_, _> = pair.telling.iter().cloned().collect();
        let mut line = json!({
            "names": pair.names, "matched": pair.matched, "clashing_ids": pair.clashing_ids, "same_reply": pair.same_reply,
            "same_context": pair.same_context, "added": added, "shared_contexts": pair.shared_contexts,
            "length_effect": pair.length_effect, "telling_metadata": telling,
        });
        if let Some(lift) = on_model.and_then(|measured| measured.lifts[at]) {
            line["lift"] = json!({ "nats": lift.mean, "low": lift.low, "high": lift.high, "n": lift.n_items });
        }
        line
    };
    let pairs: Vec<Value> = audit.pairs.iter().enumerate().map(pair).collect();
    let mut document = json!({ "groups": groups, "pairs": pairs });
    if let Some(on_model) = on_model {
        document["injected_system_prompt"] = json!(on_model.injected);
    }
    verbatim(&document.to_string());
}
