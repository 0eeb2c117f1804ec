//! Several requests at once on one model.

use std::{
    collections::VecDeque,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
        mpsc::{Receiver, RecvTimeoutError, Sender, channel},
    },
    thread::{JoinHandle, sleep, spawn},
    time::{Duration, Instant},
};

use titer_model::passes::{Drawing, ScoredToken, generate, score_tokens};

use super::{
    refusal::Refusal,
    shelf::OpenModel,
    text::{before_any, text_of},
    turns::Turn,
};
use crate::device;

/// Tokens that are worked on at once at most; a request that has more goes by itself.
const TOKENS: usize = 1 << 15;

/// How often it is looked whether the worker is done, or everybody is to stop.
const LOOK: Duration = Duration::from_millis(20);

/// What is to be done with rows of tokens.
pub(super) enum Task {
    /// Every token but the first scored, with so many alternatives.
    Score { rows: Vec<Vec<u32>>, top: usize },
    /// A reply to each context; one ends before any of these strings, too. Who hears the tokens hears each when it is drawn.
    Draw { wanted: Vec<(Vec<u32>, Drawing)>, stops: Vec<String>, heard: Option<Sender<HeardToken>> },
}

/// Which reply of its task a token goes on, and the token.
pub(super) type HeardToken = (usize, ScoredToken);

/// A token for every place, by row.
pub(super) type Scored = Vec<Vec<ScoredToken>>;

struct QueuedTask {
    model: Arc<OpenModel>,
    task: Task,
    answer: Sender<Result<Scored, Refusal>>,
    /// Whose turn ends with the task.
    turn: Option<Turn>,
}

/// A task that is waited for.
pub(super) struct UnderWay {
    answered: Receiver<Result<Scored, Refusal>>,
    stopping: Arc<AtomicBool>,
}

/// What comes of waiting.
pub(super) enum Waited<T> {
    /// What was waited for.
    Come(T),
    /// Nothing can come any more.
    Over,
    /// The server is about to end.
    Stopping,
}

impl UnderWay {
    /// What came of it. Where the server is about to end, the task is not waited for: what is scored is scored to its end, which takes long on a
    /// large model.
    pub(super) fn wait(self) -> Result<Scored, Refusal> {
        match self.next(&self.answered) {
            Waited::Come(scored) => scored,
            // A worker that is gone was lost in a panic, which it has said.
            Waited::Over => Err(Refusal::failed("the work failed; see what the server says")),
            Waited::Stopping => Err(Refusal::stopping()),
        }
    }

    /// What comes next of something that the task tells.
    pub(super) fn next<T>(&self, told: &Receiver<T>) -> Waited<T> {
        loop {
            match told.recv_timeout(LOOK) {
                Ok(one) => return Waited::Come(one),
                Err(RecvTimeoutError::Disconnected) => return Waited::Over,
                Err(RecvTimeoutError::Timeout) if self.stopping.load(Ordering::Relaxed) => return Waited::Stopping,
                Err(RecvTimeoutError::Timeout) => {}
            }
        }
    }
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
        self.begin(model, task, None)?.wait()
    }

    /// Has a task done, without waiting for it; a turn that is given ends with it.
    pub(super) fn begin(&self, model: &Arc<OpenModel>, task: Task, turn: Option<Turn>) -> Result<UnderWay, Refusal> {
        let (answer, answered) = channel();
        let stopping = Arc::clone(&self.stopping);
        let sender = self.sender.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let sent = sender.map(|sender| sender.send(QueuedTask { model: Arc::clone(model), task, answer, turn }));
        match sent {
            Some(Ok(())) => Ok(UnderWay { answered, stopping }),
            _ => Err(Refusal::stopping()),
        }
    }

    /// From now on tasks are refused, those under way too.
    pub(super) fn stop(&self) {
        self.stopping.store(true, Ordering::Relaxed);
        drop(self.sender.lock().unwrap_or_else(PoisonError::into_inner).take());
    }

    /// Returns when nothing is worked on any more, or at this time. It has been stopped before.
    pub(super) fn wait(&self, until: Instant) {
        let worker = self.worker.lock().unwrap_or_else(PoisonError::into_inner).take();
        while worker.as_ref().is_some_and(|worker| !worker.is_finished()) && Instant::now() < until {
            sleep(LOOK);
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
        let mut batch = next(&mut waiting);
        let done = match stopping.load(Ordering::Relaxed) {
            true => Err(Refusal::stopping()),
            false => done_together(&batch, stopping),
        };
        let done =
            done.and_then(|done| if stopping.load(Ordering::Relaxed) { Err(Refusal::stopping()) } else { Ok(done) });
        batch.iter_mut().for_each(|task| drop(task.turn.take()));
        // Who asked may have left.
        match done {
            Ok(done) => batch.into_iter().zip(done).for_each(|(task, scored)| drop(task.answer.send(Ok(scored)))),
            Err(refusal) => batch.into_iter().for_each(|task| drop(task.answer.send(Err(refusal.clone())))),
        }
    }
}

/// Does tasks that are alike. Where that comes down, it is these that are lost, and not who would do the next.
fn done_together(batch: &[QueuedTask], stopping: &AtomicBool) -> Result<Vec<Scored>, Refusal> {
    let work = || device::guarded(|| together(batch, stopping)).map_err(|error| Refusal::failed(error.to_string()));
    catch_unwind(AssertUnwindSafe(work))
        .unwrap_or_else(|_| Err(Refusal::failed("the work failed; see what the server says")))
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

/// A reply that is drawn, as its task wants it.
struct DrawnReply<'a> {
    context: &'a [u32],
    drawing: &'a Drawing,
    stops: &'a [String],
    heard: Option<&'a Sender<HeardToken>>,
    /// Which reply of its task.
    at: usize,
}

impl DrawnReply<'_> {
    /// Whether it goes on behind its last token, which is told where somebody hears it.
    fn goes_on(&self, reply: &[ScoredToken], OpenModel { model, stops: ends }: &OpenModel) -> bool {
        let Some(last) = reply.last() else { return true };
        // Who heard may have left.
        let left = self.heard.is_some_and(|heard| heard.send((self.at, last.clone())).is_err());
        let tokens: Vec<u32> = reply.iter().map(|scored| scored.token).collect();
        let said = || before_any(&text_of(&model.tokenizer, &tokens), self.stops).is_some();
        !(left || ends.contains(&last.token) || !self.stops.is_empty() && said())
    }
}

/// Does tasks that are alike; by task.
fn together(batch: &[QueuedTask], stopping: &AtomicBool) -> Vec<Scored> {
    let Some(first) = batch.first() else { return Vec::new() };
    let open = &*first.model;
    let model = &open.model;
    let (mut scored_rows, mut drawn) = (Vec::new(), Vec::new());
    let mut alternatives = 0;
    for QueuedTask { task, .. } in batch {
        match task {
            Task::Score { rows, top } => {
                scored_rows.extend(rows.iter().map(Vec::as_slice));
                alternatives = *top;
            }
            Task::Draw { wanted, stops, heard } => {
                let heard = heard.as_ref();
                let reply = |(at, (context, drawing))| DrawnReply { context, drawing, stops, heard, at };
                drawn.extend(
                    wanted.iter().map(|(context, drawing)| (context.as_slice(), drawing)).enumerate().map(reply),
                );
            }
        }
    }
    let scored = if drawn.is_empty() {
        score_tokens(&model.decoder, &model.params, &scored_rows, alternatives)
    } else {
        let goes_on =
            |row: usize, reply: &[ScoredToken]| drawn[row].goes_on(reply, open) && !stopping.load(Ordering::Relaxed);
        let wanted: Vec<(&[u32], &Drawing)> = drawn.iter().map(|reply| (reply.context, reply.drawing)).collect();
        generate(&model.decoder, &model.params, &wanted, &goes_on)
    };
    let mut scored = scored.into_iter();
    batch.iter().map(|task| scored.by_ref().take(task.task.rows()).collect()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_waits_is_refused_when_the_server_stops_however_long_the_work_takes() {
        let (answer, answered) = channel();
        let stopping = Arc::new(AtomicBool::new(true));
        let refused = UnderWay { answered, stopping: Arc::clone(&stopping) }.wait();
        assert_eq!(refused.err(), Some(Refusal::stopping()));
        // Nobody hears it any more, and nothing was said before.
        assert!(answer.send(Ok(Vec::new())).is_err());
        // What is there already is an answer all the same, and a worker that is gone is told from one that is to stop.
        let (answer, answered) = channel();
        answer.send(Ok(Vec::new())).unwrap();
        assert!(UnderWay { answered, stopping: Arc::clone(&stopping) }.wait().is_ok());
        let (answer, answered) = channel();
        drop(answer);
        assert_eq!(UnderWay { answered, stopping }.wait().err().map(|refusal| refusal.status), Some(500));
    }
}
