//! What running a sweep takes, measured on a few steps of it.

use std::{
    collections::BTreeSet,
    num::NonZero,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use titer::{
    exec::{Progress, RunFailed, RunsFailed, SweepProgress, execute},
    plan::{RunPlan, StagePlan, SweepPlan, own_stages},
    spec::DeviceName,
    stats::median,
    store::Sweep,
    words::counted,
};
use titer_engine::{
    device::gpus,
    inputs::Inputs,
    train::{EngineRunner, TrainError},
};

use super::allotted::allotted_threads;
use crate::{numbers::duration, temporary::TemporaryFolder, version::COMMIT};

/// Steps of a run that are looked at; the first is not counted.
const STEPS: usize = 9;

/// What running a sweep takes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cost {
    /// Seconds until all runs are made, with as many at once.
    pub seconds: f64,
    /// Runs that are under way at once.
    pub at_once: usize,
    /// Seconds of an optimiser step of a run, or of a helper's training, median.
    pub step: f64,
    /// Seconds of measuring a model once that is open.
    pub moment: f64,
    /// The most memory that the process had, in bytes, where the system says it.
    pub memory: Option<u64>,
    /// Whether the runs take pressures, which is not in `seconds`.
    pub takes_pressures: bool,
}

impl Cost {
    /// What it says to a person about so many runs.
    pub(super) fn sentence(&self, runs: usize) -> String {
        let Self { seconds, at_once, step, moment, memory, takes_pressures } = *self;
        let memory = memory.map_or_else(String::new, |bytes| format!("; {:.1} GB of memory", bytes as f64 / 1e9));
        let pressures = if takes_pressures { "; pressures come on top" } else { "" };
        format!(
            "{} {} about {}, {at_once} at once: a step takes {}, measuring once {}{memory}{pressures}",
            counted(runs, "run"),
            if runs == 1 { "takes" } else { "take" },
            duration(seconds),
            duration(step),
            duration(moment)
        )
    }

    /// The same for a program.
    pub(super) fn json(&self) -> Value {
        let Self { seconds, at_once, step, moment, memory, takes_pressures } = *self;
        json!({
            "seconds": seconds, "at_once": at_once, "seconds_a_step": step, "seconds_a_measurement": moment, "memory_bytes": memory,
            "pressures_on_top": takes_pressures,
        })
    }
}

/// Makes the first steps of the longest runs in a folder that is taken away again, as many at once as a sweep would.
///
/// # Errors
/// Where such a run fails, or the folder cannot be made.
pub(super) fn measured(plan: &SweepPlan, runs: &[(usize, RunPlan)], inputs: &Inputs) -> Result<Cost, String> {
    let threads = match plan.device {
        DeviceName::Cpu => allotted_threads(),
        device => NonZero::new(gpus(device)).expect("one at the least"),
    };
    let mut longest: Vec<_> = runs.to_vec();
    longest.sort_by_key(|(_, run)| std::cmp::Reverse(run.batches().count()));
    // Twice as many as there are at once: the first ones open the model, which the others find open.
    longest.truncate(2 * threads.get());
    if longest.first().is_none_or(|(_, run)| run.steps() == 0) {
        return Err("--measure: no run of the spec trains".to_owned());
    }
    let folder = TemporaryFolder::new("check");
    let sweep = Sweep::create(folder.path(), plan, &longest).map_err(|error| error.to_string())?;
    let watch = Watch { runs: Mutex::default() };
    let result = execute(&sweep, &longest, &EngineRunner { inputs, commit: COMMIT }, threads, &watch);
    let watched = watch.runs.into_inner().unwrap_or_else(PoisonError::into_inner);
    // That a run was left is no failure here.
    let short = |run: &Watched| run.taken_over + run.times.len() < STEPS.min(longest[0].1.batches().count());
    if watched.iter().any(short) || watched.is_empty() {
        result.map_err(|RunsFailed(failed)| {
            // The others were stopped here, in a folder that goes away: of these there is nothing to say.
            let is_stopped = |run: &RunFailed| matches!(run.problem.downcast_ref(), Some(TrainError::Stopped { .. }));
            let (stopped, failed): (Vec<_>, Vec<_>) = failed.into_iter().partition(is_stopped);
            RunsFailed(if failed.is_empty() { stopped } else { failed }).sentences().join("\nerror: ")
        })?;
    }
    let seconds = |time: Duration| time.as_secs_f64();
    let steps: Vec<f64> =
        watched.iter().flat_map(|run| run.times.windows(2)).map(|pair| seconds(pair[1] - pair[0])).collect();
    // Before its first step a run measures the base, unless one of the same seed has.
    let mut seeds = BTreeSet::new();
    let moments = watched.iter().filter(|run| seeds.insert(run.seed)).filter_map(|run| run.times.first());
    let moment = moments.map(|time| seconds(*time)).fold(f64::INFINITY, f64::min);
    let step = if steps.is_empty() { moment } else { median(&steps) };
    let at_once = threads.get().min(runs.len());
    let bases = runs.iter().map(|(_, run)| run.seed).collect::<BTreeSet<_>>().len();
    let own = own_stages(runs.iter().map(|(_, run)| run)).concat();
    let steps = own.iter().flat_map(|stage| stage.batches()).count();
    // Runs of a sweep measure equally often.
    let every = longest[0].1.probes.every;
    let moments = bases + own.iter().map(|stage| measurements(stage, every)).sum::<usize>();
    let seconds = (steps as f64 * step + moments as f64 * moment) / at_once as f64;
    let takes_pressures = runs.iter().any(|(_, run)| !run.pressure.is_never());
    Ok(Cost { seconds, at_once, step, moment, memory: most_memory(), takes_pressures })
}

/// How often a stage is measured, at its end or every so many steps.
fn measurements(stage: &StagePlan, every: usize) -> usize {
    if every == 0 { 1 } else { stage.steps.div_ceil(every) }
}

/// The most memory that this process had, in bytes.
fn most_memory() -> Option<u64> {
    let status = fs_err::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok().map(|kilobytes| 1024 * kilobytes)
}

/// What is seen of every run; stops it after a few steps.
struct Watch {
    runs: Mutex<Vec<Watched>>,
}

/// What is seen of a run.
#[derive(Default)]
struct Watched {
    seed: u64,
    /// Steps that it need not take itself.
    taken_over: usize,
    /// When its steps were done, since it began.
    times: Vec<Duration>,
}

impl SweepProgress for Watch {
    fn start(&self, _: usize, plan: &RunPlan) -> Box<dyn Progress + '_> {
        let mut runs = self.runs.lock().unwrap_or_else(PoisonError::into_inner);
        runs.push(Watched { seed: plan.seed, ..Watched::default() });
        Box::new(WatchedRun { watch: self, at: runs.len() - 1, begun: Instant::now() })
    }

    fn finish(&self, _: usize) {}
}

struct WatchedRun<'a> {
    watch: &'a Watch,
    at: usize,
    begun: Instant,
}

impl WatchedRun<'_> {
    fn with<T>(&self, look: impl FnOnce(&mut Watched) -> T) -> T {
        look(&mut self.watch.runs.lock().unwrap_or_else(PoisonError::into_inner)[self.at])
    }
}

impl Progress for WatchedRun<'_> {
    fn taken_over(&self, steps: usize) {
        self.with(|run| run.taken_over = steps);
    }

    fn step(&self, _: f64, _: usize) {
        let now = self.begun.elapsed();
        self.with(|run| run.times.push(now));
    }

    fn stopped(&self) -> bool {
        self.with(|run| run.times.len() >= STEPS)
    }
}
