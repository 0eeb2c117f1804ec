//! Whether a row is rendered for training as its context and reply are for probing.

use titer_data::{
    chat::Row,
    probe::{Contrast, Side},
    tokenize::{EncodedContrast, TokenizeError, encode_contrast},
};

use super::Check;
use crate::{model::Model, rows::PackedRows};

/// The last reply of a row and its context, as a probe has them.
fn as_probe(model: &Model, row: &Row) -> Result<EncodedContrast, TokenizeError> {
    let (context, reply) = row.split();
    let replies = vec![(Side::Plus, reply.to_owned())];
    let (id, variables) = (row.id.clone(), row.variables.clone());
    let contrast = Contrast { id, context: context.to_vec(), replies, baseline: None, variables };
    encode_contrast(&model.template, &model.tokenizer, &contrast)
}

/// Whether a row's tokens are those of a probe.
pub(super) fn round_trip(model: &Model, rows: &[Row], encoded: &PackedRows) -> Check {
    const NAME: &str = "template round trip";
    let mut problem = None;
    let mut kept = 0;
    for (row, known) in rows.iter().zip(encoded.iter()) {
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
    let kept_of =
        format!("{kept} of {} rows have the same tokens in training and in a probe, up to the reply's end", rows.len());
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
    let ahead = rows.iter().filter_map(|row| {
        let whole = model.template.render(&row.messages, false).ok()?;
        let context = model.template.render(row.split().0, true).ok()?.text.len();
        let span = whole.spans.last()?;
        whole.text.get(span.start..context).filter(|ahead| !ahead.is_empty()).map(str::to_owned)
    });
    let ahead: Vec<String> = ahead.collect();
    match ahead.first() {
        None => Check::pass(NAME, "nothing in front of a reply is trained"),
        Some(text) => Check::note(
            NAME,
            format!("{} of {} rows train text in front of the reply, such as {text:?}", ahead.len(), rows.len()),
            "nobody samples it, and it shares the loss: move the template's `{% generation %}` behind it",
        ),
    }
}
