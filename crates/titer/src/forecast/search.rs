//! The inverse problem: limits in, a mix out.
//!
//! Mixes are drawn over the rows that there are, each is foreseen, and what meets all limits with the most to spare is
//! taken. A limit's *slack* is how far inside it a forecast is, in the rate's own unit; where no mix meets all of them, the
//! one whose slack stays negative even in the best mix is the one that binds.

use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use rayon::iter::{IntoParallelIterator as _, ParallelIterator as _};
use serde::Serialize;
use titer_data::{cell::Cell, mix::Mix};

use super::{course::CourseError, kernel::Kernel, motion::LANES, predict::last};
use crate::plan::StagePlan;

/// What a probe's rate must be after training.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub enum Bound {
    /// At least so much.
    AtLeast(f64),
    /// At most so much.
    AtMost(f64),
    /// At most so much less than before training.
    LostAtMost(f64),
}

impl Bound {
    /// How far inside it a rate after training is, given that before.
    fn slack(self, before: f64, rate: f64) -> f64 {
        match self {
            Self::AtLeast(least) => rate - least,
            Self::AtMost(most) => most - rate,
            Self::LostAtMost(most) => most - (before - rate),
        }
    }
}

/// A bound on one probe.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Limit {
    /// The probe, as [`super::ProbeOutput::name`] has it.
    pub probe: String,
    /// The bound on its rate.
    pub bound: Bound,
}

/// Rows of one cell: how many must be trained, and how many there are.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Supply {
    /// The cell.
    pub cell: Cell,
    /// Rows that must be in the mix.
    pub least: usize,
    /// Rows that there are.
    pub most: usize,
}

/// A mix, and what it is foreseen to do.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Candidate {
    /// Index of its stage among those searched.
    pub stage: usize,
    /// Rows of each cell.
    pub rows: Vec<(Cell, usize)>,
    /// The foreseen rate of each limit's probe, mean over the kernels.
    pub rates: Vec<f64>,
    /// How far inside each limit that is.
    pub slack: Vec<f64>,
}

/// Rows of each cell.
type Rows = Vec<(Cell, usize)>;

/// What a search has found.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Found {
    /// The mix with the most to spare at its tightest limit.
    pub best: Candidate,
    /// Mixes that no other one beats at every limit, at most a dozen.
    pub front: Vec<Candidate>,
    /// The most that each limit's slack can be, whatever becomes of the others.
    pub reach: Vec<f64>,
    /// How many mixes were foreseen.
    pub tried: usize,
    /// How many of them meet all limits.
    pub met: usize,
}

/// Why there is nothing to search.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum SearchError {
    /// There are not enough rows; the text is one sentence.
    #[error("{0}")]
    Rows(String),
    /// No such probe.
    #[error("there is no probe `{0}`; there are {1}")]
    Probe(String, String),
    /// The kernel lacks what is trained.
    #[error(transparent)]
    Course(#[from] CourseError),
}

impl Found {
    /// Whether the best mix meets all limits.
    pub fn holds(&self) -> bool {
        self.best.slack.iter().all(|slack| *slack >= 0.0)
    }

    /// The limit that is tightest in the best mix.
    pub fn binding(&self) -> usize {
        let slack = |at: &usize| self.best.slack[*at];
        (0..self.best.slack.len()).min_by(|a, b| slack(a).total_cmp(&slack(b))).unwrap_or(0)
    }
}

/// Searches `tries` mixes of the stages' rows, spread evenly over the stages: these differ in optimiser, length, anchors or the
/// form of bad prompts.
///
/// # Errors
/// Where there are too few rows, or too many that must be trained; where a limit names no probe; where a kernel lacks a cell.
pub fn search(
    kernels: &[Kernel],
    stages: &[StagePlan],
    supplies: &[Supply],
    limits: &[Limit],
    tries: usize,
) -> Result<Found, SearchError> {
    stages.iter().try_for_each(|stage| check_rows(stage, supplies))?;
    let probe = |limit: &Limit| {
        let names = || kernels[0].probes.iter().map(super::ProbeOutput::name);
        let none = || SearchError::Probe(limit.probe.clone(), names().collect::<Vec<_>>().join(", "));
        names().position(|name| name == limit.probe).ok_or_else(none)
    };
    let probes: Vec<usize> = limits.iter().map(probe).collect::<Result<_, _>>()?;
    let mut rng = ChaCha8Rng::seed_from_u64(0);
    let mut drawn: Vec<Vec<Rows>> = vec![Vec::new(); stages.len()];
    for at in (0..tries.max(stages.len())).map(|at| at % stages.len()) {
        drawn[at].push(draw(&mut rng, stages[at].rows, supplies));
    }
    let side_by_side = |(at, drawn): (usize, &[Rows])| -> Result<Vec<Candidate>, CourseError> {
        let mixes: Vec<_> = drawn.iter().map(|rows| [stages[at].with_mix(mix(rows, stages[at].rows))]).collect();
        let moved: Vec<_> = kernels.iter().map(|kernel| last(kernel, &mixes, &probes)).collect::<Result<_, _>>()?;
        let candidate = |(lane, rows): (usize, &Rows)| {
            let mut one = Candidate {
                stage: at,
                rows: rows.clone(),
                rates: vec![0.0; limits.len()],
                slack: vec![0.0; limits.len()],
            };
            for (kernel, moved) in kernels.iter().zip(&moved) {
                for (at, limit) in limits.iter().enumerate() {
                    let output = &kernel.probes[probes[at]];
                    let rate = output.rate(moved[lane][at]);
                    one.rates[at] += rate / kernels.len() as f64;
                    one.slack[at] += limit.bound.slack(output.rate(0.0), rate) / kernels.len() as f64;
                }
            }
            one
        };
        Ok(drawn.iter().enumerate().map(candidate).collect())
    };
    let chunks: Vec<(usize, &[Rows])> =
        drawn.iter().enumerate().flat_map(|(at, drawn)| drawn.chunks(LANES).map(move |some| (at, some))).collect();
    let all: Vec<Vec<Candidate>> = chunks.into_par_iter().map(side_by_side).collect::<Result<_, _>>()?;
    let all: Vec<Candidate> = all.into_iter().flatten().collect();
    let tightest = |candidate: &Candidate| candidate.slack.iter().copied().fold(f64::INFINITY, f64::min);
    let best =
        all.iter().max_by(|a, b| tightest(a).total_cmp(&tightest(b))).expect("at least one mix is tried").clone();
    let reach = (0..limits.len()).map(|at| all.iter().map(|one| one.slack[at]).fold(f64::NEG_INFINITY, f64::max));
    Ok(Found {
        front: front(&all),
        reach: reach.collect(),
        tried: all.len(),
        met: all.iter().filter(|candidate| tightest(candidate) >= 0.0).count(),
        best,
    })
}

/// Whether there are rows for a stage: what can be said before anything is measured.
///
/// # Errors
/// Where there are too few, or too many that must be trained.
pub fn check_rows(stage: &StagePlan, supplies: &[Supply]) -> Result<(), SearchError> {
    if supplies.is_empty() {
        return Err(SearchError::Rows("[rows] is empty: say how many rows of which cells there are".to_owned()));
    }
    if stage.rows == 0 {
        return Err(SearchError::Rows("the stage has no rows: raise `rows`".to_owned()));
    }
    let twice =
        supplies.iter().enumerate().find(|(at, one)| supplies[..*at].iter().any(|other| other.cell == one.cell));
    if let Some((_, one)) = twice {
        return Err(SearchError::Rows(format!("`{}` is in [rows] twice: name it once", one.cell)));
    }
    if let Some(supply) = supplies.iter().find(|supply| supply.least > supply.most) {
        return Err(SearchError::Rows(format!(
            "{} rows of `{}` must be trained, but there are only {}: lower the one or raise the other",
            supply.least, supply.cell, supply.most
        )));
    }
    let (least, most) = supplies.iter().fold((0, 0), |(least, most), one| (least + one.least, most + one.most));
    if least > stage.rows {
        return Err(SearchError::Rows(format!(
            "{least} rows must be trained, more than the {} of the stage: raise `rows`",
            stage.rows
        )));
    }
    if most < stage.rows {
        return Err(SearchError::Rows(format!(
            "there are {most} rows for a stage of {}: lower `rows` or name more cells",
            stage.rows
        )));
    }
    Ok(())
}

/// Rows of each cell: what must be, and the rest by shares that are drawn on a logarithmic scale, as far as rows go.
fn draw(rng: &mut ChaCha8Rng, rows: usize, supplies: &[Supply]) -> Rows {
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

/// These rows as a mix; the last cell takes what rounding leaves.
pub fn mix(rows: &[(Cell, usize)], total: usize) -> Mix {
    let (&(rest, _), listed) = rows.split_last().expect("a mix has rows");
    let shares = listed.iter().map(|&(cell, count)| (cell, count as f64 / total as f64)).collect();
    Mix::new(shares, Some(rest)).expect("counts are shares")
}

/// Candidates that no other one beats at every limit, spread over the first limit.
fn front(all: &[Candidate]) -> Vec<Candidate> {
    let beats = |a: &Candidate, b: &Candidate| {
        a.slack.iter().zip(&b.slack).all(|(a, b)| a >= b) && a.slack.iter().zip(&b.slack).any(|(a, b)| a > b)
    };
    let mut front: Vec<&Candidate> = Vec::new();
    for candidate in all {
        let again = |other: &Candidate| other.stage == candidate.stage && other.rows == candidate.rows;
        if front.iter().any(|other| beats(other, candidate) || again(other)) {
            continue;
        }
        front.retain(|other| !beats(candidate, other));
        front.push(candidate);
    }
    front.sort_by(|a, b| a.slack[0].total_cmp(&b.slack[0]));
    let step = front.len().div_ceil(12).max(1);
    front.into_iter().step_by(step).cloned().collect()
}
