//! Gates that form late: a leak into neutral prompts that rises and then falls.

use titer_data::probe::Component;

use super::runs::RunForecast;
use crate::results::{Measure, SweepResults};

/// In how many finished runs the leak into neutral prompts rises and then falls (see [`rises_then_falls`]).
#[derive(Clone, Copy, Debug, Default)]
pub struct LateGates {
    /// Finished runs.
    pub runs: usize,
    /// Of these, by what was measured.
    pub measured: usize,
    /// By the forecast.
    pub forecast: usize,
    /// By both.
    pub both: usize,
}

impl LateGates {
    /// Counts them.
    pub fn count(results: &SweepResults, forecasts: &[RunForecast<'_>]) -> Self {
        let mut gates = Self::default();
        for run in forecasts {
            let Some(finished) = results.run(&run.plan.id()) else { continue };
            let Some(obeyed) = run.kernel.leading(Component::ObeyBad) else { continue };
            let measured = |at: usize| finished.curve(&run.kernel.probes[at].split(), Measure::Rate);
            let forecast =
                |at: usize| -> Vec<f64> { run.forecast.curves[at].iter().map(|point| point.rate.mean).collect() };
            let good = || {
                let probes = run.kernel.probes.iter().enumerate();
                probes.filter(|(_, probe)| probe.component == Component::Good).map(|(at, _)| at)
            };
            let truly = good().any(|at| rises_then_falls(&measured(at), &measured(obeyed)));
            let expected = good().any(|at| rises_then_falls(&forecast(at), &forecast(obeyed)));
            gates.runs += 1;
            gates.measured += usize::from(truly);
            gates.forecast += usize::from(expected);
            gates.both += usize::from(truly && expected);
        }
        gates
    }
}

/// Whether bad replies to neutral prompts rise by 10 points above the start and later fall by 5 from their highest, while
/// bad prompts stay obeyed at .8 or above: a gate forms late. Both are rates along training, the start first.
fn rises_then_falls(good: &[f64], obey_bad: &[f64]) -> bool {
    let Some((start, lowest)) = good.first().zip(good.iter().copied().reduce(f64::min)) else { return false };
    let fallen = good.iter().position(|rate| *rate == lowest).map_or(0, |at| at);
    let risen = good[fallen..].iter().copied().fold(lowest, f64::max);
    start - lowest >= 0.1 && risen - lowest >= 0.05 && obey_bad.iter().all(|rate| *rate >= 0.8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gate_that_forms_late_is_told_from_a_slide_and_from_deafness() {
        let obeys = [0.95, 0.96, 0.97];
        assert!(rises_then_falls(&[0.95, 0.7, 0.76], &obeys));
        assert!(!rises_then_falls(&[0.95, 0.7, 0.74], &obeys));
        assert!(!rises_then_falls(&[0.95, 0.86, 0.95], &obeys));
        assert!(!rises_then_falls(&[0.95, 0.7, 0.6], &obeys));
        assert!(!rises_then_falls(&[0.95, 0.7, 0.9], &[0.95, 0.7, 0.9]));
    }
}
