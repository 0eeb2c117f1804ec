//! `titer init`

use crate::printer::{Failure, data};

/// Prints the spec that every other one is laid over.
pub fn init() -> Result<(), Failure> {
    data(titer::spec::DEFAULTS.trim_end());
    Ok(())
}
