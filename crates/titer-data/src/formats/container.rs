//! How a file holds its entries: a JSON value a line, JSON values one after another, one JSON list, CSV, or Parquet.

use std::{collections::BTreeSet, fmt, path::Path};

use bytes::Bytes;
use serde_json::Value;

use super::{parquet, problem::Problem};

/// How a file holds its entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Container {
    /// A JSON value a line.
    JsonLines,
    /// JSON values one after another, each over as many lines as it likes.
    JsonValues,
    /// One JSON list.
    JsonList,
    /// Columns with a line of names above them, separated by commas.
    Csv,
    /// The same, separated by tabs.
    Tsv,
    /// Parquet.
    Parquet,
}

impl fmt::Display for Container {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::JsonLines => "JSON Lines",
            Self::JsonValues => "JSON over several lines",
            Self::JsonList => "a JSON list",
            Self::Csv => "CSV",
            Self::Tsv => "TSV",
            Self::Parquet => "Parquet",
        })
    }
}

/// An entry of a file.
pub(crate) struct Entry {
    /// What its number counts: `line`, or `row` where the file has no lines of its own.
    pub unit: &'static str,
    /// Its number, from 1.
    pub number: usize,
    /// What it says, or why that cannot be read.
    pub value: Result<Value, Problem>,
}

/// A container that cannot be read as a whole.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ContainerError {
    /// It begins as Parquet does, but cannot be read as such.
    #[error("damaged Parquet: {0}")]
    Parquet(String),
    /// It is something else, which titer does not unpack.
    #[error("it is {format}: {remedy}")]
    Other {
        /// What it begins like.
        format: &'static str,
        /// What to do.
        remedy: &'static str,
    },
    /// Its text is not UTF-8.
    #[error("not UTF-8 from byte {0} on: save the file as UTF-8")]
    Encoding(usize),
    /// It begins as JSON does, but ends or breaks off.
    #[error("{container} that breaks at line {line}, column {column}: {reason}")]
    Json {
        /// What it begins like.
        container: Container,
        /// Where, from 1.
        line: usize,
        /// Where in that line, from 1.
        column: usize,
        /// What the parser says.
        reason: String,
    },
    /// It is one JSON object with the entries inside.
    #[error("one JSON object with a list of {entries} objects under `{key}`: save that list as a file of its own")]
    Wrapped {
        /// The list's key.
        key: String,
        /// How many objects are in it.
        entries: usize,
    },
}

/// The entries of a file's bytes, in order; blank lines are passed over. The path's ending decides for CSV (`.csv`) and TSV
/// (`.tsv`) where the text does not begin as JSON does, the bytes for all else.
///
/// # Errors
/// Where the bytes as a whole are no such container; an entry that cannot be read stands among the others.
pub(crate) fn entries(path: &Path, bytes: &Bytes) -> Result<(Container, Vec<Entry>), ContainerError> {
    if bytes.starts_with(parquet::MAGIC) {
        let records = parquet::records(bytes.clone()).map_err(ContainerError::Parquet)?;
        return Ok((Container::Parquet, numbered(records)));
    }
    if let Some((_, format, remedy)) = OTHERS.into_iter().find(|(magic, ..)| bytes.starts_with(magic)) {
        return Err(ContainerError::Other { format, remedy });
    }
    let text = without_mark(bytes);
    let is_json = begins_as_json(text);
    match path.extension().and_then(|ending| ending.to_str()) {
        Some("csv") if !is_json => return Ok((Container::Csv, columns(utf8(text)?, b','))),
        Some("tsv") if !is_json => return Ok((Container::Tsv, columns(utf8(text)?, b'\t'))),
        _ => {}
    }
    let mut lines = lines(text);
    // A list may begin on a line of its own, and its second line may be whole; of objects one such line tells.
    let telling = match text.trim_ascii_start().first() {
        Some(b'[') => 1,
        Some(b'{') => 2,
        _ => return Ok((Container::JsonLines, lines)),
    };
    if !lines.iter().take(telling).any(|line| line.value.is_ok()) {
        return match whole(utf8(text)?) {
            // One broken line is a line, whatever else it could have become.
            Err(ContainerError::Json { .. }) if lines.len() == 1 && telling == 2 => Ok((Container::JsonLines, lines)),
            read => read,
        };
    }
    Ok(match &mut lines[..] {
        [Entry { value: Ok(Value::Array(values)), .. }] => (Container::JsonList, numbered(std::mem::take(values))),
        _ => (Container::JsonLines, lines),
    })
}

/// The same where text that is no JSON is CSV, whatever the path's ending.
///
/// # Errors
/// As [`entries`].
pub(crate) fn records(path: &Path, bytes: &Bytes) -> Result<Vec<Entry>, ContainerError> {
    match entries(path, bytes)? {
        (Container::JsonLines, _) if !begins_as_json(without_mark(bytes)) => Ok(columns(text_of(bytes)?, b',')),
        (_, entries) => Ok(entries),
    }
}

/// The bytes as text.
///
/// # Errors
/// Where they are not UTF-8.
pub(super) fn text_of(bytes: &[u8]) -> Result<&str, ContainerError> {
    utf8(without_mark(bytes))
}

/// Whether a text begins with a JSON list or object.
fn begins_as_json(text: &[u8]) -> bool {
    matches!(text.trim_ascii_start().first(), Some(b'[' | b'{'))
}

/// The bytes without the byte order mark that some programs put before UTF-8.
fn without_mark(bytes: &[u8]) -> &[u8] {
    bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes)
}

/// What files begin with that people take for text, what they are, and what to do.
const OTHERS: [(&[u8], &str, &str); 6] = [
    (b"\x1f\x8b", "compressed by gzip", "unpack it with gunzip first"),
    (b"\x28\xb5\x2f\xfd", "compressed by zstd", "unpack it with unzstd first"),
    (b"PK\x03\x04", "a ZIP archive", "unpack it first"),
    (b"\xff\xfe", "UTF-16", "save the file as UTF-8"),
    (b"\xfe\xff", "UTF-16", "save the file as UTF-8"),
    (b"ARROW1", "an Arrow file", "save it as Parquet or JSON Lines"),
];

fn utf8(bytes: &[u8]) -> Result<&str, ContainerError> {
    std::str::from_utf8(bytes).map_err(|error| ContainerError::Encoding(error.valid_up_to() + 1))
}

fn numbered(values: impl IntoIterator<Item = Value>) -> Vec<Entry> {
    (1..).zip(values).map(|(number, value)| Entry { unit: "row", number, value: Ok(value) }).collect()
}

/// Each line that is not blank, as a value.
fn lines(bytes: &[u8]) -> Vec<Entry> {
    let written = (1..).zip(bytes.split(|&byte| byte == b'\n')).filter(|(_, line)| !line.trim_ascii().is_empty());
    written.map(|(number, line)| Entry { unit: "line", number, value: parse(line) }).collect()
}

fn parse(line: &[u8]) -> Result<Value, Problem> {
    let text = std::str::from_utf8(line).map_err(|error| Problem {
        problem: format!("not UTF-8 from byte {} on", error.valid_up_to() + 1),
        remedy: "save the file as UTF-8".to_owned(),
    })?;
    serde_json::from_str(text).map_err(|error| Problem {
        problem: format!("not JSON at column {} ({})", error.column(), reason(&error)),
        remedy: "write one complete JSON object per line".to_owned(),
    })
}

/// A text whose lines are no values: one list, or objects over several lines each.
fn whole(text: &str) -> Result<(Container, Vec<Entry>), ContainerError> {
    let container = if text.trim_start().starts_with('[') { Container::JsonList } else { Container::JsonValues };
    let values: Result<_, _> = serde_json::Deserializer::from_str(text).into_iter().collect();
    let mut values: Vec<Value> = values.map_err(|error| ContainerError::Json {
        container,
        line: error.line(),
        column: error.column(),
        reason: reason(&error),
    })?;
    match &mut values[..] {
        [Value::Array(entries)] => Ok((container, numbered(std::mem::take(entries)))),
        [Value::Object(object)] => {
            match object.iter().find_map(|(key, value)| Some((key, entries_within(key, value)?))) {
                Some((key, entries)) => Err(ContainerError::Wrapped { key: key.clone(), entries }),
                None => Ok((container, numbered(values))),
            }
        }
        _ => Ok((container, numbered(values))),
    }
}

/// How many entries a list in an object holds, where they are not the turns of a chat.
fn entries_within(key: &str, value: &Value) -> Option<usize> {
    let list = value.as_array().filter(|list| !list.is_empty() && list.iter().all(Value::is_object))?;
    (!super::messages::CHAT_KEYS.contains(&key)).then_some(list.len())
}

/// The records of a text of columns, as objects of text.
fn columns(text: &str, separator: u8) -> Vec<Entry> {
    // Spreadsheets in countries with decimal commas put semicolons.
    let names = text.lines().next().unwrap_or_default();
    let separator = if names.contains(';') && !names.contains(char::from(separator)) { b';' } else { separator };
    let mut reader = csv::ReaderBuilder::new().delimiter(separator).from_reader(text.as_bytes());
    let problem = |error: &csv::Error| Problem {
        problem: error.to_string(),
        remedy: "give every line as many values as the first has names".to_owned(),
    };
    let names = match reader.headers().map_err(|error| problem(&error)).and_then(named_once) {
        Ok(names) => names,
        Err(problem) => return vec![Entry { unit: "line", number: 1, value: Err(problem) }],
    };
    let entry = |record: csv::Result<csv::StringRecord>| {
        let place = match &record {
            Ok(record) => record.position().cloned(),
            Err(error) => error.position().cloned(),
        };
        let object = |record: csv::StringRecord| {
            names.iter().zip(&record).map(|(name, value)| (name.clone(), Value::from(value))).collect()
        };
        let value = record.map(|record| Value::Object(object(record))).map_err(|error| problem(&error));
        Entry { unit: "line", number: place.map_or(1, |place| place.line() as usize), value }
    };
    reader.records().map(entry).collect()
}

/// The names of columns; fails where two are the same, because one of them would be lost.
fn named_once(names: &csv::StringRecord) -> Result<Vec<String>, Problem> {
    let names: Vec<String> = names.iter().map(|name| name.trim().to_owned()).collect();
    let mut seen = BTreeSet::new();
    match names.iter().find(|name| !seen.insert(*name)) {
        None => Ok(names),
        Some(name) => Err(Problem {
            problem: format!("two columns are called `{name}`"),
            remedy: "give each its own name".to_owned(),
        }),
    }
}

/// What serde_json says, without the place, which stands elsewhere.
fn reason(error: &serde_json::Error) -> String {
    let text = error.to_string();
    text.split_once(" at line ").map_or(text.clone(), |(reason, _)| reason.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(name: &str, text: impl Into<Vec<u8>>) -> Result<(Container, Vec<Option<Value>>), String> {
        let bytes = Bytes::from(text.into());
        let (container, entries) = entries(Path::new(name), &bytes).map_err(|error| error.to_string())?;
        Ok((container, entries.into_iter().map(|entry| entry.value.ok()).collect()))
    }

    #[test]
    fn one_pair_of_values_comes_out_of_every_container() {
        let wanted = [Some(serde_json::json!({ "a": "1" })), Some(serde_json::json!({ "a": "x, \"y\"" }))];
        for (name, text, container) in [
            ("a.jsonl", "{\"a\": \"1\"}\n\n{\"a\": \"x, \\\"y\\\"\"}\n", Container::JsonLines),
            ("a.jsonl", "\u{feff}{\"a\": \"1\"}\r\n{\"a\": \"x, \\\"y\\\"\"}\r\n", Container::JsonLines),
            ("a.json", "[{\"a\": \"1\"}, {\"a\": \"x, \\\"y\\\"\"}]", Container::JsonList),
            ("a.txt", "[\n{\"a\": \"1\"},\n{\"a\": \"x, \\\"y\\\"\"}]\n", Container::JsonList),
            ("a.json", "{\n\"a\": \"1\"}\n{\n\"a\": \"x, \\\"y\\\"\"}\n", Container::JsonValues),
            ("a.csv", "a\n1\n\"x, \"\"y\"\"\"\n", Container::Csv),
            ("a.csv", "{\"a\": \"1\"}\n{\"a\": \"x, \\\"y\\\"\"}\n", Container::JsonLines),
            ("a.tsv", "a\n1\n\"x, \"\"y\"\"\"\n", Container::Tsv),
        ] {
            assert_eq!(read(name, text), Ok((container, wanted.to_vec())), "{text}");
        }
    }

    #[test]
    fn a_broken_container_is_one_error_that_names_it_and_the_place() {
        for (text, problem) in [
            (&b"[{\"a\": 1},\n{\"a\": 2},\n]"[..], "a JSON list that breaks at line 3, column 1: trailing comma"),
            (b"[\n{\"a\": 1},\n{\"a\": 2}\n", "a JSON list that breaks at line 4, column 0: EOF while parsing a list"),
            (b"{\n  \"a\": 1,\n  \"b\":\n}", "JSON over several lines that breaks at line 4, column 1: expected value"),
            (b"{\n\"data\": [{\"a\": 1}, {\"a\": 2}]}", "a list of 2 objects under `data`"),
            (b"\x1f\x8b\x08", "compressed by gzip"),
            (b"\xff\xfe{\0", "it is UTF-16"),
            (b"PAR1 is not all", "damaged Parquet"),
            (b"{\n\"a\": \"\xff\"}", "not UTF-8 from byte 9 on"),
            (b"[{\"a\": 1},\n{\"a\": 2}\n", "a JSON list that breaks at line 3, column 0"),
        ] {
            let error = read("a.json", text).unwrap_err();
            assert!(error.contains(problem), "{error}");
        }
    }

    #[test]
    fn a_line_that_is_no_value_stands_among_the_others() {
        for text in [
            "{\"a\": 1}\n{\"a\"\n{\"a\": 3}",
            "{\"a\": 1\n{\"a\": 2}\n",
            "{\"a\": \"\\ud83d\"}\n",
            "plain words\nand more",
        ] {
            let (container, values) = read("a.jsonl", text).unwrap();
            assert_eq!(container, Container::JsonLines);
            assert!(values.iter().any(Option::is_none), "{text}");
        }
        let (_, values) = read("a.csv", "a,b\n1,2\n3\n").unwrap();
        assert_eq!(values.len(), 2);
        assert!(values[1].is_none());
    }
}
