//! A command on a thread of its own, while Python's thread looks for Ctrl-C and tells of progress.

use std::{
    collections::BTreeMap,
    ffi::OsString,
    path::PathBuf,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU32, Ordering},
        mpsc,
    },
    time::{Duration, Instant},
};

use pyo3::{exceptions::PyRuntimeError, prelude::*};
use titer_cli::Failure;

use crate::{
    error,
    hearing::{Heard, Hearing},
    stream::Columns,
};

/// How often Python's thread looks up.
const LOOK: Duration = Duration::from_millis(20);

/// How long a command that is to stop is waited for.
const PATIENCE: Duration = Duration::from_secs(10);

/// Lines of data, lines of talk, tables.
type Said = (Vec<String>, Vec<String>, Vec<Columns>);

/// Does what a command line asks for; the first argument is the program's name. `specs` are texts in place of files that arguments name.
/// `progress` is called with steps done, of how many, and a message. An interrupt stops the command, and waits until it has: for some seconds
/// at most, and no longer where there is a second one. So does what `progress` raises.
#[pyfunction]
#[pyo3(signature = (arguments, specs, progress=None))]
pub fn call(
    py: Python<'_>,
    arguments: Vec<OsString>,
    specs: BTreeMap<PathBuf, String>,
    progress: Option<Py<PyAny>>,
) -> PyResult<Said> {
    let called = Called::begin(arguments, specs)?;
    let hearing = &called.hearing;
    let mut told = 0;
    let mut looked = Ok(());
    let result = loop {
        looked =
            looked.and_then(|()| py.check_signals()).and_then(|()| tell(py, progress.as_ref(), hearing, &mut told));
        if let Err(error) = looked {
            hearing.stop();
            // What becomes of it does not matter any more, and neither does what interrupts the waiting.
            let _ = called.end(py);
            return Err(error);
        }
        if let Some(result) = called.look(py)? {
            break result;
        }
    };
    tell(py, progress.as_ref(), hearing, &mut told)?;
    let Heard { data, talk, tables, .. } = std::mem::take(&mut *hearing.heard());
    match result {
        Ok(()) => Ok((data, talk, tables.into_iter().map(Columns::of).collect())),
        Err(failure) => Err(error::raised(py, &failure, data)),
    }
}

/// The process whose threads compute; 0 before there are any.
static OWNER: AtomicU32 = AtomicU32::new(0);

/// Fails in a process that was forked from one in which titer has computed: its threads did not come along, and would be waited for forever.
pub fn has_threads() -> PyResult<()> {
    let me = std::process::id();
    match OWNER.compare_exchange(0, me, Ordering::Relaxed, Ordering::Relaxed) {
        Err(owner) if owner != me => Err(error::input(
            "this process was forked from one that has used titer, and the threads that compute did not come along; use spawn or \
             forkserver, as by multiprocessing.get_context(\"spawn\")",
        )),
        _ => Ok(()),
    }
}

/// A command on a thread of its own.
struct Called {
    hearing: Arc<Hearing>,
    waiting: Mutex<mpsc::Receiver<Result<(), Failure>>>,
}

impl Called {
    fn begin(arguments: Vec<OsString>, specs: BTreeMap<PathBuf, String>) -> PyResult<Self> {
        has_threads()?;
        let hearing = Arc::new(Hearing::new(specs));
        let (done, waiting) = mpsc::channel();
        let listener = Arc::clone(&hearing);
        std::thread::Builder::new()
            .name("titer".to_owned())
            .spawn(move || {
                // Nobody waits any more where Python's thread was interrupted.
                let _ = done.send(titer_cli::call(arguments, listener));
            })
            .map_err(error::input)?;
        Ok(Self { hearing, waiting: Mutex::new(waiting) })
    }

    /// Waits a moment, while other threads of Python's go on; what came of the command, where it is done.
    fn look(&self, py: Python<'_>) -> PyResult<Option<Result<(), Failure>>> {
        match py.detach(|| self.waiting.lock().unwrap_or_else(PoisonError::into_inner).recv_timeout(LOOK)) {
            Ok(result) => Ok(Some(result)),
            Err(mpsc::RecvTimeoutError::Timeout) => Ok(None),
            // Its message is on stderr already.
            Err(mpsc::RecvTimeoutError::Disconnected) => {
                Err(PyRuntimeError::new_err("titer panicked: this is an error of titer's; please report it"))
            }
        }
    }

    /// Waits for one that is to stop, for some seconds at most; what came of it, where it has ended. An interrupt ends the waiting.
    fn end(&self, py: Python<'_>) -> PyResult<Option<Result<(), Failure>>> {
        let since = Instant::now();
        while since.elapsed() < PATIENCE {
            py.check_signals()?;
            if let Some(result) = self.look(py)? {
                return Ok(Some(result));
            }
        }
        Ok(None)
    }
}

/// A command that goes on until it is stopped, such as `titer serve`.
#[pyclass(frozen, module = "titer._lab")]
pub struct Running {
    called: Called,
    ended: Mutex<bool>,
}

#[pymethods]
impl Running {
    /// Begins what a command line asks for; the first argument is the program's name.
    #[new]
    fn new(arguments: Vec<OsString>) -> PyResult<Self> {
        Ok(Self { called: Called::begin(arguments, BTreeMap::new())?, ended: Mutex::new(false) })
    }

    /// The first line of data, when it is there. Raises where the command fails before.
    fn first(&self, py: Python<'_>) -> PyResult<String> {
        loop {
            let line = self.called.hearing.heard().data.first().cloned();
            if let Some(line) = line {
                return Ok(line);
            }
            py.check_signals().inspect_err(|_| self.called.hearing.stop())?;
            if let Some(result) = self.called.look(py)? {
                self.has_ended(py, result)?;
            }
        }
    }

    /// Lines of talk so far.
    fn talk(&self) -> Vec<String> {
        self.called.hearing.heard().talk.clone()
    }

    /// Stops it, and waits until it has ended, for some seconds at most; whether it has. An interrupt ends the waiting.
    fn stop(&self, py: Python<'_>) -> PyResult<bool> {
        self.called.hearing.stop();
        if *self.ended.lock().unwrap_or_else(PoisonError::into_inner) {
            return Ok(true);
        }
        match self.called.end(py)? {
            Some(result) => self.has_ended(py, result).map(|()| true),
            None => Ok(false),
        }
    }
}

impl Running {
    fn has_ended(&self, py: Python<'_>, result: Result<(), Failure>) -> PyResult<()> {
        *self.ended.lock().unwrap_or_else(PoisonError::into_inner) = true;
        result.map_err(|failure| error::raised(py, &failure, Vec::new()))
    }
}

/// Tells of progress where there is some.
fn tell(py: Python<'_>, progress: Option<&Py<PyAny>>, hearing: &Hearing, told: &mut u64) -> PyResult<()> {
    let Some(progress) = progress else { return Ok(()) };
    let latest = hearing.heard().progress.clone().filter(|(done, ..)| done != told);
    let Some((done, of, message)) = latest else { return Ok(()) };
    *told = done;
    progress.call1(py, (done, of, message)).map(|_| ())
}
