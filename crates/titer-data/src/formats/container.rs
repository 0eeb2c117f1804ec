//! How a file holds its entries: a JSON value a line, JSON values one after another, one JSON list, CSV, or Parquet.

use std::{borrow::Cow, fmt, path::Path};

use bytes::Bytes;
use serde_json::Value;

use super::{
    delimited::columns,
    entry::{Entry, numbered},
    messages,
    once::Once,
    parquet,
    problem::Problem,
    slip::slip,
};

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
    #[error(
        "{container} that breaks at line {line}, column {column}: {reason}: mend it there, or write one complete JSON value per line"
    )]
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
    // Letters of two bytes each, without the mark that says so.
    if let [a, b, c, d, ..] = bytes[..] {
        let zeros = [a, b, c, d].map(|byte| byte == 0);
        if zeros == [false, true, false, true] || zeros == [true, false, true, false] {
            return Err(ContainerError::Other { format: "UTF-16", remedy: "save the file as UTF-8" });
        }
    }
    let text = &*plain(bytes);
    let is_json = begins_as_json(text);
    let ending = path.extension().and_then(|ending| ending.to_str()).map(str::to_ascii_lowercase);
    match ending.as_deref() {
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
    // A value with a key twice is a line of its own, too.
    if !first_lines(text, telling).any(|line| serde_json::from_slice::<Value>(line).is_ok()) {
        // Objects that begin and end on their lines are lines, whatever is wrong within them.
        let broken_lines = || telling == 2 && first_lines(text, telling).all(is_braced);
        return match whole(utf8(text)?) {
            Err(ContainerError::Json { .. }) if broken_lines() => Ok((Container::JsonLines, lines)),
            // One broken line is a line, whatever else it could have become.
            Err(ContainerError::Json { .. }) if lines.len() == 1 && telling == 2 => Ok((Container::JsonLines, lines)),
            read => read,
        };
    }
    Ok(match &mut lines[..] {
        [Entry { value: Ok(Value::Array(values)), .. }] => {
            (Container::JsonList, numbered(std::mem::take(values).into_iter().map(Ok)))
        }
        _ => (Container::JsonLines, lines),
    })
}

/// The same where text that is no JSON is CSV, whatever the path's ending.
///
/// # Errors
/// As [`entries`].
pub(crate) fn records(path: &Path, bytes: &Bytes) -> Result<Vec<Entry>, ContainerError> {
    match entries(path, bytes)? {
        (Container::JsonLines, _) if !begins_as_json(bytes) => Ok(columns(&text_of(bytes)?, b',')),
        (_, entries) => Ok(entries),
    }
}

/// The bytes as text, with `\n` between lines.
///
/// # Errors
/// Where they are not UTF-8.
pub(super) fn text_of(bytes: &[u8]) -> Result<Cow<'_, str>, ContainerError> {
    match plain(bytes) {
        Cow::Borrowed(bytes) => utf8(bytes).map(Cow::Borrowed),
        Cow::Owned(bytes) => utf8(&bytes).map(|text| Cow::Owned(text.to_owned())),
    }
}

/// The bytes without a mark in front; where carriage returns alone end lines, as on old Macintoshes, with line feeds instead.
fn plain(bytes: &[u8]) -> Cow<'_, [u8]> {
    let bytes = without_mark(bytes);
    match bytes.contains(&b'\r') && !bytes.contains(&b'\n') {
        true => bytes.iter().map(|&byte| if byte == b'\r' { b'\n' } else { byte }).collect::<Vec<_>>().into(),
        false => bytes.into(),
    }
}

/// The first lines that are not blank.
fn first_lines(text: &[u8], lines: usize) -> impl Iterator<Item = &[u8]> {
    text.split(|&byte| byte == b'\n').map(<[u8]>::trim_ascii).filter(|line| !line.is_empty()).take(lines)
}

/// Whether a line begins and ends as an object does, which may have a comma behind it.
fn is_braced(line: &[u8]) -> bool {
    line.starts_with(b"{") && (line.ends_with(b"}") || line.ends_with(b"},"))
}

/// Whether a text begins with a JSON list or object.
pub(super) fn begins_as_json(text: &[u8]) -> bool {
    matches!(without_mark(text).trim_ascii_start().first(), Some(b'[' | b'{'))
}

/// The bytes without the byte order mark that some programs put before UTF-8.
fn without_mark(bytes: &[u8]) -> &[u8] {
    bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes)
}

/// What files begin with that people take for text, what they are, and what to do.
const OTHERS: [(&[u8], &str, &str); 9] = [
    (b"\x1f\x8b", "compressed by gzip", "unpack it with gunzip first"),
    (b"\x28\xb5\x2f\xfd", "compressed by zstd", "unpack it with unzstd first"),
    (b"BZh", "compressed by bzip2", "unpack it with bunzip2 first"),
    (b"\xfd7zXZ\0", "compressed by xz", "unpack it with unxz first"),
    (b"PK\x03\x04", "a ZIP archive", "unpack it first"),
    (b"\xff\xfe", "UTF-16", "save the file as UTF-8"),
    (b"\xfe\xff", "UTF-16", "save the file as UTF-8"),
    (b"ARROW1", "an Arrow file", "save it as Parquet or JSON Lines"),
    (b"\xff\xff\xff\xff", "an Arrow stream", "save it as Parquet or JSON Lines"),
];

fn utf8(bytes: &[u8]) -> Result<&str, ContainerError> {
    std::str::from_utf8(bytes).map_err(|error| ContainerError::Encoding(error.valid_up_to() + 1))
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
    serde_json::from_str(text).map(|Once(value)| value).map_err(|error| match error.is_data() {
        // It is JSON, which does not say which of two values is meant.
        true => Problem { problem: reason(&error), remedy: "keep one of the two".to_owned() },
        false => {
            let slip = slip(text, &error);
            let (reason, remedy) = slip.map_or_else(
                || (reason(&error), "write one complete JSON object per line".to_owned()),
                |slip| (slip.problem, slip.remedy),
            );
            Problem { problem: format!("not JSON at column {} ({reason})", error.column()), remedy }
        }
    })
}

/// A text whose lines are no values: one list, or objects over several lines each.
fn whole(text: &str) -> Result<(Container, Vec<Entry>), ContainerError> {
    let container = if text.trim_start().starts_with('[') { Container::JsonList } else { Container::JsonValues };
    let values: Result<Vec<Once>, _> = serde_json::Deserializer::from_str(text).into_iter().collect();
    let values = values.map(|values| values.into_iter().map(|Once(value)| value).collect());
    let mut values: Vec<Value> = values.map_err(|error| ContainerError::Json {
        container,
        line: error.line(),
        column: error.column(),
        reason: match text.lines().nth(error.line().saturating_sub(1)).and_then(|line| slip(line, &error)) {
            Some(slip) => format!("{}, so {}", slip.problem, slip.remedy),
            None => reason(&error),
        },
    })?;
    match &mut values[..] {
        [Value::Array(entries)] => Ok((container, numbered(std::mem::take(entries).into_iter().map(Ok)))),
        // What has a chat's keys is a row, whatever lists stand beside them.
        [Value::Object(object)] if !object.keys().any(|key| messages::holds_turns(key)) => {
            match object.iter().find_map(|(key, value)| Some((key, entries_within(value)?))) {
                Some((key, entries)) => Err(ContainerError::Wrapped { key: key.clone(), entries }),
                None => Ok((container, numbered(values.into_iter().map(Ok)))),
            }
        }
        _ => Ok((container, numbered(values.into_iter().map(Ok)))),
    }
}

/// How many entries a list in an object holds.
fn entries_within(value: &Value) -> Option<usize> {
    let list = value.as_array().filter(|list| !list.is_empty() && list.iter().all(Value::is_object))?;
    Some(list.len())
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
            ("a.TSV", "a\n1\n\"x, \"\"y\"\"\"\n", Container::Tsv),
        ] {
            assert_eq!(read(name, text), Ok((container, wanted.to_vec())), "{text}");
        }
    }

    #[test]
    fn one_chat_over_several_lines_is_a_row_whatever_lists_stand_beside_it() {
        for beside in ["tools", "documents", "notes"] {
            let text = format!("{{\n\"messages\": [{{\"role\": \"user\"}}],\n\"{beside}\": [{{\"a\": 1}}]\n}}\n");
            let (container, values) = read("a.json", text).unwrap();
            assert_eq!((container, values.len()), (Container::JsonValues, 1), "{beside}");
        }
    }

    #[test]
    fn a_carriage_return_alone_ends_a_line_where_nothing_else_does() {
        let bytes = Bytes::from_static(b"a,b\r1,2\r3\r");
        let (_, entries) = entries(Path::new("a.csv"), &bytes).unwrap();
        let lines: Vec<_> = entries.iter().map(|entry| (entry.number, entry.value.is_ok())).collect();
        assert_eq!(lines, [(2, true), (3, false)]);
        let (container, values) = read("a.jsonl", "{\"a\": 1}\r{\"a\": 2}\r").unwrap();
        assert_eq!((container, values.len()), (Container::JsonLines, 2));
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
            (b"BZh91AY", "compressed by bzip2: unpack it"),
            (b"\xfd7zXZ\0\0", "compressed by xz: unpack it"),
            (b"\xff\xff\xff\xff\x18\x01\0\0", "it is an Arrow stream: save it"),
        ] {
            let error = read("a.json", text).unwrap_err();
            assert!(error.contains(problem), "{error}");
        }
    }

    #[test]
    fn a_key_that_stands_twice_is_an_error_of_its_line() {
        for text in ["{\"a\": 1, \"a\": 2}\n{\"a\": 3, \"a\": 3}\n", "{\"a\": 1}\n{\"a\": 2, \"a\": 3}\n"] {
            let (_, entries) = entries(Path::new("a.jsonl"), &Bytes::from(text)).unwrap();
            let problem = entries[1].value.as_ref().err().unwrap();
            assert_eq!((entries[1].number, &*problem.problem), (2, "the key `a` stands twice in one object"));
        }
        let error = read("a.json", "[{\"a\": 1,\n\"a\": 2}]").unwrap_err();
        assert!(error.contains("line 2") && error.contains("`a` stands twice"), "{error}");
    }

    #[test]
    fn a_line_that_is_no_value_stands_among_the_others() {
        for text in [
            "{\"a\": 1}\n{\"a\"\n{\"a\": 3}",
            "{\"a\": 1\n{\"a\": 2}\n",
            "{\"a\": \"\\ud83d\"}\n",
            "plain words\nand more",
            "{\"a\": NaN}\n{\"a\": NaN}\n{\"a\": 3}\n",
            "{\"a\": 1},\n{\"a\": 2},\n",
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
