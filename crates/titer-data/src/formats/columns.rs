//! Files of named values in any container of records.

use std::path::Path;

use serde_json::{Map, Value};

use super::{ReadError, container::records, entry::Entry, problem::kind, read::read_data};

/// The values of one line, by column.
pub type Columns = Map<String, Value>;

/// A line's number, from 1, and its values or what is wrong with it.
pub type NumberedColumns = (usize, Result<Columns, String>);

/// Every line of a file.
///
/// # Errors
/// Where the file cannot be read, or holds no entries that could be read one by one.
pub fn read_columns(path: &Path) -> Result<Vec<NumberedColumns>, ReadError> {
    let bytes = read_data(path)?;
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
