//! A command on a thread of its own, while Python's thread looks for Ctrl-C and tells of progress.

use std::{
    collections::BTreeMap,
    ffi::OsString,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError, mpsc},
    time::Duration,
};

use pyo3::{exceptions::PyRuntimeError, prelude::*};

use crate::{
    error,
    hearing::{Heard, Hearing},
    stream::Columns,
};

/// How often Python's thread looks up.
const LOOK: Duration = Duration::from_millis(20);

/// Lines of data, lines of talk, tables.
type Said = (Vec<String>, Vec<String>, Vec<Columns>);

/// Does what a command line asks for; the first argument is the program's name. `specs` are texts in place of files that arguments name.
/// `progress` is called with steps done, of how many, and a message. `stops` says whether the command can be stopped between two of its
/// steps: then an interrupt waits for that, and a second one does not.
#[pyfunction]
#[pyo3(signature = (arguments, specs, progress=None, stops=false))]
pub fn call(
    py: Python<'_>,
    arguments: Vec<OsString>,
    specs: BTreeMap<PathBuf, String>,
    progress: Option<Py<PyAny>>,
    stops: bool,
) -> PyResult<Said> {
    let hearing = Arc::new(Hearing::new(specs));
    let (done, waiting) = mpsc::channel();
    let waiting = Mutex::new(waiting);
    let listener = Arc::clone(&hearing);
    std::thread::Builder::new()
        .name("titer".to_owned())
        .spawn(move || {
            // Nobody waits any more where Python's thread was interrupted.
            let _ = done.send(titer_cli::call(arguments, listener));
        })
        .map_err(error::input)?;
    let mut told = 0;
    let mut interrupted: Option<PyErr> = None;
    let result = loop {
        match py.detach(|| waiting.lock().unwrap_or_else(PoisonError::into_inner).recv_timeout(LOOK)) {
            Ok(result) => break result,
            Err(mpsc::RecvTimeoutError::Timeout) => {}
            // Its message is on stderr already.
            Err(mpsc::RecvTimeoutError::Disconnected) => {
                return Err(PyRuntimeError::new_err("titer panicked: this is an error of titer's; please report it"));
            }
        }
        let telling = progress.as_ref().filter(|_| interrupted.is_none());
        let looked = py.check_signals().and_then(|()| tell(py, telling, &hearing, &mut told));
        if let Err(error) = looked {
            hearing.stop();
            if !stops || interrupted.is_some() {
                return Err(error);
            }
            interrupted = Some(error);
        }
    };
    if let Some(error) = interrupted {
        return Err(error);
    }
    tell(py, progress.as_ref(), &hearing, &mut told)?;
    let Heard { data, talk, tables, .. } = std::mem::take(&mut *hearing.heard());
    match result {
        Ok(()) => Ok((data, talk, tables.into_iter().map(Columns::of).collect())),
        Err(failure) => Err(error::raised(py, &failure, data)),
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
