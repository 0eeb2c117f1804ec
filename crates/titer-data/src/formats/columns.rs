//! Files of named values in any container of records.

use std::path::Path;

use serde_json::{Map, Value};

use super::{
    ReadError,
    container::{Entry, records},
    problem::kind,
};

/// The values of one line, by column.
pub type Columns = Map<String, Value>;

/// Every line of a file with its number, from 1, or what is wrong with it.
///
/// # Errors
/// Where the file cannot be read, or holds no entries that could be read one by one.
pub fn read_columns(path: &Path) -> Result<Vec<(usize, Result<Columns, String>)>, ReadError> {
    let bytes = fs_err::read(path)?.into();
    let unreadable = |problem| ReadError::Container { path: path.to_owned(), problem };
    let columns = |entry: Entry| {
        let columns = match entry.value {
            Ok(Value::Object(columns)) => Ok(columns),
            Ok(other) => Err(format!("it is {}, not an object", kind(&other))),
            Err(problem) => Err(format!("{}: {}", problem.problem, problem.remedy)),
        };
        (entry.number, columns)
    };
    Ok(records(path, &bytes).map_err(unreadable)?.into_iter().map(columns).collect())
}
