//! The inverse problem: limits in, a mix out.
//!
//! Mixes are drawn over the rows that there are, each is foreseen, and what meets all limits with the most to spare is
//! taken. A limit's *slack* is how far inside it a forecast is, in the rate's own unit; where no mix meets all of them, the
//! one whose slack stays negative even in the best mix is the one that binds.

use rand::SeedableRng as _;
use rand_chacha::ChaCha8Rng;
use rayon::iter::{IntoParallelIterator as _, ParallelIterator as _};
use serde::Serialize;
use titer_data::{cell::Cell, mix::Mix};

use super::{
    limit::{Limit, Supply},
    supply::{CellRows, SearchError, check_rows, draw},
};
use crate::{
    forecast::{ForecastError, Kernel, LANES, last},
    plan::StagePlan,
};

/// A mix, and what it is foreseen to do.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct MixCandidate {
    /// Index of its stage among those searched.
    pub stage: usize,
    /// Rows of each cell.
    pub rows: Vec<(Cell, usize)>,
    /// The foreseen rate of each limit's probe, mean over the kernels.
    pub rates: Vec<f64>,
    /// How far inside each limit that is.
    pub slack: Vec<f64>,
}

/// What a search has found.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SearchResult {
    /// The mix with the most to spare at its tightest limit.
    pub best: MixCandidate,
    /// Mixes that no other one beats at every limit, at most a dozen.
    pub front: Vec<MixCandidate>,
    /// The most that each limit's slack can be, whatever becomes of the others.
    pub reach: Vec<f64>,
    /// How many mixes were foreseen.
    pub tried: usize,
    /// How many of them meet all limits.
    pub met: usize,
}

impl SearchResult {
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
) -> Result<SearchResult, SearchError> {
    stages.iter().try_for_each(|stage| check_rows(stage, supplies))?;
    let probe = |limit: &Limit| {
        let names = || kernels[0].probes.iter().map(|probe| probe.split().short_name());
        let none = || SearchError::Probe(limit.probe.clone(), names().collect::<Vec<_>>().join(", "));
        names().position(|name| name == limit.probe).ok_or_else(none)
    };
    let probes: Vec<usize> = limits.iter().map(probe).collect::<Result<_, _>>()?;
    let mut rng = ChaCha8Rng::seed_from_u64(0);
    let mut drawn: Vec<Vec<CellRows>> = vec![Vec::new(); stages.len()];
    for at in (0..tries.max(stages.len())).map(|at| at % stages.len()) {
        drawn[at].push(draw(&mut rng, stages[at].rows, supplies));
    }
    let side_by_side = |(at, drawn): (usize, &[CellRows])| -> Result<Vec<MixCandidate>, ForecastError> {
        let mixes: Vec<_> = drawn.iter().map(|rows| [stages[at].with_mix(mix(rows, stages[at].rows))]).collect();
        let moved: Vec<_> = kernels.iter().map(|kernel| last(kernel, &mixes, &probes)).collect::<Result<_, _>>()?;
        let candidate = |(lane, rows): (usize, &CellRows)| {
            let mut scored = MixCandidate {
                stage: at,
                rows: rows.clone(),
                rates: vec![0.0; limits.len()],
                slack: vec![0.0; limits.len()],
            };
            for (kernel, moved) in kernels.iter().zip(&moved) {
                for (at, limit) in limits.iter().enumerate() {
                    let output = &kernel.probes[probes[at]];
                    let rate = output.rate(moved[lane][at]);
                    scored.rates[at] += rate / kernels.len() as f64;
                    scored.slack[at] += limit.bound.slack(output.rate(0.0), rate) / kernels.len() as f64;
                }
            }
            scored
        };
        Ok(drawn.iter().enumerate().map(candidate).collect())
    };
    let chunks: Vec<(usize, &[CellRows])> =
        drawn.iter().enumerate().flat_map(|(at, drawn)| drawn.chunks(LANES).map(move |some| (at, some))).collect();
    let all: Vec<Vec<MixCandidate>> = chunks.into_par_iter().map(side_by_side).collect::<Result<_, _>>()?;
    let all: Vec<MixCandidate> = all.into_iter().flatten().collect();
    let tightest = |candidate: &MixCandidate| candidate.slack.iter().copied().fold(f64::INFINITY, f64::min);
    let best =
        all.iter().max_by(|a, b| tightest(a).total_cmp(&tightest(b))).expect("at least one mix is tried").clone();
    let reach =
        (0..limits.len()).map(|at| all.iter().map(|candidate| candidate.slack[at]).fold(f64::NEG_INFINITY, f64::max));
    Ok(SearchResult {
        front: front(&all),
        reach: reach.collect(),
        tried: all.len(),
        met: all.iter().filter(|candidate| tightest(candidate) >= 0.0).count(),
        best,
    })
}

/// These rows as a mix; the last cell takes what rounding leaves.
pub fn mix(rows: &[(Cell, usize)], total: usize) -> Mix {
    let (&(rest, _), listed) = rows.split_last().expect("a mix has rows");
    let shares = listed.iter().map(|&(cell, count)| (cell, count as f64 / total as f64)).collect();
    Mix::new(shares, Some(rest)).expect("counts are shares")
}

/// Candidates that no other one beats at every limit, spread over the first limit.
fn front(all: &[MixCandidate]) -> Vec<MixCandidate> {
    let beats = |candidate: &MixCandidate, other: &MixCandidate| {
        let slack = || candidate.slack.iter().zip(&other.slack);
        slack().all(|(a, b)| a >= b) && slack().any(|(a, b)| a > b)
    };
    let mut front: Vec<&MixCandidate> = Vec::new();
    for candidate in all {
        let again = |other: &MixCandidate| other.stage == candidate.stage && other.rows == candidate.rows;
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
