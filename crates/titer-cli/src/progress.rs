//! Progress on stderr: a bar on a terminal, plain lines elsewhere.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::IsTerminal as _,
    sync::{
        Arc, Mutex, OnceLock, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use indicatif::{ProgressBar, ProgressStyle};
use titer::{
    exec::{Progress, SweepProgress},
    plan::{RunPlan, own_stages},
    words::visible,
};
use titer_engine::{
    hub,
    kernel::{KernelProgress, PilotProgress},
};

use crate::{
    listener::{Listener, leave_where_stopped, listener},
    numbers::duration,
    printer::{spoken, talk},
};

/// A bar over steps with a message and the time left: on a terminal a line that is drawn over, elsewhere a line every few seconds.
/// Where someone listens, they are told in its place.
pub(crate) struct Bar {
    bar: ProgressBar,
    noun: &'static str,
    listener: Option<Arc<dyn Listener>>,
    /// Whether the command is left where who listens wants it stopped; what ends in order sees to that itself.
    leaves: bool,
    pace: Mutex<Pace>,
    /// When something was last said, where stderr is no terminal.
    spoken: Option<Mutex<Instant>>,
}

/// Seconds between two lines where stderr is no terminal.
const BETWEEN: Duration = Duration::from_secs(5);

impl Bar {
    /// A bar of this many steps, which are called `noun`.
    pub(crate) fn new(steps: u64, noun: &'static str) -> Self {
        let listener = listener();
        let is_terminal = std::io::stderr().is_terminal();
        let shown = listener.is_none() && is_terminal;
        let bar = if shown { ProgressBar::new(steps) } else { ProgressBar::hidden() };
        bar.set_length(steps);
        // 24 for the bar and 8 for the share leave 48 for the message on the narrowest terminal.
        let style =
            ProgressStyle::with_template("{bar:24.cyan/dim} {percent:>3} %  {msg}").expect("the template is valid");
        bar.set_style(style.progress_chars("━━╌"));
        let spoken = (listener.is_none() && !is_terminal).then(|| Mutex::new(Instant::now()));
        Self { bar, noun, listener, leaves: true, pace: Mutex::default(), spoken }
    }

    /// Advances it.
    pub(crate) fn advance(&self, steps: u64, message: &str) {
        self.bar.inc(steps);
        self.say(message, Left::Known);
    }

    /// Advances it where work that is no step has yet to be seen once.
    fn advance_at_least(&self, steps: u64, message: &str) {
        self.bar.inc(steps);
        self.say(message, Left::AtLeast);
    }

    /// Changes how many steps there are in all.
    fn lengthen(&self, more: u64, less: u64) {
        self.bar.inc_length(more);
        self.bar.dec_length(less);
    }

    /// Puts it at `done` of `of` steps, which are not known when it is made.
    pub(crate) fn stands_at(&self, done: usize, of: usize, message: &str) {
        self.bar.set_length(of as u64);
        self.bar.set_position(done as u64);
        self.say(message, Left::Known);
    }

    fn say(&self, message: &str, left: Left) {
        let (done, of) = (self.bar.position(), self.bar.length().unwrap_or(0));
        if let Some(listener) = &self.listener {
            listener.progress(done, of, if message.is_empty() { self.noun } else { message });
            if self.leaves {
                leave_where_stopped(&**listener);
            }
            return;
        }
        let pace = self.pace.lock().unwrap_or_else(PoisonError::into_inner).at(Instant::now(), done);
        let left = pace.map(|pace| left.said(of.saturating_sub(done) as f64 / pace));
        let said: Vec<&str> = [message].into_iter().chain(left.as_deref()).filter(|part| !part.is_empty()).collect();
        let said = said.join(" · ");
        self.bar.set_message(visible(&said).into_owned());
        let Some(spoken) = &self.spoken else { return };
        let mut spoken = spoken.lock().unwrap_or_else(PoisonError::into_inner);
        if spoken.elapsed() >= BETWEEN {
            *spoken = Instant::now();
            talk(format!("{done} of {of} {} · {said}", self.noun).trim_end_matches(" · "));
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

/// What the time that the steps to go will take says of the time to go.
#[derive(Clone, Copy)]
enum Left {
    /// That is it.
    Known,
    /// There is other work besides, of which none has been seen.
    AtLeast,
}

impl Left {
    fn said(self, seconds: f64) -> String {
        let bound = if matches!(self, Self::AtLeast) { "≥ " } else { "" };
        format!("{bound}{} left", duration(seconds))
    }
}

/// How fast steps are done, from the first one on: what comes before it, such as opening a model, is no step.
#[derive(Default)]
struct Pace(Option<(Instant, u64)>);

impl Pace {
    /// Steps a second with `done` of them done now; `None` until that can be told.
    fn at(&mut self, now: Instant, done: u64) -> Option<f64> {
        let (since, before) = *self.0.get_or_insert((now, done));
        let (seconds, steps) = ((now - since).as_secs_f64(), done.saturating_sub(before));
        (seconds >= 1.0 && steps >= 3).then(|| steps as f64 / seconds)
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
        self.set(Some(Bar::new(ticks as u64, "gradients")));
    }

    fn tick(&self) {
        if let Some(bar) = &*self.0.lock().unwrap_or_else(PoisonError::into_inner) {
            bar.advance(1, "of the kernel");
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
    fn training(&self, _arm: usize, steps: usize) -> Box<dyn SweepProgress + '_> {
        Box::new(SweepBar::new([steps]))
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

/// The progress of a sweep: runs done, the loss of the run that moved last, tokens a second, time left.
pub(crate) struct SweepBar {
    bar: Bar,
    runs: usize,
    /// The steps that a run is expected to take over from another, by its index among the planned ones; none where that is 0.
    taken_over: BTreeMap<usize, usize>,
    done: AtomicUsize,
    tokens: AtomicUsize,
    begun: OnceLock<Instant>,
    /// What has been said of a run, so that it is not said of the next one too.
    said: Mutex<BTreeSet<String>>,
}

impl SweepBar {
    /// Over the runs that are still to do, given by their steps.
    pub(crate) fn new(steps: impl IntoIterator<Item = usize>) -> Self {
        let steps: Vec<usize> = steps.into_iter().collect();
        let mut bar = Bar::new(steps.iter().sum::<usize>() as u64, "steps");
        bar.leaves = false;
        Self {
            bar,
            runs: steps.len(),
            taken_over: BTreeMap::new(),
            done: AtomicUsize::new(0),
            tokens: AtomicUsize::new(0),
            begun: OnceLock::new(),
            said: Mutex::default(),
        }
    }

    /// Over these runs, by their indices among the planned ones, made in this order: what they begin with alike is trained once.
    pub(crate) fn of_runs<'a>(runs: impl IntoIterator<Item = (usize, &'a RunPlan)>) -> Self {
        let runs: Vec<(usize, &RunPlan)> = runs.into_iter().collect();
        let own = own_stages(runs.iter().map(|(_, run)| *run));
        let own: Vec<usize> = own.iter().map(|own| own.iter().flat_map(|stage| stage.batches()).count()).collect();
        let taken_over = runs.iter().zip(&own).map(|((at, run), own)| (*at, run.batches().count() - own));
        Self { taken_over: taken_over.collect(), ..Self::new(own.iter().copied()) }
    }

    /// Removes the bar.
    pub(crate) fn clear(&self) {
        self.bar.clear();
    }

    /// Tokens a second of all runs together, prompts included, from the first step on.
    fn rate(&self, tokens: usize) -> String {
        let Some(begun) = self.begun.get() else {
            let _ = self.begun.set(Instant::now());
            return String::new();
        };
        let tokens = self.tokens.fetch_add(tokens, Ordering::Relaxed) + tokens;
        let seconds = begun.elapsed().as_secs_f64();
        if seconds < 1.0 { String::new() } else { format!(" · {} tokens/s", short(tokens as f64 / seconds)) }
    }
}

/// A number in two or three digits.
fn short(number: f64) -> String {
    match number {
        0.0..10.0 => format!("{number:.1}"),
        10.0..1000.0 => format!("{number:.0}"),
        1000.0..10_000.0 => format!("{:.1}k", number / 1000.0),
        _ => format!("{:.0}k", number / 1000.0),
    }
}

impl SweepProgress for SweepBar {
    fn start(&self, run: usize, _: &RunPlan) -> Box<dyn Progress + '_> {
        let expected = self.taken_over.get(&run).copied().unwrap_or(0);
        Box::new(RunBar { sweep: self, expected, memory: Mutex::default() })
    }

    fn finish(&self, _run: usize) {
        self.done.fetch_add(1, Ordering::Relaxed);
    }

    fn stopped(&self) -> bool {
        self.bar.stopped()
    }
}

struct RunBar<'a> {
    sweep: &'a SweepBar,
    /// The steps that it is expected to take over.
    expected: usize,
    /// What the device's memory held last.
    memory: Mutex<String>,
}

impl Progress for RunBar<'_> {
    fn taken_over(&self, steps: usize) {
        // Two runs that begin alike at once train it both; after an interruption the first has it too.
        self.sweep.bar.lengthen(self.expected as u64, steps as u64);
    }

    fn step(&self, loss: f64, tokens: usize) {
        let (sweep, rate) = (self.sweep, self.sweep.rate(tokens));
        let (done, runs) = (sweep.done.load(Ordering::Relaxed), sweep.runs);
        let memory = self.memory.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let message = format!("runs {done}/{runs} · loss {}{rate}{memory}", short_loss(loss));
        // What a run measures at its end is no step, and is not known before one has ended.
        if done == 0 { sweep.bar.advance_at_least(1, &message) } else { sweep.bar.advance(1, &message) }
    }

    fn memory(&self, used: u64, all: u64) {
        *self.memory.lock().unwrap_or_else(PoisonError::into_inner) = of_memory(used, all);
    }

    fn note(&self, sentence: &str) {
        let mut said = self.sweep.said.lock().unwrap_or_else(PoisonError::into_inner);
        if said.insert(sentence.to_owned()) {
            self.sweep.bar.bar.suspend(|| spoken(sentence));
        }
    }

    fn stopped(&self) -> bool {
        self.sweep.bar.stopped()
    }
}

/// What a device's memory holds, at the end of a line.
fn of_memory(used: u64, all: u64) -> String {
    format!(" · {}/{} GB", short(used as f64 / 1e9), short(all as f64 / 1e9))
}

/// A loss in four characters or so, so that the line keeps its width.
fn short_loss(loss: f64) -> String {
    if loss < 10.0 { format!("{loss:.2}") } else { format!("{loss:.1}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_said_in_few_letters() {
        assert_eq!(of_memory(1_250_000_000, 84_900_000_000), " · 1.2/85 GB");
    }

    #[test]
    fn a_time_to_go_is_a_bound_until_a_run_has_ended() {
        assert_eq!(
            (Left::AtLeast.said(90.0), Left::Known.said(90.0)),
            ("≥ 90 s left".to_owned(), "90 s left".to_owned())
        );
    }

    #[test]
    fn a_time_to_go_is_not_said_before_it_can_be_known() {
        let (start, mut pace) = (Instant::now(), Pace::default());
        let later = |seconds: f64| start + Duration::from_secs_f64(seconds);
        // Opening the model took long, and is not counted.
        assert_eq!(pace.at(later(60.0), 1), None);
        assert_eq!(pace.at(later(60.5), 9), None, "half a second says little");
        assert_eq!(pace.at(later(62.0), 3), None, "and so do two steps");
        assert_eq!(pace.at(later(64.0), 41), Some(10.0));
    }
}
