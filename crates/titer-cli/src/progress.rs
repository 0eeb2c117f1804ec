//! Progress on stderr: a bar on a terminal, plain lines elsewhere.

use std::{
    collections::BTreeMap,
    io::IsTerminal as _,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use indicatif::{ProgressBar, ProgressStyle};
use titer::{
    exec::{Progress, SweepProgress},
    plan::RunPlan,
};
use titer_engine::{
    hub,
    kernel::{KernelProgress, PilotProgress},
};

use crate::{
    listener::{Listener, listener},
    printer::talk,
};

/// A bar over optimiser steps with a message and the time left; hidden where stderr is no terminal. Where someone listens, they
/// are told in its place.
pub(crate) struct Bar {
    bar: ProgressBar,
    listener: Option<Arc<dyn Listener>>,
}

impl Bar {
    /// A bar of this many steps.
    pub(crate) fn new(steps: u64) -> Self {
        let listener = listener();
        let shown = listener.is_none() && std::io::stderr().is_terminal();
        let bar = if shown { ProgressBar::new(steps) } else { ProgressBar::hidden() };
        bar.set_length(steps);
        let template = "{bar:30.cyan/dim} {percent:>3} %  {msg}  {eta} left";
        let style = ProgressStyle::with_template(template).expect("the template is valid");
        bar.set_style(style.progress_chars("━━╌"));
        Self { bar, listener }
    }

    /// Advances it.
    pub(crate) fn advance(&self, steps: u64, message: &str) {
        self.bar.set_message(message.to_owned());
        self.bar.inc(steps);
        if let Some(listener) = &self.listener {
            listener.progress(self.bar.position(), self.bar.length().unwrap_or(0), message.trim_end());
        }
    }

    /// Puts it at `done` of `of` steps, which are not known when it is made.
    pub(crate) fn stands_at(&self, done: usize, of: usize, message: &str) {
        self.bar.set_length(of as u64);
        self.bar.set_position(done as u64);
        self.bar.set_message(message.to_owned());
        if let Some(listener) = &self.listener {
            listener.progress(done as u64, of as u64, message);
        }
    }

    /// Removes it.
    pub(crate) fn clear(&self) {
        self.bar.finish_and_clear();
    }

    /// Whether who listens wants the work stopped.
    fn stopped(&self) -> bool {
        self.listener.as_ref().is_some_and(|listener| listener.stopped())
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.clear();
    }
}

/// The progress of kernels: a bar for each measurement and, of pilots, for each training.
#[derive(Default)]
pub(crate) struct KernelBar(Mutex<Option<Bar>>);

impl KernelBar {
    fn set(&self, bar: Option<Bar>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = bar;
    }
}

impl KernelProgress for KernelBar {
    fn begin(&self, ticks: usize) {
        self.set(Some(Bar::new(ticks as u64)));
    }

    fn tick(&self) {
        if let Some(bar) = &*self.0.lock().unwrap_or_else(PoisonError::into_inner) {
            bar.advance(1, "measuring the kernel");
        }
    }

    fn end(&self) {
        self.set(None);
    }

    fn say(&self, line: &str) {
        talk(line);
    }
}

impl PilotProgress for KernelBar {
    fn training(&self, arm: usize, steps: usize) -> Box<dyn SweepProgress + '_> {
        Box::new(SweepBar::new(&[(0, arm, steps)]))
    }
}

/// The progress of a download, file by file.
pub(crate) struct DownloadBar(ProgressBar);

impl DownloadBar {
    /// Nothing yet.
    pub(crate) fn new() -> Self {
        let shown = listener().is_none() && std::io::stderr().is_terminal();
        let bar = if shown { ProgressBar::new(0) } else { ProgressBar::hidden() };
        let template = "{bar:30.cyan/dim} {bytes} of {total_bytes}  {bytes_per_sec}  {msg}  {eta} left";
        let style = ProgressStyle::with_template(template).expect("the template is valid");
        bar.set_style(style.progress_chars("━━╌"));
        Self(bar)
    }

    /// Removes it.
    pub(crate) fn clear(&self) {
        self.0.finish_and_clear();
    }
}

impl hub::DownloadProgress for DownloadBar {
    fn start(&self, file: &str, bytes: u64) {
        self.0.set_length(bytes);
        self.0.set_position(0);
        if self.0.message() != file {
            self.0.set_message(file.to_owned());
            if self.0.is_hidden() {
                talk(&format!("downloading {file}, {:.1} MB", bytes as f64 / 1e6));
            }
        }
    }

    fn advance(&self, bytes: u64) {
        self.0.inc(bytes);
    }
}

/// The progress of a sweep: arms and runs done, the step and loss of the run that moved last, time left.
pub(crate) struct SweepBar {
    bar: Bar,
    plain: bool,
    runs: usize,
    done: AtomicUsize,
    /// Runs still to do of each arm.
    left: Mutex<BTreeMap<usize, usize>>,
    arms: usize,
    arm_of: BTreeMap<usize, usize>,
    started: Instant,
    spoken: Mutex<Duration>,
}

impl SweepBar {
    /// Over the runs that are still to do, given as `(run, arm, steps)`.
    pub(crate) fn new(todo: &[(usize, usize, usize)]) -> Self {
        let mut left = BTreeMap::new();
        todo.iter().for_each(|(_, arm, _)| *left.entry(*arm).or_insert(0) += 1);
        Self {
            bar: Bar::new(todo.iter().map(|(_, _, steps)| *steps as u64).sum()),
            plain: listener().is_none() && !std::io::stderr().is_terminal(),
            runs: todo.len(),
            done: AtomicUsize::new(0),
            arms: left.len(),
            left: Mutex::new(left),
            arm_of: todo.iter().map(|(run, arm, _)| (*run, *arm)).collect(),
            started: Instant::now(),
            spoken: Mutex::new(Duration::ZERO),
        }
    }

    /// Removes the bar.
    pub(crate) fn clear(&self) {
        self.bar.clear();
    }

    fn arms_done(&self) -> usize {
        let left = self.left.lock().unwrap_or_else(PoisonError::into_inner);
        left.values().filter(|left| **left == 0).count()
    }
}

impl SweepProgress for SweepBar {
    fn start(&self, _run: usize, plan: &RunPlan) -> Box<dyn Progress + '_> {
        Box::new(RunBar { sweep: self, steps: plan.steps(), step: AtomicUsize::new(0) })
    }

    fn finish(&self, run: usize) {
        let done = self.done.fetch_add(1, Ordering::Relaxed) + 1;
        if let Some(arm) = self.arm_of.get(&run) {
            let mut left = self.left.lock().unwrap_or_else(PoisonError::into_inner);
            left.entry(*arm).and_modify(|left| *left -= 1);
        }
        if self.plain {
            // A line every ten seconds is enough for a log.
            let elapsed = self.started.elapsed();
            let mut spoken = self.spoken.lock().unwrap_or_else(PoisonError::into_inner);
            if done == self.runs || elapsed > *spoken + Duration::from_secs(10) {
                *spoken = elapsed;
                let left = elapsed.as_secs_f64() / done as f64 * (self.runs - done) as f64;
                talk(&format!(
                    "{done} of {} runs, {} of {} arms, {left:.0} s left",
                    self.runs,
                    self.arms_done(),
                    self.arms
                ));
            }
        }
    }

    fn stopped(&self) -> bool {
        self.bar.stopped()
    }
}

struct RunBar<'a> {
    sweep: &'a SweepBar,
    steps: usize,
    step: AtomicUsize,
}

impl Progress for RunBar<'_> {
    fn step(&self, loss: f64) {
        let step = self.step.fetch_add(1, Ordering::Relaxed) + 1;
        let (done, arms) = (self.sweep.arms_done(), self.sweep.arms);
        let message = format!("arms {done}/{arms}  step {step:>4}/{}  loss {loss:<7.4}", self.steps);
        self.sweep.bar.advance(1, &message);
    }

    fn stopped(&self) -> bool {
        self.sweep.bar.stopped()
    }
}
