//! `titer init`

use crate::printer::{Failure, data};

/// Prints the spec that every other one is laid over, and the constants of guards as comments.
pub(crate) fn init() -> Result<(), Failure> {
    data(titer::spec::DEFAULTS.trim_end());
    data("");
    titer::spec::GUARDS.lines().for_each(|line| data(&format!("# {}", line.trim_start_matches("# "))));
    Ok(())
}
