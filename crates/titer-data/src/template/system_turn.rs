//! System prompts and templates: those that refuse a system turn, and those that put one of their own there.

use crate::chat::{Message, Role, system_prompt, without_system_prompt};

/// The chat with its system prompt at the start of the first user turn; as it is where it has no such turn.
pub(super) fn folded(messages: &[Message]) -> Vec<Message> {
    let mut turns = without_system_prompt(messages);
    let user = turns.iter_mut().find(|message| message.role == Role::User);
    match (system_prompt(messages), user) {
        (Some(prompt), Some(user)) => {
            user.content = format!("{prompt}\n\n{}", user.content);
            turns
        }
        _ => messages.to_vec(),
    }
}

/// What a template puts into the system turn of a chat that has none; `None` where it puts nothing, or where `text`, which
/// renders messages, gives no text. What is no more than one of the `special` tokens begins a chat and is no prompt.
pub(super) fn injected(special: &[&str], text: impl Fn(&[Message]) -> Option<String>) -> Option<String> {
    let (system, user) = ("a system prompt of nobody", "a request of nobody");
    let without = text(&[Message::new(Role::User, user)])?;
    let with = text(&[Message::new(Role::System, system), Message::new(Role::User, user)])?;
    let (before, behind) = with.split_once(system)?;
    let (between, _) = behind.split_once(user)?;
    let (head, _) = without.split_once(user)?;
    // Only where the same turn is there without a prompt; what stands in the prompt's place was injected.
    let inside = head.strip_prefix(before)?.strip_suffix(between)?;
    let injected = if inside.is_empty() { before } else { inside }.trim();
    (!injected.is_empty() && !special.contains(&injected)).then(|| injected.to_owned())
}
