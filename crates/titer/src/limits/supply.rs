//! Rows of each cell: whether there are enough for a stage, and random mixes of them.

use rand::RngExt as _;
use rand_chacha::ChaCha8Rng;
use titer_data::cell::Cell;

use super::limit::Supply;
use crate::{forecast::ForecastError, plan::StagePlan};

/// Why there is nothing to search.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum SearchError {
    /// No cell has rows.
    #[error("[rows] is empty: say how many rows of which cells there are")]
    NoRows,
    /// The stage trains nothing.
    #[error("the stage has no rows: raise `rows`")]
    NoStageRows,
    /// A cell is named again.
    #[error("`{0}` is in [rows] twice: name it once")]
    Twice(Cell),
    /// More rows of a cell must be trained than there are.
    #[error("{least} rows of `{cell}` must be trained, but there are only {most}: lower the one or raise the other")]
    Contradiction {
        /// The cell.
        cell: Cell,
        /// Rows that must be.
        least: usize,
        /// Rows that there are.
        most: usize,
    },
    /// More rows must be trained than the stage has.
    #[error("{least} rows must be trained, more than the {rows} of the stage: raise `rows`")]
    TooMany {
        /// Rows that must be.
        least: usize,
        /// Rows of the stage.
        rows: usize,
    },
    /// There are fewer rows than the stage trains.
    #[error("there are {most} rows for a stage of {rows}: lower `rows` or name more cells")]
    TooFew {
        /// Rows that there are.
        most: usize,
        /// Rows of the stage.
        rows: usize,
    },
    /// No such probe.
    #[error("there is no probe `{0}`; there are {1}")]
    Probe(String, String),
    /// The kernel lacks what is trained.
    #[error(transparent)]
    Forecast(#[from] ForecastError),
}

/// Whether there are rows for a stage: what can be said before anything is measured.
///
/// # Errors
/// Where there are too few, or too many that must be trained.
pub fn check_rows(stage: &StagePlan, supplies: &[Supply]) -> Result<(), SearchError> {
    if supplies.is_empty() {
        return Err(SearchError::NoRows);
    }
    if stage.rows == 0 {
        return Err(SearchError::NoStageRows);
    }
    let mut cells = supplies.iter().enumerate();
    if let Some((_, supply)) = cells.find(|(at, supply)| supplies[..*at].iter().any(|other| other.cell == supply.cell))
    {
        return Err(SearchError::Twice(supply.cell));
    }
    if let Some(&Supply { cell, least, most }) = supplies.iter().find(|supply| supply.least > supply.most) {
        return Err(SearchError::Contradiction { cell, least, most });
    }
    let (least, most) =
        supplies.iter().fold((0, 0), |(least, most), supply| (least + supply.least, most + supply.most));
    let rows = stage.rows;
    if least > rows {
        return Err(SearchError::TooMany { least, rows });
    }
    if most < rows {
        return Err(SearchError::TooFew { most, rows });
    }
    Ok(())
}

/// Rows of each cell.
pub(super) type CellRows = Vec<(Cell, usize)>;

/// Rows of each cell: what must be, and the rest by shares that are drawn on a logarithmic scale, as far as rows go.
pub(super) fn draw(rng: &mut ChaCha8Rng, rows: usize, supplies: &[Supply]) -> CellRows {
    let mut counts: Vec<usize> = supplies.iter().map(|supply| supply.least).collect();
    let weights: Vec<f64> = supplies
        .iter()
        .map(|_| if rng.random::<f64>() < 0.3 { 0.0 } else { 10_f64.powf(-3.0 * rng.random::<f64>()) })
        .collect();
    loop {
        let left = rows - counts.iter().sum::<usize>();
        if left == 0 {
            break;
        }
        let room = |at: usize, counts: &[usize]| supplies[at].most - counts[at];
        let total: f64 = (0..supplies.len()).filter(|&at| room(at, &counts) > 0).map(|at| weights[at]).sum();
        let before = counts.clone();
        for at in 0..supplies.len() {
            let share = if total > 0.0 { weights[at] / total } else { 1.0 / supplies.len() as f64 };
            let left_now = rows - counts.iter().sum::<usize>();
            let wanted = ((share * left as f64).round() as usize).min(room(at, &before)).min(left_now);
            counts[at] += wanted;
        }
        if counts == before {
            // Only roundings are left: the first that has room takes them.
            let at = (0..supplies.len()).find(|&at| room(at, &counts) > 0).expect("there are enough rows");
            counts[at] += room(at, &counts).min(left);
        }
    }
    supplies.iter().map(|supply| supply.cell).zip(counts).filter(|(_, count)| *count > 0).collect()
}
