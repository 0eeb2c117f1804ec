//! What a chat template may cost: it may come from anyone, and says what to do in a language that has loops.

use std::{
    cell::RefCell,
    io,
    sync::mpsc::{self, RecvTimeoutError, Sender},
    thread,
    time::Duration,
};

use minijinja::{
    Environment,
    machinery::{Token, tokenize},
};

use super::syntax::syntax;

/// Bytes of a template's source at most.
const SOURCE: usize = 1 << 20;
/// Tokens between `{%` and `%}`, or `{{` and `}}`, at most. Expressions nest no deeper than they have tokens.
const TAG: usize = 4096;
/// `elif` of a template at most, each of which nests in the one before.
const ELIFS: usize = 1024;
/// Instructions at most, or 64 bytes of text made for each: 64 MB in all.
const FUEL: u64 = 1_000_000;
/// Macros within macros, and loops within loops, at most.
const RECURSION: usize = 200;
/// Stack for what a template nests: dropping a list within a list takes some of it for each, and fuel bounds how many there are.
pub(super) const STACK: usize = 256 << 20;
/// Time at most, for what is not counted.
const TIME: Duration = Duration::from_secs(10);

/// Sets what rendering may cost.
pub(super) fn set(environment: &mut Environment<'_>) {
    environment.set_fuel(Some(FUEL));
    environment.set_recursion_limit(RECURSION);
}

/// What is too much of a template's source; `None` where it may be compiled.
pub(super) fn excess(source: &str) -> Option<String> {
    if source.len() > SOURCE {
        return Some(format!("it has {} bytes, more than {SOURCE}", source.len()));
    }
    // minijinja counts lines and columns in 16 bits.
    let longest = source.split('\n').map(str::len).max().unwrap_or(0);
    if longest.max(source.matches('\n').count()) >= usize::from(u16::MAX) {
        return Some(format!("it has {} lines, or more in a line, than {}", u16::MAX, u16::MAX));
    }
    let (mut tag, mut elifs) = (0, 0);
    for (token, _) in tokenize(source, false, syntax()).map_while(Result::ok) {
        match token {
            Token::VariableStart | Token::BlockStart => tag = 0,
            Token::Ident("elif") => elifs += 1,
            _ => {}
        }
        tag += 1;
        if tag > TAG {
            return Some(format!("one expression has more than {TAG} parts"));
        }
        if elifs > ELIFS {
            return Some(format!("it has more than {ELIFS} `elif`"));
        }
    }
    None
}

/// Why nothing came of work that was contained.
pub(super) enum Uncontained {
    /// It is too much, in words.
    Excess(String),
    /// There is no thread or no memory for it, which is not its fault; what the system says.
    NoRoom(io::Error),
}

/// What `work` returns, done with a stack and in a time that a template cannot use up; an error where it takes longer, or there is no
/// memory for a stack.
pub(super) fn contained<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Uncontained> {
    let (done, result) = mpsc::sync_channel(1);
    let work = move || {
        // Nobody listens to who comes too late.
        let _ = done.send(work());
    };
    WORKER.with_borrow_mut(|worker| {
        let begun = match worker.take() {
            Some(waiting) => waiting,
            None => begin().map_err(Uncontained::NoRoom)?,
        };
        // One that is gone drops the work, and with it what it would have sent.
        let _ = begun.send(Box::new(work));
        let done = result.recv_timeout(TIME).map_err(|error| {
            Uncontained::Excess(match error {
                RecvTimeoutError::Timeout => format!("it takes longer than {} s", TIME.as_secs()),
                RecvTimeoutError::Disconnected => "the template engine failed on it".to_owned(),
            })
        })?;
        *worker = Some(begun);
        Ok(done)
    })
}

type Work = Box<dyn FnOnce() + Send>;

thread_local! {
    /// The worker of this thread, kept between templates, since a chat is rendered in microseconds and a thread is not made in
    /// them. One that was too late, or failed, is left to itself.
    static WORKER: RefCell<Option<Sender<Work>>> = const { RefCell::new(None) };
}

/// A thread with a stack for templates, which does what it is sent until nobody can send any more.
fn begin() -> io::Result<Sender<Work>> {
    let (sender, work) = mpsc::channel::<Work>();
    thread::Builder::new()
        .name("template".to_owned())
        .stack_size(STACK)
        .spawn(move || work.iter().for_each(|work| work()))?;
    Ok(sender)
}
