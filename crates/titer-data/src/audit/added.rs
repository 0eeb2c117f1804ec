//! Where one context has what another lacks.

use crate::chat::{Message, Role};

/// Where a context was added to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum AddedPlace {
    /// A system prompt, where there was none or another one.
    System,
    /// Before the request's words.
    RequestStart,
    /// Behind the request's words.
    RequestEnd,
    /// Elsewhere, or something was taken away.
    Elsewhere,
}

impl AddedPlace {
    /// In words.
    pub const fn word(self) -> &'static str {
        match self {
            Self::System => "system prompt",
            Self::RequestStart => "start of a request",
            Self::RequestEnd => "end of a request",
            Self::Elsewhere => "elsewhere",
        }
    }

    /// What `second` has that `first` lacks.
    pub(super) fn between(first: &[Message], second: &[Message]) -> Self {
        let others = |context: &[Message]| -> Vec<(Role, String)> {
            let turns = context.iter().filter(|message| message.role != Role::System);
            turns.map(|message| (message.role, message.content.clone())).collect()
        };
        let (before, after) = (others(first), others(second));
        if before == after {
            return Self::System;
        }
        if before.len() != after.len() || first.len() != second.len() {
            return Self::Elsewhere;
        }
        let mut changed = before.iter().zip(&after).filter(|(before, after)| before != after);
        match (changed.next(), changed.next()) {
            (Some((before, after)), None) if after.1.starts_with(&before.1) => Self::RequestEnd,
            (Some((before, after)), None) if after.1.ends_with(&before.1) => Self::RequestStart,
            _ => Self::Elsewhere,
        }
    }
}
