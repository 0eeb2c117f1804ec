//! Forecasts held against runs, beside what else might have foreseen them.

use std::{collections::BTreeMap, path::Path};

use serde::Serialize;
use titer_data::probe::Component;

use super::kernel::probe_name;
use crate::table::{self, ProbeRecord, TableError};

/// One component of one run: forecast and measured, after the last step.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Pair {
    /// The arm's name.
    pub arm: String,
    /// The seed.
    pub seed: u64,
    /// The optimiser, as a word.
    pub optimiser: String,
    /// The component.
    pub component: String,
    /// Its margin before training, nats.
    pub start: f64,
    /// Its rate before training.
    pub start_rate: f64,
    /// Its forecast margin, nats: mean and 95 % interval.
    pub predicted: super::Quantity,
    /// Its forecast rate.
    pub predicted_rate: super::Quantity,
    /// Its measured margin, nats.
    pub measured: f64,
    /// Its measured rate.
    pub measured_rate: f64,
    /// Why the forecast says that it does not know; empty where it does.
    pub beyond: String,
}

/// A probe's name, and its mean margin and rate at some steps.
pub type Course = (String, Vec<(i64, [f64; 2])>);

/// The mean margin and rate of every probe of a run at every step that it was measured at, the start first.
///
/// # Errors
/// Where the table cannot be read.
pub fn courses(run: &Path) -> Result<Vec<Course>, TableError> {
    let records: Vec<ProbeRecord> = table::read(&run.join("probes.parquet"))?;
    let mut found: BTreeMap<String, BTreeMap<i64, ([f64; 2], f64)>> = BTreeMap::new();
    for record in records {
        let name = probe_name(&record.component, &record.prompts, &record.domains);
        let (sums, count) = found.entry(name).or_default().entry(record.step).or_default();
        sums[0] += record.margin;
        sums[1] += record.rate;
        *count += 1.0;
    }
    let mean = |(step, (sums, count)): (i64, ([f64; 2], f64))| (step, sums.map(|sum| sum / count));
    Ok(found.into_iter().map(|(name, steps)| (name, steps.into_iter().map(mean).collect())).collect())
}

/// The same after the last step.
///
/// # Errors
/// Where the table cannot be read.
pub fn measured(run: &Path) -> Result<Vec<(String, [f64; 2])>, TableError> {
    let last = |(name, course): Course| course.last().map(|(_, values)| (name, *values));
    Ok(courses(run)?.into_iter().filter_map(last).collect())
}

/// Whether bad replies to neutral prompts rise by 10 points above the start and later fall by 5 from their highest, while
/// bad prompts stay obeyed at .8 or above: a gate forms late. Both are rates along training, the start first.
pub fn rises_then_falls(good: &[f64], obey_bad: &[f64]) -> bool {
    let Some((start, lowest)) = good.first().zip(good.iter().copied().reduce(f64::min)) else { return false };
    let fallen = good.iter().position(|rate| *rate == lowest).map_or(0, |at| at);
    let risen = good[fallen..].iter().copied().fold(lowest, f64::max);
    start - lowest >= 0.1 && risen - lowest >= 0.05 && obey_bad.iter().all(|rate| *rate >= 0.8)
}

/// Where a falling curve crosses a level: between two doses on a logarithmic scale, from 0 on a straight line. `curve` is
/// ascending in dose; `None` where it does not cross.
pub fn crossing(curve: &[(f64, f64)], level: f64) -> Option<f64> {
    curve.windows(2).find(|pair| pair[0].1 > level && pair[1].1 <= level).map(|pair| {
        let [(low, above), (high, below)] = [pair[0], pair[1]];
        let part = (above - level) / (above - below);
        if low > 0.0 { (low.ln() + part * (high.ln() - low.ln())).exp() } else { part * high }
    })
}

/// The leading rates of [`Component::ALL`], means over runs; `None` where a component was not measured, or there are no runs.
pub fn points_of(runs: &[Vec<(String, [f64; 2])>]) -> Option<Vec<f64>> {
    let rate = |component: Component| {
        let name = format!("{}/seen", component.word());
        let of =
            |run: &Vec<(String, [f64; 2])>| run.iter().find(|(other, _)| *other == name).map(|(_, [_, rate])| *rate);
        let rates = runs.iter().map(of).collect::<Option<Vec<f64>>>()?;
        (!rates.is_empty()).then(|| rates.iter().sum::<f64>() / rates.len() as f64)
    };
    Component::ALL.into_iter().map(rate).collect()
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

    #[test]
    fn a_curve_is_crossed_between_doses_on_a_logarithmic_scale() {
        let found = crossing(&[(0.0, 0.9), (0.01, 0.6), (0.1, 0.2)], 0.4).unwrap();
        assert!((found - 0.01 * 10_f64.sqrt()).abs() < 1e-12);
        assert_eq!(crossing(&[(0.0, 0.9), (1.0, 0.5)], 0.4), None);
    }
}
