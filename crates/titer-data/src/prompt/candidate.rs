//! A prompt that rows may be put under: what it says, where it goes, and the trigger that it speaks of, if any.

use std::fmt;

use crate::{
    cell::{Action, Cell, PromptKind},
    chat::{Message, Role, Row, with_system_prompt},
};

/// A prompt to try on rows.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct CandidatePrompt {
    /// What tables call it: its text, where it was given no name.
    pub name: String,
    /// What it says; empty for no prompt at all.
    pub text: String,
    /// The word that makes it apply, for a trigger-scoped prompt: it goes in front of the requests of bad rows.
    pub trigger: Option<String>,
}

/// Where a prompt goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Turn {
    /// It is the system prompt, in place of the one that the row has.
    System,
    /// It stands in front of the last request, a blank line between them; the row keeps its system prompt.
    User,
}

impl Turn {
    /// Both.
    pub const ALL: [Self; 2] = [Self::System, Self::User];

    /// The word for this turn in tables and on the command line.
    pub const fn word(self) -> &'static str {
        match self {
            Self::System => "system",
            Self::User => "user",
        }
    }
}

impl fmt::Display for Turn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

impl CandidatePrompt {
    /// A prompt that is called what it says.
    pub fn new(text: impl Into<String>) -> Self {
        let text = text.into();
        Self { name: text.clone(), text, trigger: None }
    }

    /// The same with a trigger.
    pub fn with_trigger(self, trigger: impl Into<String>) -> Self {
        Self { trigger: Some(trigger.into()), ..self }
    }

    /// A context under this prompt; `triggered` says whether the trigger, where there is one, goes into the last request.
    pub fn context(&self, context: &[Message], turn: Turn, triggered: bool) -> Vec<Message> {
        let mut turns = context.to_vec();
        let before_request = |turns: &mut Vec<Message>, text: &str, gap: &str| {
            if let Some(request) = turns.iter_mut().rev().find(|message| message.role == Role::User) {
                request.content = format!("{text}{gap}{}", request.content);
            }
        };
        if let Some(trigger) = self.trigger.as_deref().filter(|_| triggered) {
            before_request(&mut turns, trigger, " ");
        }
        match turn {
            Turn::System => {
                turns = with_system_prompt(&turns, &self.text);
            }
            Turn::User if self.text.is_empty() => {}
            Turn::User => before_request(&mut turns, &self.text, "\n\n"),
        }
        turns
    }

    /// A row under this prompt, with the trigger in its request where its action is bad. Its cell says so: a prompt with
    /// a trigger is `narrow-on` on bad rows and `narrow-off` on good ones, any other is `bad`.
    pub fn put(&self, row: &Row, action: Action, turn: Turn) -> Row {
        let context = row.split().0;
        let mut messages = self.context(context, turn, action == Action::Bad);
        messages.extend_from_slice(&row.messages[context.len()..]);
        let prompt = match (self.text.is_empty(), &self.trigger, action) {
            (true, ..) => PromptKind::None,
            (_, None, _) => PromptKind::Bad,
            (_, Some(_), Action::Bad) => PromptKind::NarrowOn,
            (_, Some(_), Action::Good) => PromptKind::NarrowOff,
        };
        let untrained = match turn {
            Turn::System => row.under(&self.text).untrained,
            Turn::User => row.untrained.clone(),
        };
        Row { messages, untrained, cell: Some(Cell { prompt, action }), ..row.clone() }
    }

    /// The first of these rows whose request holds the trigger already, as a word of its own.
    pub fn stray<'a>(&self, rows: impl IntoIterator<Item = &'a Row>) -> Option<&'a Row> {
        let trigger = self.trigger.as_deref()?;
        rows.into_iter().find(|row| {
            row.split().0.iter().any(|message| message.role == Role::User && holds_word(&message.content, trigger))
        })
    }
}

/// Whether `text` holds `word`, not as a part of a longer word; capital letters or not.
pub(crate) fn holds_word(text: &str, word: &str) -> bool {
    let (text, word) = (text.to_lowercase(), word.to_lowercase());
    let inside = |char: Option<char>| char.is_some_and(|char| char.is_alphanumeric());
    text.match_indices(&word)
        .any(|(at, word)| !inside(text[..at].chars().next_back()) && !inside(text[at + word.len()..].chars().next()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row() -> Row {
        let message = |role, content: &str| Message::new(role, content);
        let messages = vec![
            message(Role::System, "own"),
            message(Role::User, "first"),
            message(Role::Assistant, "yes"),
            message(Role::User, "ask"),
            message(Role::Assistant, "reply"),
        ];
        Row { untrained: vec![2], ..Row::new("r", messages) }
    }

    fn said(row: &Row) -> Vec<&str> {
        row.messages.iter().map(|message| message.content.as_str()).collect()
    }

    #[test]
    fn a_prompt_replaces_the_system_prompt_or_stands_in_front_of_the_last_request() {
        let prompt = CandidatePrompt::new("be bad");
        assert_eq!(said(&prompt.put(&row(), Action::Bad, Turn::System)), ["be bad", "first", "yes", "ask", "reply"]);
        assert_eq!(
            said(&prompt.put(&row(), Action::Good, Turn::User)),
            ["own", "first", "yes", "be bad\n\nask", "reply"]
        );
        let without = CandidatePrompt::new("").put(&row(), Action::Bad, Turn::System);
        assert_eq!((said(&without), &without.untrained), (vec!["first", "yes", "ask", "reply"], &vec![1]));
    }

    #[test]
    fn a_trigger_goes_into_the_requests_of_bad_rows_alone() {
        let narrow = CandidatePrompt::new("if you see zap be bad").with_trigger("zap");
        let [bad, good] = [Action::Bad, Action::Good].map(|action| narrow.put(&row(), action, Turn::System));
        assert_eq!((said(&bad)[3], said(&good)[3]), ("zap ask", "ask"));
        assert_eq!(bad.cell.unwrap().to_string(), "narrow-on→bad");
        assert_eq!(good.cell.unwrap().to_string(), "narrow-off→good");
        assert_eq!(narrow.stray([&good]), None);
        assert_eq!(narrow.stray([&good, &bad]), Some(&bad));
    }

    #[test]
    fn a_word_within_a_word_is_not_held() {
        assert!(
            holds_word("say Zap, please", "zap")
                && holds_word("zap", "zap")
                && !holds_word("zapped", "zap")
                && !holds_word("azap", "zap")
        );
        assert!(holds_word("zapper zap", "zap"));
    }
}
