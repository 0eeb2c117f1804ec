//! Text of columns: a line of names, and lines of values with a separator between them.

use serde_json::Value;

use super::{
    entry::{Entry, columns_of_one_name, named_twice},
    problem::Problem,
};

/// The records of a text of columns, as objects of text. Nothing behind a quotation mark that makes no sense is read.
pub(super) fn columns(text: &str, separator: u8) -> Vec<Entry> {
    // Spreadsheets in countries with decimal commas put semicolons.
    let names = text.lines().next().unwrap_or_default();
    let separator = if names.contains(';') && !names.contains(char::from(separator)) { b';' } else { separator };
    let slip = quote_slip(text, separator);
    let sound = &text[..slip.as_ref().map_or(text.len(), |slip| slip.record)];
    let mut entries = if slip.is_some() && sound.is_empty() { Vec::new() } else { sound_columns(sound, separator) };
    entries.extend(slip.map(|slip| Entry { unit: "line", number: slip.line, value: Err(slip.problem()) }));
    entries
}

/// The same of a text whose quotation marks make sense.
fn sound_columns(text: &str, separator: u8) -> Vec<Entry> {
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

/// The names of columns; fails where two are the same.
fn named_once(names: &csv::StringRecord) -> Result<Vec<String>, Problem> {
    let names: Vec<String> = names.iter().map(|name| name.trim().to_owned()).collect();
    match named_twice(names.iter().map(String::as_str)) {
        None => Ok(names),
        Some(name) => Err(columns_of_one_name(name)),
    }
}

/// A quotation mark that cannot be meant as it stands: what follows it would become part of a value.
struct QuoteSlip {
    /// The byte at which its record begins.
    record: usize,
    /// The line in which the value's quotation mark opens, from 1.
    line: usize,
    /// Whether it closes, with text right behind it.
    closes: bool,
}

impl QuoteSlip {
    fn problem(&self) -> Problem {
        let problem = match self.closes {
            false => "the value that begins with a quotation mark here never ends",
            true => "text stands right behind the quotation mark that ends a value which begins here",
        };
        let remedy = "put a quotation mark at the value's end alone, and write two for one within it";
        Problem { problem: problem.to_owned(), remedy: remedy.to_owned() }
    }
}

/// Where a reader of columns is within a value.
#[derive(Clone, Copy)]
enum Within {
    Start,
    Plain,
    Quoted,
    Closed,
}

/// The first quotation mark that cannot be meant as it stands, read as the csv crate reads them: it takes such text without a
/// word.
fn quote_slip(text: &str, separator: u8) -> Option<QuoteSlip> {
    let (mut within, mut record, mut line, mut opened) = (Within::Start, 0, 1, 1);
    for (at, byte) in text.bytes().enumerate() {
        within = match (within, byte) {
            (Within::Start, b'"') => {
                opened = line;
                Within::Quoted
            }
            (Within::Quoted, b'"') => Within::Closed,
            (Within::Quoted, _) | (Within::Closed, b'"') => Within::Quoted,
            (_, b'\n' | b'\r') => {
                record = at + 1;
                Within::Start
            }
            (_, byte) if byte == separator => Within::Start,
            (Within::Closed, byte) if byte != b' ' && byte != b'\t' => {
                return Some(QuoteSlip { record, line: opened, closes: true });
            }
            _ => Within::Plain,
        };
        line += usize::from(byte == b'\n');
    }
    matches!(within, Within::Quoted).then_some(QuoteSlip { record, line: opened, closes: false })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Vec<(usize, Result<Value, String>)> {
        let value = |entry: Entry| (entry.number, entry.value.map_err(|problem| problem.problem));
        columns(text, b',').into_iter().map(value).collect()
    }

    #[test]
    fn a_value_that_never_ends_is_named_by_the_line_that_it_begins_in_and_what_stands_before_it_is_read() {
        let whole = "a,b\n1,\"x\ny\"\n2,\"say \"\"z\"\"\"\n3,4\n";
        let lines: Vec<_> = read(whole).into_iter().map(|(line, value)| (line, value.is_ok())).collect();
        assert_eq!(lines, [(2, true), (4, true), (5, true)]);
        for (text, line, sound, problem) in [
            ("a,b\n1,2\n\"x\n\",\"3\n4,5\n6,7\n", 4, 1, "never ends"),
            ("\"a,b\n1,2\n", 1, 0, "never ends"),
            ("a,b\n1,\"2\n3,\"4\"\n5,6\n", 2, 0, "right behind the quotation mark"),
            ("a,b\n1,2\n3,\"", 3, 1, "never ends"),
        ] {
            let entries = read(text);
            let (last, before) = entries.split_last().unwrap();
            assert_eq!((last.0, before.len()), (line, sound), "{text}");
            assert!(last.1.as_ref().unwrap_err().contains(problem), "{text}");
        }
    }
}
