//! A forecast: margins and rates of every probe along training, with intervals.

use serde::Serialize;

use super::{
    batches::{ForecastError, Placement, kinds, stage_batches},
    calibration::Calibration,
    kernel::Kernel,
    known::known,
    motion::{Motion, Moved, Trajectory},
    value::ForecastValue,
};
use crate::plan::StagePlan;

/// One probe at one moment.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Point {
    /// Optimiser steps since the run began.
    pub step: usize,
    /// The probe's margin, nats.
    pub margin: ForecastValue,
    /// Its rate.
    pub rate: ForecastValue,
}

/// What is foreseen of a mix.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Forecast {
    /// The probes' names.
    pub probes: Vec<String>,
    /// Each probe along training, the start first, `[probes][moments]`.
    pub curves: Vec<Vec<Point>>,
    /// Why it goes beyond what forecasts have been held against: then it does not know.
    pub beyond: Vec<String>,
    /// Whether each probe's rate after training is left open too wide: then it does not know either.
    pub open: Vec<bool>,
    /// What is known of each rate even so, in words.
    pub known: Vec<String>,
}

/// What a forecast says of a rate that it leaves open.
pub const LEFT_OPEN: &str = "its rate is left open within more than 30 points";

impl Forecast {
    /// Why it does not know what becomes of a probe, in words; empty where it does.
    pub fn does_not_know(&self, probe: usize) -> String {
        let open = self.left_open(probe).map(|known| format!("{LEFT_OPEN}, {known}"));
        self.beyond.iter().cloned().chain(open).collect::<Vec<_>>().join("; ")
    }

    /// What is known of a probe's rate even so where it is left open too wide.
    pub(super) fn left_open(&self, probe: usize) -> Option<&str> {
        self.open[probe].then_some(self.known[probe].as_str())
    }
}

/// Forecasts these stages; a point every `every` steps (0: only at the end), for these probes of the kernel.
///
/// # Errors
/// Where the kernel lacks what is trained.
pub fn forecast(
    kernel: &Kernel,
    stages: &[StagePlan],
    placement: Placement,
    every: usize,
    probes: &[usize],
    calibration: &Calibration,
) -> Result<Forecast, ForecastError> {
    let kinds = kinds(kernel, stages)?;
    let batches = stage_batches(kernel, &kinds, stages, placement);
    let course = |speed: f64| Trajectory { stages: &batches, speed };
    // The forecast, then the ends of the band of speeds that each component's error names.
    let errors = calibration.errors(stages);
    let [good, obey_bad, obey] = errors.map(|error| error.speed);
    let courses = [0.0, -good, good, -obey_bad, obey_bad, -obey, obey].map(|speed: f64| course(speed.exp()));
    let whole = Motion::new(kernel, None, &kinds, probes).run(&courses, every);
    let replicas = (0..kernel.replicas.len()).map(|group| Motion::new(kernel, Some(group), &kinds, probes));
    let replicas: Vec<_> = replicas.map(|motion| motion.run(&[course(1.0)], every)).collect();
    let curve = |(at, &probe): (usize, &usize)| {
        let output = &kernel.probes[probe];
        let error = errors[kernel.probes[probe].component.index()];
        let start = Point {
            step: 0,
            margin: ForecastValue { mean: output.margin, low: output.margin, high: output.margin },
            rate: exactly(output.rate(0.0)),
        };
        let point = |(moment, (step, moved)): (usize, &Moved)| {
            let change = moved[at][0];
            let sampling = jackknife(replicas.iter().map(|replica| replica[moment].1[at][0]));
            let fixed = sampling + error.place.powi(2) + (error.share * change).powi(2);
            let [slow, fast] = [1, 2].map(|end| moved[at][2 * kernel.probes[probe].component.index() + end] - change);
            // A standard deviation on either side.
            let side = |sign: f64| {
                let speed = [slow, fast].into_iter().map(|difference| sign * difference).fold(0.0, f64::max);
                1.96 * error.widen * (fixed + speed * speed).sqrt()
            };
            let (low, high) = (change - side(-1.0), change + side(1.0));
            let margin = |change: f64| output.margin + change;
            Point {
                step: *step,
                margin: ForecastValue { mean: margin(change), low: margin(low), high: margin(high) },
                rate: ForecastValue { mean: output.rate(change), low: output.rate(low), high: output.rate(high) },
            }
        };
        std::iter::once(start).chain(whole.iter().enumerate().map(point)).collect()
    };
    let curves: Vec<Vec<Point>> = probes.iter().enumerate().map(curve).collect();
    let open = |curve: &Vec<Point>| curve.last().is_some_and(|end| end.rate.high - end.rate.low > calibration.widest);
    let known = |(curve, &probe): (&Vec<Point>, &usize)| {
        let (output, end) = (&kernel.probes[probe], curve.last().map_or(curve[0].margin, |end| end.margin));
        let change = |margin: f64| margin - output.margin;
        let change = ForecastValue { mean: change(end.mean), low: change(end.low), high: change(end.high) };
        known(|change| output.rate(change), change)
    };
    Ok(Forecast {
        known: curves.iter().zip(probes).map(known).collect(),
        probes: probes.iter().map(|&probe| kernel.probes[probe].split().short_name()).collect(),
        open: curves.iter().map(open).collect(),
        curves,
        beyond: calibration.beyond(&kernel.about, stages),
    })
}

fn exactly(value: f64) -> ForecastValue {
    ForecastValue { mean: value, low: value, high: value }
}

/// Variance of the mean of all groups, from what it is without each.
fn jackknife(without: impl Iterator<Item = f64>) -> f64 {
    let values: Vec<f64> = without.collect();
    if values.len() < 2 {
        return 0.0;
    }
    let count = values.len() as f64;
    let mean = values.iter().sum::<f64>() / count;
    (count - 1.0) / count * values.iter().map(|value| (value - mean).powi(2)).sum::<f64>()
}

/// The changes of the probes' margins after the last step of every mix, `[mixes][probes]`: the fast path of plans. Up to
/// [`LANES`](super::LANES) mixes go side by side, each a list of stages that differ from the others' in their mix alone.
///
/// # Errors
/// Where the kernel lacks what is trained.
///
/// # Panics
/// As [`Motion::run`], and where there is no mix.
pub fn last<S: AsRef<[StagePlan]>>(
    kernel: &Kernel,
    mixes: &[S],
    probes: &[usize],
) -> Result<Vec<Vec<f64>>, ForecastError> {
    let kinds = kinds(kernel, mixes.iter().flat_map(AsRef::as_ref))?;
    let all: Vec<_> = mixes.iter().map(|mix| stage_batches(kernel, &kinds, mix.as_ref(), Placement::Even)).collect();
    let courses: Vec<Trajectory<'_>> = all.iter().map(|stages| Trajectory { stages, speed: 1.0 }).collect();
    let ends = Motion::new(kernel, None, &kinds, probes).run(&courses, 0).pop();
    let end = |lane: usize| ends.iter().flat_map(|(_, moved)| moved).map(|moved| moved[lane]).collect();
    Ok((0..mixes.len()).map(end).collect())
}
