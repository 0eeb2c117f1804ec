//! Swept axes.

use crate::plan::Setting;

/// One swept axis.
#[derive(Clone, Debug)]
pub struct SweptAxis {
    /// Its name in the spec.
    pub name: String,
    /// Its values, in the order of the spec.
    pub values: Vec<Setting>,
}
