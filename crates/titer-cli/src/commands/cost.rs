//! What running a sweep takes, measured on a few steps of it.

use std::{
    num::NonZero,
    path::PathBuf,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use titer::{
    exec::{Progress, SweepProgress, execute},
    plan::{RunPlan, SweepPlan},
    spec::DeviceName,
    stats::median,
    store::Sweep,
};
use titer_engine::{device::gpus, inputs::Inputs, train::EngineRunner};

use super::allotted::allotted_threads;
use crate::{numbers::duration, version::COMMIT};

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
            "{runs} runs take about {}, {at_once} at once: a step takes {}, measuring once {}{memory}{pressures}",
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
    let folder = Folder::new();
    let sweep = Sweep::create(&folder.0, plan, &longest).map_err(|error| error.to_string())?;
    let watch = Watch { times: Mutex::default() };
    let result = execute(&sweep, &longest, &EngineRunner { inputs, commit: COMMIT }, threads, &watch);
    let times = watch.times.into_inner().unwrap_or_else(PoisonError::into_inner);
    // That a run was left is no failure here.
    if times.iter().any(|times| times.len() < STEPS.min(longest[0].1.batches().count())) || times.is_empty() {
        result.map_err(|error| error.to_string())?;
    }
    let seconds = |time: Duration| time.as_secs_f64();
    let steps: Vec<f64> =
        times.iter().flat_map(|times| times.windows(2)).map(|pair| seconds(pair[1] - pair[0])).collect();
    let moments: Vec<f64> = times.iter().filter_map(|times| times.first()).map(|time| seconds(*time)).collect();
    let moment = moments.iter().copied().fold(f64::INFINITY, f64::min);
    let step = if steps.is_empty() { moment } else { median(&steps) };
    let at_once = threads.get().min(runs.len());
    let alone = |run: &RunPlan| run.batches().count() as f64 * step + measurements(run) as f64 * moment;
    let seconds = runs.iter().map(|(_, run)| alone(run)).sum::<f64>() / at_once as f64;
    let takes_pressures = runs.iter().any(|(_, run)| !run.pressure.is_never());
    Ok(Cost { seconds, at_once, step, moment, memory: most_memory(), takes_pressures })
}

/// How often a run measures.
fn measurements(run: &RunPlan) -> usize {
    let within = |steps: usize| if run.probes.every == 0 { 1 } else { steps.div_ceil(run.probes.every) };
    1 + run.stages.iter().map(|stage| within(stage.steps)).sum::<usize>()
}

/// The most memory that this process had, in bytes.
fn most_memory() -> Option<u64> {
    let status = fs_err::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok().map(|kilobytes| 1024 * kilobytes)
}

/// A folder of this process that is taken away in the end.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        Self(std::env::temp_dir().join(format!("titer-check-{}-{count}", std::process::id())))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs_err::remove_dir_all(&self.0);
    }
}

/// When the steps of runs were done, since each began; stops it after a few.
struct Watch {
    times: Mutex<Vec<Vec<Duration>>>,
}

impl SweepProgress for Watch {
    fn start(&self, _: usize, _: &RunPlan) -> Box<dyn Progress + '_> {
        let mut times = self.times.lock().unwrap_or_else(PoisonError::into_inner);
        times.push(Vec::new());
        Box::new(WatchedRun { watch: self, at: times.len() - 1, begun: Instant::now() })
    }

    fn finish(&self, _: usize) {}
}

struct WatchedRun<'a> {
    watch: &'a Watch,
    at: usize,
    begun: Instant,
}

impl WatchedRun<'_> {
    fn with<T>(&self, look: impl FnOnce(&mut Vec<Duration>) -> T) -> T {
        look(&mut self.watch.times.lock().unwrap_or_else(PoisonError::into_inner)[self.at])
    }
}

impl Progress for WatchedRun<'_> {
    fn step(&self, _: f64, _: usize) {
        let now = self.begun.elapsed();
        self.with(|times| times.push(now));
    }

    fn stopped(&self) -> bool {
        self.with(|times| times.len() >= STEPS)
    }
}
