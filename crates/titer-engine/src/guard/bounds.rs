//! The quadratic programs of guards, solved by clarabel.

use clarabel::{
    algebra::CscMatrix,
    solver::{DefaultSettings, DefaultSolver, IPSolver as _, NonnegativeConeT, SolverStatus, ZeroConeT},
};
use titer::plan::Target;
use titer_data::probe::Component;

/// Two targets that no step can meet together.
#[derive(Debug, thiserror::Error)]
#[error(
    "the guard's targets contradict each other at this state of the model: no step changes {wanted}, because the \
     components' gradients are not independent; drop one of the targets or widen its range"
)]
pub struct Contradiction {
    /// The components with the change that each is to have.
    pub wanted: String,
}

/// Multipliers `λ` of the smallest correction `P Cᵀ λ` (in the norm of `P⁻¹`) after which every component changes by
/// something between `low` and `high`: `min ½ λᵀ G λ` so that `low ≤ effects + G λ ≤ high`, with `G = C P Cᵀ` and
/// `effects` what the uncorrected step does, all in nats. DESIGN's steer.
///
/// # Errors
/// Where the bounds cannot be met together.
pub(crate) fn within_bounds(
    gram: &[Vec<f64>],
    effects: &[f64],
    bounds: &[(f64, f64)],
    targets: &[Target],
) -> Result<Vec<f64>, Contradiction> {
    let count = effects.len();
    if effects.iter().zip(bounds).all(|(effect, (low, high))| low <= effect && effect <= high) {
        return Ok(vec![0.0; count]);
    }
    // In units in which every direction has length 1: components differ in size by orders of magnitude.
    let unit: Vec<f64> = (0..count).map(|k| gram[k][k].max(f64::MIN_POSITIVE).sqrt().recip()).collect();
    let scaled = |k: usize, l: usize| unit[k] * gram[k][l] * unit[l];
    let mut program = Program::new(count);
    for k in 0..count {
        for l in 0..count {
            program.quadratic[k][l] = scaled(k, l) + if k == l { RIDGE } else { 0.0 };
        }
        let row: Vec<f64> = (0..count).map(|l| scaled(k, l)).collect();
        let (low, high) = bounds[k];
        program.bound(&row, unit[k] * (low - effects[k]), unit[k] * (high - effects[k]));
    }
    let solution = program.solve().ok_or_else(|| {
        let described = |(target, (low, high)): (&Target, &(f64, f64))| {
            let range = if low == high { format!("by {low:.3}") } else { format!("by {low:.3} to {high:.3}") };
            format!("{} {range} nats", Component::ALL[target.component].word())
        };
        let wanted = targets.iter().zip(bounds).map(described).collect::<Vec<_>>().join(" and ");
        Contradiction { wanted }
    })?;
    Ok(solution.iter().zip(&unit).map(|(x, unit)| x * unit).collect())
}

/// Weights `w` of rows, as near 1 as may be (least squares), between 0 and `max`, with which every component changes by
/// something between its bounds: `low_k ≤ fixed_k + Σ_i w_i c_ik ≤ high_k`, `c` being `[components][rows]`, in nats.
/// Where no weights do, the miss is kept as small as may be.
pub(super) fn row_weights(pushes: &[Vec<f64>], bounds: &[(f64, f64)], max: f64) -> Vec<f64> {
    let (components, rows) = (pushes.len(), pushes.first().map_or(0, Vec::len));
    // Variables: the weights less 1, then the miss of each component, in units of what the rows together push.
    let mut program = Program::new(rows + components);
    for at in 0..rows {
        program.quadratic[at][at] = 1.0;
        let mut row = vec![0.0; rows + components];
        row[at] = 1.0;
        program.bound(&row, -1.0, max - 1.0);
    }
    for (k, (pushes, (low, high))) in pushes.iter().zip(bounds).enumerate() {
        program.quadratic[rows + k][rows + k] = MISS * rows as f64;
        let size = pushes.iter().map(|push| push.abs()).sum::<f64>().max(f64::MIN_POSITIVE);
        let mut row: Vec<f64> = pushes.iter().map(|push| push / size).collect();
        row.resize(rows + components, 0.0);
        row[rows + k] = 1.0;
        let sum = pushes.iter().sum::<f64>();
        program.bound(&row, (low - sum) / size, (high - sum) / size);
    }
    match program.solve() {
        Some(solution) => solution[..rows].iter().map(|less_one| (1.0 + less_one).clamp(0.0, max)).collect(),
        None => vec![1.0; rows],
    }
}

/// Added to the objective of multipliers, in units in which every direction has length 1, so that nearly parallel
/// directions do not get large multipliers of opposite sign.
const RIDGE: f64 = 1e-6;
/// What a miss counts for beside the rows' weights.
const MISS: f64 = 1e4;

/// `min ½ xᵀ Q x` under linear bounds.
struct Program {
    quadratic: Vec<Vec<f64>>,
    equal: Vec<(Vec<f64>, f64)>,
    at_most: Vec<(Vec<f64>, f64)>,
}

impl Program {
    fn new(variables: usize) -> Self {
        Self { quadratic: vec![vec![0.0; variables]; variables], equal: Vec::new(), at_most: Vec::new() }
    }

    /// `low ≤ row · x ≤ high`
    fn bound(&mut self, row: &[f64], low: f64, high: f64) {
        if low == high {
            self.equal.push((row.to_vec(), high));
            return;
        }
        if high.is_finite() {
            self.at_most.push((row.to_vec(), high));
        }
        if low.is_finite() {
            self.at_most.push((row.iter().map(|x| -x).collect(), -low));
        }
    }

    /// The solution; `None` where the bounds cannot be met.
    fn solve(&self) -> Option<Vec<f64>> {
        let upper = |k: usize, l: usize| if k <= l { self.quadratic[k][l] } else { 0.0 };
        let count = self.quadratic.len();
        let quadratic: Vec<Vec<f64>> = (0..count).map(|k| (0..count).map(|l| upper(k, l)).collect()).collect();
        let (rows, bounds): (Vec<Vec<f64>>, Vec<f64>) = self.equal.iter().chain(&self.at_most).cloned().unzip();
        let cones = [ZeroConeT(self.equal.len()), NonnegativeConeT(self.at_most.len())];
        let settings = DefaultSettings { verbose: false, ..DefaultSettings::default() };
        let (quadratic, rows) = (CscMatrix::from(&quadratic), CscMatrix::from(&rows));
        let mut solver = DefaultSolver::new(&quadratic, &vec![0.0; count], &rows, &bounds, &cones, settings).ok()?;
        solver.solve();
        matches!(solver.solution.status, SolverStatus::Solved | SolverStatus::AlmostSolved)
            .then(|| solver.solution.x.clone())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn targets(count: usize) -> Vec<Target> {
        (0..count).map(|component| Target { component, low: 0.0, high: 0.0 }).collect()
    }

    /// `C P Cᵀ` of rows under a diagonal.
    fn gram(rows: &[Vec<f64>], diagonal: &[f64]) -> Vec<Vec<f64>> {
        let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).zip(diagonal).map(|((a, b), p)| a * b * p).sum();
        rows.iter().map(|a| rows.iter().map(|b| dot(a, b)).collect()).collect()
    }

    #[test]
    fn equal_bounds_have_the_closed_form() {
        // λ = G⁻¹ (b − C u₀)
        let gram = vec![vec![4.0, 1.0], vec![1.0, 2.0]];
        let found = within_bounds(&gram, &[0.5, -0.5], &[(1.0, 1.0), (0.0, 0.0)], &targets(2)).unwrap();
        assert!((found[0] - 0.5 / 7.0).abs() < 1e-5 && (found[1] - 1.5 / 7.0).abs() < 1e-5, "{found:?}");
    }

    #[test]
    fn a_step_within_its_bounds_is_left_alone() {
        let found = within_bounds(&[vec![3.0]], &[0.5], &[(0.0, f64::INFINITY)], &targets(1)).unwrap();
        assert_eq!(found, [0.0]);
    }

    #[test]
    fn targets_that_contradict_each_other_are_named() {
        let gram = vec![vec![1.0, -1.0], vec![-1.0, 1.0]];
        let wanted = [(1.0, f64::INFINITY), (1.0, f64::INFINITY)];
        let error = within_bounds(&gram, &[0.0, 0.0], &wanted, &targets(2)).unwrap_err().to_string();
        assert!(error.contains("good by 1.000 to inf nats and obey_bad by 1.000"), "{error}");
    }

    #[test]
    fn rows_that_push_the_wrong_way_lose_weight() {
        let pushes = vec![vec![-1.0, 0.2, 0.2, 0.2]];
        let weights = row_weights(&pushes, &[(0.0, f64::INFINITY)], 2.0);
        assert!(weights[0] < 0.7 && weights[1] > 1.0, "{weights:?}");
        let sum: f64 = weights.iter().zip(&pushes[0]).map(|(weight, push)| weight * push).sum();
        assert!(sum > -1e-2, "{sum}");
        // Out of reach: no weights push up, so the rows that push down go.
        let weights = row_weights(&[vec![-1.0, -1.0]], &[(1.0, 1.0)], 2.0);
        assert!(weights.iter().all(|weight| *weight < 0.05), "{weights:?}");
    }

    proptest! {
        /// The bounds hold, and no feasible correction is smaller: the multipliers have the signs of active bounds.
        #[test]
        fn the_correction_is_the_smallest_within_bounds(
            rows in prop::collection::vec(prop::collection::vec(-1.0..1.0f64, 6), 3),
            diagonal in prop::collection::vec(0.1..10.0f64, 6),
            effects in prop::collection::vec(-1.0..1.0f64, 3),
            bounds in prop::collection::vec((-1.0..1.0f64, 0.0..1.0f64), 3),
        ) {
            let gram = gram(&rows, &diagonal);
            let bounds: Vec<(f64, f64)> = bounds.iter().map(|(low, width)| (*low, low + width)).collect();
            // Nearly parallel rows are another matter.
            let determinant = gram[0][0] * (gram[1][1] * gram[2][2] - gram[1][2].powi(2))
                - gram[0][1] * (gram[0][1] * gram[2][2] - gram[1][2] * gram[0][2])
                + gram[0][2] * (gram[0][1] * gram[1][2] - gram[1][1] * gram[0][2]);
            prop_assume!(determinant > 1e-2 * gram[0][0] * gram[1][1] * gram[2][2]);
            let found = within_bounds(&gram, &effects, &bounds, &targets(3)).unwrap();
            for k in 0..3 {
                let after = effects[k] + (0..3).map(|l| gram[k][l] * found[l]).sum::<f64>();
                let (low, high) = bounds[k];
                let slack = 1e-4 * gram[k][k].max(1.0);
                prop_assert!(low - slack <= after && after <= high + slack, "{after} {low} {high}");
                // A multiplier pushes up only at its lower bound, down only at its upper one.
                let size = found[k].abs() * gram[k][k];
                let at_its_bound = if found[k] > 0.0 { after < low + 1e-2 } else { after > high - 1e-2 };
                prop_assert!(size < 1e-3 || at_its_bound);
            }
        }
    }
}
