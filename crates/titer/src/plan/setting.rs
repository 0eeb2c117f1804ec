//! The value of an axis.

use std::fmt;

use super::show;

/// One value of an axis.
#[derive(Clone, Debug, PartialEq)]
pub enum Setting {
    /// A number: the axis may be a dose.
    Number(f64),
    /// Anything else.
    Word(String),
}

impl Setting {
    /// A value as a sweep's record holds it.
    pub fn of(value: &toml::Value) -> Self {
        match value {
            toml::Value::Float(number) => Self::Number(*number),
            toml::Value::Integer(number) => Self::Number(*number as f64),
            other => Self::Word(show(other)),
        }
    }

    /// The number, where it is one.
    pub fn number(&self) -> Option<f64> {
        match self {
            Self::Number(number) => Some(*number),
            Self::Word(_) => None,
        }
    }
}

impl fmt::Display for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => number.fmt(f),
            Self::Word(word) => f.write_str(word),
        }
    }
}
