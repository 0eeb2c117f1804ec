//! Several requests at once on one model.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
        mpsc::{Receiver, Sender, channel},
    },
    thread::{JoinHandle, spawn},
};

use titer_model::passes::{Drawing, ScoredToken, generate, score_tokens};

use super::{
    refusal::Refusal,
    shelf::OpenModel,
    text::{before_any, text_of},
};
use crate::device;

/// Tokens that are worked on at once at most; a request that has more goes by itself.
const TOKENS: usize = 1 << 15;

/// What is to be done with rows of tokens.
pub(super) enum Task {
    /// Every token but the first scored, with so many alternatives.
    Score { rows: Vec<Vec<u32>>, top: usize },
    /// A reply to each context; one ends before any of these strings, too.
    Draw { wanted: Vec<(Vec<u32>, Drawing)>, stops: Vec<String> },
}

/// A token for every place, by row.
type Scored = Vec<Vec<ScoredToken>>;

struct QueuedTask {
    model: Arc<OpenModel>,
    task: Task,
    answer: Sender<Result<Scored, Refusal>>,
}

/// Does tasks, several at once where they are for one model. What waits while a model is at work is done together next.
pub(super) struct Queue {
    sender: Mutex<Option<Sender<QueuedTask>>>,
    worker: Mutex<Option<JoinHandle<()>>>,
    stopping: Arc<AtomicBool>,
}

impl Queue {
    /// One that waits for tasks.
    pub(super) fn new() -> Self {
        let (sender, receiver) = channel();
        let stopping = Arc::new(AtomicBool::new(false));
        let flag = Arc::clone(&stopping);
        let worker = spawn(move || work(&receiver, &flag));
        Self { sender: Mutex::new(Some(sender)), worker: Mutex::new(Some(worker)), stopping }
    }

    /// Does a task, and waits for it.
    pub(super) fn ask(&self, model: &Arc<OpenModel>, task: Task) -> Result<Scored, Refusal> {
        let (answer, answered) = channel();
        let sender = self.sender.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let sent = sender.map(|sender| sender.send(QueuedTask { model: Arc::clone(model), task, answer }));
        if !matches!(sent, Some(Ok(()))) {
            return Err(Refusal::stopping());
        }
        // A worker that is gone was lost in a panic, which it has said.
        answered.recv().unwrap_or_else(|_| Err(Refusal::failed("the work failed; see what the server says")))
    }

    /// From now on tasks are refused, those under way too; returns when none is left.
    pub(super) fn stop(&self) {
        self.stopping.store(true, Ordering::Relaxed);
        drop(self.sender.lock().unwrap_or_else(PoisonError::into_inner).take());
        if let Some(worker) = self.worker.lock().unwrap_or_else(PoisonError::into_inner).take() {
            let _ = worker.join();
        }
    }
}

/// Does what comes, until nothing can come any more.
fn work(receiver: &Receiver<QueuedTask>, stopping: &AtomicBool) {
    let mut waiting: VecDeque<QueuedTask> = VecDeque::new();
    loop {
        if waiting.is_empty() {
            let Ok(task) = receiver.recv() else { return };
            waiting.push_back(task);
        }
        waiting.extend(receiver.try_iter());
        let batch = next(&mut waiting);
        let done = match stopping.load(Ordering::Relaxed) {
            true => Err(Refusal::stopping()),
            false => device::guarded(|| together(&batch, stopping)).map_err(|error| Refusal::failed(error.to_string())),
        };
        let done =
            done.and_then(|done| if stopping.load(Ordering::Relaxed) { Err(Refusal::stopping()) } else { Ok(done) });
        // Who asked may have left.
        match done {
            Ok(done) => batch.into_iter().zip(done).for_each(|(task, scored)| drop(task.answer.send(Ok(scored)))),
            Err(refusal) => batch.into_iter().for_each(|task| drop(task.answer.send(Err(refusal.clone())))),
        }
    }
}

/// The first that waits, and those that can be done with it.
fn next(waiting: &mut VecDeque<QueuedTask>) -> Vec<QueuedTask> {
    let mut batch: Vec<QueuedTask> = waiting.pop_front().into_iter().collect();
    let mut tokens: usize = batch.iter().map(|task| task.task.tokens()).sum();
    let mut at = 0;
    while let Some(task) = waiting.get(at) {
        let fits = batch.first().is_some_and(|first| first.is_like(task)) && tokens + task.task.tokens() <= TOKENS;
        if fits {
            tokens += task.task.tokens();
            batch.extend(waiting.remove(at));
        } else {
            at += 1;
        }
    }
    batch
}

impl QueuedTask {
    fn is_like(&self, other: &Self) -> bool {
        let alike = match (&self.task, &other.task) {
            (Task::Score { top: a, .. }, Task::Score { top: b, .. }) => a == b,
            (Task::Draw { .. }, Task::Draw { .. }) => true,
            _ => false,
        };
        alike && Arc::ptr_eq(&self.model, &other.model)
    }
}

impl Task {
    /// Tokens that it needs room for.
    fn tokens(&self) -> usize {
        match self {
            Self::Score { rows, .. } => rows.iter().map(Vec::len).sum(),
            Self::Draw { wanted, .. } => wanted.iter().map(|(context, drawing)| context.len() + drawing.limit).sum(),
        }
    }

    fn rows(&self) -> usize {
        match self {
            Self::Score { rows, .. } => rows.len(),
            Self::Draw { wanted, .. } => wanted.len(),
        }
    }
}

/// Does tasks that are alike; by task.
fn together(batch: &[QueuedTask], stopping: &AtomicBool) -> Vec<Scored> {
    let Some(first) = batch.first() else { return Vec::new() };
    let OpenModel { model, stops: ends } = &*first.model;
    let (mut scored_rows, mut drawn) = (Vec::new(), Vec::new());
    let mut alternatives = 0;
    for QueuedTask { task, .. } in batch {
        match task {
            Task::Score { rows, top } => {
                scored_rows.extend(rows.iter().map(Vec::as_slice));
                alternatives = *top;
            }
            Task::Draw { wanted, stops } => {
                drawn.extend(wanted.iter().map(|(context, drawing)| ((context.as_slice(), drawing), stops)));
            }
        }
    }
    let scored = if drawn.is_empty() {
        score_tokens(&model.decoder, &model.params, &scored_rows, alternatives)
    } else {
        let goes_on = |row: usize, reply: &[ScoredToken]| {
            let tokens: Vec<u32> = reply.iter().map(|scored| scored.token).collect();
            let ended = tokens.last().is_some_and(|last| ends.contains(last));
            let said = |stops: &[String]| before_any(&text_of(&model.tokenizer, &tokens), stops).is_some();
            let stops: &[String] = drawn[row].1;
            !(ended || stopping.load(Ordering::Relaxed) || !stops.is_empty() && said(stops))
        };
        let wanted: Vec<(&[u32], &Drawing)> = drawn.iter().map(|(wanted, _)| *wanted).collect();
        generate(&model.decoder, &model.params, &wanted, &goes_on)
    };
    let mut scored = scored.into_iter();
    batch.iter().map(|task| scored.by_ref().take(task.task.rows()).collect()).collect()
}
