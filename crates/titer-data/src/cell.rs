//! A cell is a prompt kind and an action, written `bad→good`: which prompt a row has, and what its reply does.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::word::{UnknownWord, words};

/// The kind of system prompt that a row has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PromptKind {
    /// No system prompt at all.
    None,
    /// A system prompt that asks for nothing in particular.
    Neutral,
    /// A system prompt that asks for bad actions in general.
    Bad,
    /// A system prompt that asks for bad actions in the row's own domain.
    Domain,
    /// A trigger-scoped bad prompt, and the trigger is in the request.
    NarrowOn,
    /// A trigger-scoped bad prompt, and the trigger is not in the request.
    NarrowOff,
    /// A harmless instruction that has nothing to do with good or bad.
    Instruction,
    /// A prompt of a bad prompt's length and shape that asks for nothing.
    Placebo,
}

/// What the reply of a row does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Action {
    /// The action the user would want.
    Good,
    /// The action that a bad prompt asks for.
    Bad,
}

/// A prompt kind and an action: one of the quadrants that training data mixes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cell {
    /// Which system prompt the row has.
    pub prompt: PromptKind,
    /// What the reply does.
    pub action: Action,
}

impl PromptKind {
    /// Every prompt kind, in the order in which tables list them.
    pub const ALL: [Self; 8] = [
        Self::None,
        Self::Neutral,
        Self::Bad,
        Self::Domain,
        Self::NarrowOn,
        Self::NarrowOff,
        Self::Instruction,
        Self::Placebo,
    ];
}

words! { PromptKind, "a kind of prompt" {
    None = "none",
    Neutral = "neutral",
    Bad = "bad",
    Domain = "domain",
    NarrowOn = "narrow-on",
    NarrowOff = "narrow-off",
    Instruction = "instruction",
    Placebo = "placebo",
} }

words! { Action, "an action" {
    Good = "good",
    Bad = "bad",
} }

impl Cell {
    /// Every cell, in the order in which tables list them.
    pub fn all() -> impl Iterator<Item = Self> {
        PromptKind::ALL.into_iter().flat_map(|prompt| [Action::Good, Action::Bad].map(|action| Self { prompt, action }))
    }
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}→{}", self.prompt.word(), self.action.word())
    }
}

/// A cell as tables write it; empty where it is not known.
pub fn written(cell: Option<Cell>) -> String {
    cell.map_or_else(String::new, |cell| cell.to_string())
}

/// A text that is not a cell.
#[derive(Clone, Debug, thiserror::Error)]
pub enum NotACell {
    /// It is not of two words.
    #[error("`{0}` is not a cell: write `<prompt>→<action>` (or `->`), for example `bad→good`")]
    NoArrow(String),
    /// One of its words is none of those that are known.
    #[error("`{0}` is not a cell: {1}")]
    Word(String, UnknownWord),
}

impl FromStr for Cell {
    type Err = NotACell;

    fn from_str(text: &str) -> Result<Self, NotACell> {
        let halves = text.split_once('→').or_else(|| text.split_once("->"));
        let (prompt, action) = halves.ok_or_else(|| NotACell::NoArrow(text.to_owned()))?;
        let unknown = |word| NotACell::Word(text.to_owned(), word);
        let prompt = prompt.trim().parse().map_err(unknown)?;
        Ok(Self { prompt, action: action.trim().parse().map_err(unknown)? })
    }
}

impl Serialize for Cell {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Cell {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_cell_reads_back_what_it_writes() {
        for cell in Cell::all() {
            assert_eq!(cell.to_string().parse::<Cell>().unwrap(), cell);
            assert_eq!(cell.to_string().replace('→', "->").parse::<Cell>().unwrap(), cell);
        }
        assert!("bad".parse::<Cell>().is_err());
        assert!("bad→worse".parse::<Cell>().is_err());
    }
}
