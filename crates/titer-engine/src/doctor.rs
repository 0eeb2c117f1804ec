//! Whether what titer assumes holds on a model and its data, measured: `titer doctor`.

use std::collections::BTreeSet;

use titer::stats::{Estimate, Support};
use titer_data::{
    chat::{Message, Role, Row},
    probe::{Component, Contrast, Side},
    source::Source,
    tokenize::encode_contrast,
};
use titer_model::passes::{reply_log_probs, score};

use crate::{
    model::{Files, Model, ModelError},
    probe::{Moment, Probes},
    rows::pack,
    rows::{NamedRow, PackedRows, RowsError},
};

/// How a check came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CheckOutcome {
    /// What is assumed holds.
    Pass,
    /// It is worth knowing, and titer's numbers stay right.
    Note,
    /// Numbers or training would be wrong.
    Fail,
}

impl CheckOutcome {
    /// The word for it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Note => "note",
            Self::Fail => "FAIL",
        }
    }
}

/// One assumption, measured.
#[derive(Clone, Debug, PartialEq)]
pub struct Check {
    /// What is assumed.
    pub name: &'static str,
    /// Whether it holds.
    pub verdict: CheckOutcome,
    /// What was measured, where that is a number; its unit is in `finding`.
    pub number: Option<f64>,
    /// What was found, in a sentence.
    pub finding: String,
    /// What to do where it does not hold; empty where it does.
    pub remedy: &'static str,
}

/// Why nothing could be measured.
#[derive(Debug, thiserror::Error)]
pub enum DoctorError {
    /// The model cannot be used.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// The rows or contrasts cannot.
    #[error(transparent)]
    Rows(#[from] RowsError),
}

/// Nats by which a reply may differ for the company that it is computed in.
const BATCHING: f64 = 1e-3;
/// Nats a token by which f32 may differ from f64.
const PRECISION: f64 = 1e-3;

/// Chats for a model that comes without any.
pub fn plain_chats() -> Vec<Row> {
    let chat = |at: usize, (request, reply): (&str, &str)| {
        let turn = |role, content: &str| Message { role, content: content.to_owned() };
        Row::new(format!("example {}", at + 1), vec![turn(Role::User, request), turn(Role::Assistant, reply)])
    };
    let chats =
        [("What is two and two?", "Four."), ("Name a colour.", "Blue, for example."), ("Thanks!", "You are welcome.")];
    chats.into_iter().enumerate().map(|(at, texts)| chat(at, texts)).collect()
}

/// Measures every assumption on at most `items` of `rows`, and prompt following on contrasts where there is a source of
/// them.
///
/// # Errors
/// Where the model cannot be read in f64, or a contrast cannot be encoded. Rows that cannot be encoded are a finding.
pub fn examine(
    files: &Files,
    model: &Model,
    rows: &[Row],
    source: Option<&Source>,
    seed: u64,
    items: usize,
) -> Result<Vec<Check>, DoctorError> {
    let rows = &rows[..rows.len().min(items)];
    let mut checks = vec![system_prompts(model, rows), injected(model, rows)];
    match PackedRows::encode(model, rows) {
        Err(error) => checks.push(Check {
            name: "template round trip",
            verdict: CheckOutcome::Fail,
            number: None,
            finding: format!("a row cannot be encoded: {error}"),
            remedy: "mend the row or the template as it says; the checks of rows were left out",
        }),
        Ok(encoded) => {
            checks.push(round_trip(model, rows, &encoded));
            checks.push(stop_token(files, model, &encoded));
            checks.push(batching(model, &encoded));
            checks.push(precision(files, model, &encoded)?);
        }
    }
    if let Some(source) = source {
        checks.extend(prompt_following(model, source, seed, items)?);
    }
    Ok(checks)
}

fn check(name: &'static str, passes: bool, otherwise: CheckOutcome, finding: String, remedy: &'static str) -> Check {
    let (verdict, remedy) = if passes { (CheckOutcome::Pass, "") } else { (otherwise, remedy) };
    Check { name, verdict, number: None, finding, remedy }
}

/// Whether the template takes a system prompt.
fn system_prompts(model: &Model, rows: &[Row]) -> Check {
    let turn = |role, content: &str| Message { role, content: content.to_owned() };
    let chat = [turn(Role::System, "a"), turn(Role::User, "b"), turn(Role::Assistant, "c")];
    let refused = model.template.render(&chat, false).err();
    let with = rows.iter().filter(|row| row.messages.iter().any(|message| message.role == Role::System)).count();
    let finding = match &refused {
        None => "the template takes system prompts".to_owned(),
        Some(error) => {
            format!("{with} of {} rows have a system prompt, and the template refuses it: {error}", rows.len())
        }
    };
    let otherwise = if with > 0 { CheckOutcome::Fail } else { CheckOutcome::Note };
    let remedy = "put system prompts at the start of the first user turn with --system-in-user (`system_in_user = true` in a spec)";
    check("system prompts", refused.is_none(), otherwise, finding, remedy)
}

/// Whether the template adds a system prompt of its own.
fn injected(model: &Model, rows: &[Row]) -> Check {
    let injected = model.template.injected_system();
    let without = rows.iter().filter(|row| row.messages.iter().all(|message| message.role != Role::System)).count();
    let finding = match &injected {
        None => "the template adds no system prompt of its own".to_owned(),
        Some(text) => {
            format!(
                "chats without a system prompt get one from the template, as {without} of {} rows do: {text:?}",
                rows.len()
            )
        }
    };
    let remedy = "call such rows `neutral`, not `none`: the model sees that prompt in training and in use";
    check("default system prompt", injected.is_none(), CheckOutcome::Note, finding, remedy)
}

/// Whether a row is rendered for training as its context and reply are for probing.
fn round_trip(model: &Model, rows: &[Row], encoded: &PackedRows) -> Check {
    let mut problem = None;
    let mut kept = 0;
    for (row, known) in rows.iter().zip(encoded.iter()) {
        let (context, reply) = row.split();
        let replies = vec![(Side::Plus, reply.to_owned())];
        let contrast = Contrast { id: row.id.clone(), context: context.to_vec(), replies, baseline: None };
        match encode_contrast(&model.template, &model.tokenizer, &contrast) {
            Ok(probe) => {
                let tokens = [probe.context.as_slice(), probe.replies[0].1.as_slice()].concat();
                if known.encoded.tokens.starts_with(&tokens) {
                    kept += 1;
                } else {
                    problem.get_or_insert(format!("`{}` has other tokens", row.id));
                }
            }
            Err(error) => {
                problem.get_or_insert(error.to_string());
            }
        }
    }
    let why = problem.as_ref().map(|problem| format!("; {problem}")).unwrap_or_default();
    let finding = format!(
        "{kept} of {} rows have the same tokens in training and in a probe, up to the reply's end{why}",
        rows.len()
    );
    let remedy = "make the template print a chat with a generation prompt as the beginning of the whole chat";
    Check {
        number: Some(kept as f64),
        ..check("template round trip", problem.is_none(), CheckOutcome::Fail, finding, remedy)
    }
}

/// Whether the last trained token is one that ends generation.
fn stop_token(files: &Files, model: &Model, rows: &PackedRows) -> Check {
    const NAME: &str = "stop token";
    let stops = match files.stop_tokens(&model.tokenizer) {
        Ok(stops) => stops,
        Err(error) => {
            return check(NAME, false, CheckOutcome::Fail, error.to_string(), "write the file again, as JSON");
        }
    };
    let shown = |tokens: &BTreeSet<u32>| {
        let words = tokens.iter().map(|&token| model.tokenizer.token(token).unwrap_or_else(|| token.to_string()));
        words.collect::<Vec<_>>().join(" ")
    };
    if stops.is_empty() {
        let finding =
            "neither config.json, generation_config.json nor tokenizer_config.json names a token that ends generation";
        return check(NAME, false, CheckOutcome::Note, finding.to_owned(), "name one, such as \"eos_token\"");
    }
    let last = |row: &NamedRow| {
        let trained = row.encoded.tokens.iter().zip(&row.encoded.trained).rev().find(|(_, trained)| **trained);
        trained.map(|(token, _)| *token)
    };
    let ends: Vec<u32> = rows.iter().filter_map(last).collect();
    let stopping = ends.iter().filter(|token| stops.contains(token)).count();
    let others: BTreeSet<u32> = ends.into_iter().filter(|token| !stops.contains(token)).collect();
    let also = if others.is_empty() { String::new() } else { format!("; others end with {}", shown(&others)) };
    let finding =
        format!("{stopping} of {} rows train a token that ends generation ({}){also}", rows.len(), shown(&stops));
    let remedy =
        "let the template's assistant turn end with that token inside what is trained, or the model learns no end";
    Check { number: Some(stopping as f64), ..check(NAME, others.is_empty(), CheckOutcome::Fail, finding, remedy) }
}

/// Whether a row's log-probability depends on the other rows of its batch.
fn batching(model: &Model, rows: &PackedRows) -> Check {
    let together = rows.log_probs(model);
    let alone = (0..rows.len()).map(|at| {
        let shards = rows.pack(model, &[at]);
        let scores = score(&model.decoder, &model.params, &shards);
        shards.iter().zip(scores).flat_map(|(packed, scores)| reply_log_probs(packed, &scores)).sum::<f64>()
    });
    let worst = together.iter().zip(alone).map(|(together, alone)| (together - alone).abs()).fold(0.0, f64::max);
    let finding =
        format!("a reply alone and in company of {} others differs by at most {worst:.1e} nats", rows.len() - 1);
    let passes = worst < BATCHING;
    let remedy = "report this: rows must not see each other";
    Check { number: Some(worst), ..check("batching", passes, CheckOutcome::Fail, finding, remedy) }
}

/// How far f32 is from f64.
fn precision(files: &Files, model: &Model, rows: &PackedRows) -> Result<Check, DoctorError> {
    let single: Vec<f64> = rows.log_probs(model);
    let (decoder, params) = files.open_in(titer_model::backend::Cpu::<f64>::new())?;
    let encoded: Vec<_> = rows.iter().map(|row| &row.encoded).collect();
    let shards = pack(&decoder, &encoded);
    let scores = score(&decoder, &params, &shards);
    let double = shards.iter().zip(scores).flat_map(|(packed, scores)| reply_log_probs(packed, &scores));
    let tokens = rows.iter().map(|row| row.targets() as f64);
    let per_token =
        single.iter().zip(double).zip(tokens).map(|((single, double), tokens)| (single - double).abs() / tokens);
    let worst = per_token.fold(0.0, f64::max);
    let finding = format!("f32 and f64 differ by at most {worst:.1e} nats a token of a reply");
    let remedy = "the weights are so large that f32 is not enough; look for values far from 1 in them";
    Ok(Check { number: Some(worst), ..check("precision", worst < PRECISION, CheckOutcome::Fail, finding, remedy) })
}

/// Margins of the contrasts: does the model follow bad prompts, and prompts at all?
fn prompt_following(model: &Model, source: &Source, seed: u64, items: usize) -> Result<Vec<Check>, RowsError> {
    let records = Probes::of_source(model, source, seed, items)?.measure(model, Moment { stage: "base", step: 0 });
    let of = |component: Component, gap: bool| {
        let own = records.iter().filter(|record| record.component == component.word());
        let values: Vec<f64> =
            own.map(|record| if gap { record.gap } else { record.margin }).filter(|value| value.is_finite()).collect();
        Estimate::over_items(&values, Support::Line)
    };
    let gap = of(Component::ObeyBad, true);
    let measured = [
        (
            "prefers good replies",
            "good",
            of(Component::Good, false),
            "an action that the model takes by itself needs no inoculation; this is the distance to learn",
        ),
        (
            "follows bad prompts",
            if gap.is_some() { "bad prompt less neutral one" } else { "bad prompt" },
            gap.or_else(|| of(Component::ObeyBad, false)),
            "a prompt that does not raise the bad action cannot inoculate against it: try others, or a larger model",
        ),
        (
            "follows prompts",
            "harmless instruction",
            of(Component::Obey, false),
            "what a run does to prompt following cannot be seen on a model that follows none",
        ),
    ];
    let checks = measured.into_iter().filter_map(|(name, what, estimate, remedy)| {
        let estimate = estimate?;
        let interval = match estimate.has_interval() {
            true => format!(" ({:.2} to {:.2})", estimate.low, estimate.high),
            false => String::new(),
        };
        let finding =
            format!("margin, {what}: {:+.2} nats a reply{interval}, {} contrasts", estimate.mean, estimate.n_items);
        let holds = estimate.mean > 0.0 && (!estimate.has_interval() || estimate.low > 0.0);
        Some(Check { number: Some(estimate.mean), ..check(name, holds, CheckOutcome::Note, finding, remedy) })
    });
    Ok(checks.collect())
}
