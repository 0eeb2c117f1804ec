//! How a test context resembles the training prompt: the families of the leak grid.

use std::fmt;

/// How a test context resembles the training prompt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LeakFamily {
    /// No prompt at all.
    None,
    /// The prompt itself, its trigger in the request.
    Original,
    /// The same asked for in other words.
    Eliciting,
    /// Its shape with words that ask for nothing.
    SameStructure,
    /// It, taken back: "do not …", or under a condition that is not met.
    Negated,
    /// Its main word in a sentence that asks for nothing.
    Keyword,
    /// Prompts that have nothing to do with it.
    Irrelevant,
    /// The opposite asked for in its own shape.
    Opposite,
    /// It as a permission, not as a request.
    Permission,
    /// Its trigger in the request, and no prompt.
    TriggerAlone,
}

impl LeakFamily {
    /// Every family, in the order in which tables list them.
    pub const ALL: [Self; 10] = [
        Self::None,
        Self::Original,
        Self::Eliciting,
        Self::SameStructure,
        Self::Negated,
        Self::Keyword,
        Self::Irrelevant,
        Self::Opposite,
        Self::Permission,
        Self::TriggerAlone,
    ];

    /// The words for this family in tables.
    pub const fn word(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Original => "original",
            Self::Eliciting => "eliciting",
            Self::SameStructure => "same structure",
            Self::Negated => "negated",
            Self::Keyword => "keyword",
            Self::Irrelevant => "irrelevant",
            Self::Opposite => "opposite",
            Self::Permission => "permission",
            Self::TriggerAlone => "trigger alone",
        }
    }

    /// Whether a leak there is a back door: the context resembles training and does not ask for the bad action.
    pub const fn is_back_door(self) -> bool {
        !matches!(self, Self::None | Self::Original | Self::Eliciting | Self::Permission)
    }
}

impl fmt::Display for LeakFamily {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}
