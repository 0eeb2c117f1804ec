//! What is said of a sweep before its numbers are shown.

use std::path::Path;

use titer::results::SweepResults;

use crate::printer::spoken;

/// Says how many runs of a sweep are finished, where some are not: its numbers are those of these alone.
pub(super) fn unfinished(results: &SweepResults, dir: &Path) {
    let (missing, planned) = (results.missing().len(), results.arms.len() * results.seeds.len());
    if missing > 0 {
        spoken(&format!("{}: {} of {planned} runs are finished", dir.display(), planned - missing));
    }
}
