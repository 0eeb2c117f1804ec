//! Whether a row is rendered for training as its context and reply are for probing.

use titer_data::{
    chat::{Chat, Role, Row},
    probe::{Contrast, Side},
    tokenize::{EncodedContrast, TokenizeError, encode_contrast},
};

use super::Check;
use crate::{model::Model, rows::PackedRows};

/// Whether a row ends with a reply that is text alone, as those of probes are.
fn ends_with_text(row: &Row) -> bool {
    row.messages.last().is_some_and(|message| message.role == Role::Assistant) && row.reply_fields().next().is_none()
}

/// The last reply of a row and its context, as a probe has them.
fn as_probe(model: &Model, row: &Row) -> Result<EncodedContrast, TokenizeError> {
    let (context, reply) = row.split();
    let replies = vec![(Side::Plus, reply.to_owned())];
    let contrast = Contrast {
        id: row.id.clone(),
        context: context.to_vec(),
        replies,
        baseline: None,
        variables: row.variables.clone(),
    };
    encode_contrast(&model.template, &model.tokenizer, &contrast)
}

/// Whether a row's tokens are those of a probe.
pub(super) fn round_trip(model: &Model, rows: &[Row], encoded: &PackedRows) -> Check {
    const NAME: &str = "template round trip";
    let mut problem = None;
    let mut kept = 0;
    let comparable = || rows.iter().zip(encoded.iter()).filter(|(row, _)| ends_with_text(row));
    for (row, known) in comparable() {
        match as_probe(model, row) {
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
    let kept_of = format!(
        "{kept} of {} rows have the same tokens in training and in a probe, up to the reply's end",
        comparable().count()
    );
    let check = match problem {
        None => Check::pass(NAME, kept_of),
        Some(problem) => Check::fail(
            NAME,
            format!("{kept_of}; {problem}"),
            "make the template print a chat with a generation prompt as the beginning of the whole chat",
        ),
    };
    check.with_number(kept as f64)
}

/// Whether what is trained begins where the model begins to write.
pub(super) fn reply_start(model: &Model, rows: &[Row]) -> Check {
    const NAME: &str = "start of the reply";
    let rendered = rows.iter().filter(|row| ends_with_text(row)).filter_map(|row| {
        let whole = model.template.render_row(row).ok()?;
        let prompt = model.template.text(Chat { messages: row.split().0, ..row.chat() }, true).ok()?;
        let start = whole.spans.last()?.start;
        Some((whole.text, prompt, start))
    });
    let (with_prompt, without): (Vec<_>, Vec<_>) =
        rendered.partition(|(whole, prompt, _)| whole.starts_with(prompt.as_str()));
    // As the templates of models that always think have it.
    if let Some((_, prompt, start)) = without.first() {
        let added = prompt.get(*start..).unwrap_or(prompt);
        return Check::note(
            NAME,
            format!(
                "the generation prompt ends with {added:?}, which {} of {} rows have not",
                without.len(),
                rows.len()
            ),
            "what such rows are trained and scored on follows what both share: sample without it too, or let the template print it",
        );
    }
    let ahead = with_prompt.iter().filter_map(|(whole, prompt, start)| whole.get(*start..prompt.len()));
    let ahead: Vec<&str> = ahead.filter(|ahead| !ahead.is_empty()).collect();
    match ahead.first() {
        None => Check::pass(NAME, "nothing in front of a reply is trained"),
        Some(text) => Check::note(
            NAME,
            format!("{} of {} rows train text in front of the reply, such as {text:?}", ahead.len(), rows.len()),
            "nobody samples it, and it shares the loss: move the template's `{% generation %}` behind it",
        ),
    }
}
