//! Exceptions with the text that the command line prints.

use std::fmt::Display;

use pyo3::{create_exception, exceptions::PyException, prelude::*};
use titer_cli::Failure;

create_exception!(titer, TiterError, PyException, "What titer could not do, in the words of its command line.");
create_exception!(titer, InputError, TiterError, "What was given cannot be used; the text says why, and what to do.");
create_exception!(titer, WorkError, TiterError, "The work itself failed.");

/// Adds the exceptions to the module.
pub fn add(module: &Bound<'_, PyModule>) -> PyResult<()> {
    let py = module.py();
    module.add("TiterError", py.get_type::<TiterError>())?;
    module.add("InputError", py.get_type::<InputError>())?;
    module.add("WorkError", py.get_type::<WorkError>())
}

/// What was given cannot be used.
pub fn input(problem: impl Display) -> PyErr {
    InputError::new_err(problem.to_string())
}

/// A command's failure as an exception, with the lines of data that there were before.
pub fn raised(py: Python<'_>, failure: &Failure, data: Vec<String>) -> PyErr {
    let text = failure.to_string();
    let error = match failure {
        Failure::Input(_) => InputError::new_err(text),
        Failure::Work(_) => WorkError::new_err(text),
    };
    match error.value(py).setattr("data", data) {
        Ok(()) => error,
        Err(other) => other,
    }
}
