//! A swept axis, resolved.

use toml::Value;

/// A swept axis, resolved.
#[derive(Clone, Debug)]
pub(super) struct AxisPlan {
    /// As written: where errors point.
    pub written: String,
    /// Its name, `<stage>.<field>`, cells with the one arrow.
    pub name: String,
    /// The shortest end of its name that no other axis has.
    pub label: String,
    /// The stage that it is in.
    pub stage: usize,
    /// The field within the stage; empty where the values are tables that are laid over the stage.
    pub path: Vec<String>,
    /// Its values.
    pub values: Vec<Value>,
    /// The same as numbers or texts: by their names where they have some.
    pub shown: Vec<Value>,
}
