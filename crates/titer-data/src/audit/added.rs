//! Where one context has what another lacks.

use crate::chat::{Message, without_system_prompt};

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
        let (before, after) = (without_system_prompt(first), without_system_prompt(second));
        if before == after {
            return Self::System;
        }
        if before.len() != after.len() || first.len() != second.len() {
            return Self::Elsewhere;
        }
        let mut changed = before.iter().zip(&after).filter(|(before, after)| before != after);
        match (changed.next(), changed.next()) {
            (Some((before, after)), None) if after.content.starts_with(&before.content) => Self::RequestEnd,
            (Some((before, after)), None) if after.content.ends_with(&before.content) => Self::RequestStart,
            _ => Self::Elsewhere,
        }
    }
}
