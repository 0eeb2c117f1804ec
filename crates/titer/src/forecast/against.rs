//! Forecasts held against runs, beside what else might have foreseen them.

use std::path::Path;

use serde::Serialize;
use titer_data::probe::Component;

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
    /// Whether the forecast says that it does not know.
    pub beyond: bool,
}

/// The mean margin and rate of every probe at the last step of a run, by its name.
///
/// # Errors
/// Where the table cannot be read.
pub fn measured(run: &Path) -> Result<Vec<(String, [f64; 2])>, TableError> {
    let records: Vec<ProbeRecord> = table::read(&run.join("probes.parquet"))?;
    let last = records.iter().map(|record| record.step).max().unwrap_or(0);
    let mut found: Vec<(String, [f64; 2], f64)> = Vec::new();
    for record in records.iter().filter(|record| record.step == last) {
        let short = format!("{}/{}", record.component, record.prompts);
        let name = if record.domains == "trained" { short } else { format!("{short}/{}", record.domains) };
        let at = found.iter().position(|(other, ..)| *other == name).unwrap_or_else(|| {
            found.push((name, [0.0; 2], 0.0));
            found.len() - 1
        });
        found[at].1[0] += record.margin;
        found[at].1[1] += record.rate;
        found[at].2 += 1.0;
    }
    Ok(found.into_iter().map(|(name, sums, count)| (name, sums.map(|sum| sum / count))).collect())
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
