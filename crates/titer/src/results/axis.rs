//! Swept axes and their values.

use crate::plan::show;

/// One swept axis.
#[derive(Clone, Debug)]
pub struct SweptAxis {
    /// Its name in the spec.
    pub name: String,
    /// Its values, in the order of the spec.
    pub values: Vec<Setting>,
}

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
}
