//! The lab as a Python module, `titer._lab`: what a command line asks for is done by the same code, on a thread of its own.

mod call;
mod encode;
mod error;
mod hearing;
mod record;
mod steering;
mod stream;

use std::ffi::OsString;

use pyo3::prelude::*;

/// Does what a command line asks for, as `titer` does it, and gives the exit code. Prints to the process's own stdout and stderr.
#[pyfunction]
fn main(py: Python<'_>, arguments: Vec<OsString>) -> u8 {
    py.detach(|| titer_cli::main_from(arguments))
}

/// A spec as TOML, from JSON.
#[pyfunction]
fn toml_of(json: &str) -> PyResult<String> {
    let value: toml::Value = serde_json::from_str(json).map_err(error::input)?;
    toml::to_string(&value).map_err(error::input)
}

#[pymodule]
fn _lab(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(main, module)?)?;
    module.add_function(wrap_pyfunction!(toml_of, module)?)?;
    module.add_function(wrap_pyfunction!(call::call, module)?)?;
    module.add_function(wrap_pyfunction!(encode::encode, module)?)?;
    module.add_function(wrap_pyfunction!(encode::encode_rows, module)?)?;
    module.add_function(wrap_pyfunction!(record::record, module)?)?;
    module.add_function(wrap_pyfunction!(record::check_record, module)?)?;
    module.add_function(wrap_pyfunction!(stream::columns_of, module)?)?;
    module.add_class::<call::Running>()?;
    module.add_class::<stream::Columns>()?;
    module.add_class::<steering::Steering>()?;
    error::add(module)
}
