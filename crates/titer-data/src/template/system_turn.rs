//! System prompts and templates: those that refuse a system turn, and those that put one of their own there.

use crate::chat::{Message, Role};

/// The chat with its leading system prompt at the start of the first user turn.
pub(super) fn folded(messages: &[Message]) -> Vec<Message> {
    match messages {
        [system, user, rest @ ..] if system.role == Role::System && user.role == Role::User => {
            let content = format!("{}\n\n{}", system.content, user.content);
            std::iter::once(Message { role: Role::User, content }).chain(rest.iter().cloned()).collect()
        }
        _ => messages.to_vec(),
    }
}

/// What a template puts into the system turn of a chat that has none; `None` where it puts nothing, or where `text`, which
/// renders messages, gives no text.
pub(super) fn injected(text: impl Fn(&[Message]) -> Option<String>) -> Option<String> {
    let turn = |role, content: &str| Message { role, content: content.to_owned() };
    let (system, user) = ("a system prompt of nobody", "a request of nobody");
    let without = text(&[turn(Role::User, user)])?;
    let with = text(&[turn(Role::System, system), turn(Role::User, user)])?;
    let (before, behind) = with.split_once(system)?;
    let (between, _) = behind.split_once(user)?;
    let (head, _) = without.split_once(user)?;
    // Only where the same turn is there without a prompt; what stands in the prompt's place was injected.
    let inside = head.strip_prefix(before)?.strip_suffix(between)?;
    Some(if inside.is_empty() { before } else { inside }.trim().to_owned())
}
