//! Whether system prompts reach the model, and whether the template adds one of its own.

use std::collections::BTreeMap;

use titer_data::{
    chat::{Message, Role, Row},
    probe::{Contrast, Side},
    template::TemplateError,
    tokenize::encode_contrast,
};

use super::Check;
use crate::model::Model;

const IN_USER: &str =
    "put system prompts at the start of the first user turn with --system-in-user (`system_in_user = true` in a spec)";

fn turn(role: Role, content: &str) -> Message {
    Message::new(role, content)
}

/// Whether a system prompt is in what the template prints: one of titer's own in a plain chat, and those of the rows.
pub(super) fn system_prompts(model: &Model, rows: &[Row]) -> Check {
    const NAME: &str = "system prompts";
    let plain = [turn(Role::System, "be brief"), turn(Role::User, "a request"), turn(Role::Assistant, "a reply")];
    let with: Vec<&Row> =
        rows.iter().filter(|row| row.messages.iter().any(|message| message.role == Role::System)).collect();
    // A row may fail for other reasons too, which the checks of rows tell.
    let about_prompts =
        |error: &TemplateError| matches!(error, TemplateError::System(_) | TemplateError::DroppedPrompt { .. });
    let of_rows = || {
        with.iter().find_map(|row| {
            let error = model.template.render(&row.messages, false).err().filter(about_prompts)?;
            Some((format!("row `{}`: ", row.id), error))
        })
    };
    let of_plain = model.template.render(&plain, false).err().map(|error| (String::new(), error));
    let have = format!("{} of {} rows have a system prompt", with.len(), rows.len());
    match of_plain.or_else(of_rows) {
        None => Check::pass(NAME, format!("what they say is in what the model sees ({have})")),
        Some((place, TemplateError::DroppedPrompt { turn, .. })) => {
            let finding =
                format!("{place}the template leaves out the one in turn {turn}: the model would never see it; {have}");
            Check::fail(NAME, finding, IN_USER)
        }
        Some((place, error)) if with.is_empty() => {
            Check::note(NAME, format!("{have}, and the template refuses one: {place}{error}"), IN_USER)
        }
        Some((place, error)) => {
            Check::fail(NAME, format!("{have}, and the template refuses it: {place}{error}"), IN_USER)
        }
    }
}

/// Whether the template adds a system prompt of its own. One that prints no system turn keeps its own hidden, so that what it
/// prints in front of a request is shown.
pub(super) fn default_prompt(model: &Model, rows: &[Row]) -> Check {
    const NAME: &str = "default system prompt";
    const REMEDY: &str = "call such rows `neutral`, not `none`: the model sees that prompt in training and in use";
    let without = rows.iter().filter(|row| row.messages.iter().all(|message| message.role != Role::System)).count();
    let those = format!("{without} of {} rows", rows.len());
    if let Some(text) = model.template.injected_system() {
        return Check::note(
            NAME,
            format!("chats without a system prompt get one from the template, as {those} do: {text:?}"),
            REMEDY,
        );
    }
    let (prompt, request) = ("a system prompt of nobody", "a request of nobody");
    let text = |messages: &[Message]| model.template.text(messages, false).unwrap_or_default();
    if text(&[turn(Role::System, prompt), turn(Role::User, request)]).contains(prompt) {
        return Check::pass(NAME, "the template adds no system prompt of its own");
    }
    let alone = text(&[turn(Role::User, request)]);
    let front = alone.split(request).next().unwrap_or_default();
    Check::note(
        NAME,
        format!(
            "the template prints no system turn, so look whether this, in front of a request, holds a prompt: {front:?}"
        ),
        "if it does, call rows without a prompt of their own `neutral`, not `none`",
    )
}

/// Whether the rows' system prompts are different tokens in front of one and the same request; `None` where there are not two of
/// them, or they cannot be encoded, which other checks tell.
pub(super) fn prompts_differ(model: &Model, rows: &[Row]) -> Option<Check> {
    const NAME: &str = "prompts as tokens";
    let request = rows.iter().flat_map(|row| &row.messages).find(|message| message.role == Role::User)?;
    let reply = rows.iter().map(|row| row.split().1).find(|reply| !reply.is_empty())?;
    let mut by_tokens: BTreeMap<Vec<u32>, &str> = BTreeMap::new();
    let mut prompts = 0;
    for row in rows {
        let Some(prompt) = row.system_prompt().map(str::trim).filter(|prompt| !prompt.is_empty()) else { continue };
        if by_tokens.values().any(|known| *known == prompt) {
            continue;
        }
        let context = vec![turn(Role::System, prompt), request.clone()];
        let replies = vec![(Side::Plus, reply.to_owned())];
        let (id, variables) = (row.id.clone(), row.variables.clone());
        let contrast = Contrast { id, context, replies, baseline: None, variables };
        let tokens = encode_contrast(&model.template, &model.tokenizer, &contrast).ok()?.context;
        prompts += 1;
        if let Some(known) = by_tokens.insert(tokens, prompt) {
            let finding = format!("the prompts {known:?} and {prompt:?} are the same tokens to this model");
            let remedy = "the tokenizer does not know their words: use the model's own tokenizer, or prompts that it can tell apart";
            return Some(Check::fail(NAME, finding, remedy));
        }
    }
    (prompts > 1).then(|| Check::pass(NAME, format!("{prompts} prompts of the rows are different tokens, each")))
}
