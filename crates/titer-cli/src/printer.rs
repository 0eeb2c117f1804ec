//! The one printer: stdout is data, stderr is talk.

use std::{
    borrow::Cow,
    fmt,
    io::{self, Write as _},
    path::Path,
    sync::Arc,
};

use serde_json::{Value, json};
use titer::{
    exec::RunsFailed,
    report::SheetBlock,
    stats::Estimate,
    table::{self, Labels, Record},
    words::{counted, visible},
};

use crate::{
    kept::keep,
    listener::{listener, tell_table},
    width::{width, width_of_talk, wrapped},
};

/// Why a command did not do its work. Decides the exit code.
#[derive(Debug)]
pub enum Failure {
    /// The user's input is at fault: exit code 2.
    Input(String),
    /// Something else is: exit code 1.
    Work(String),
}

impl Failure {
    /// The user's input is at fault.
    pub(crate) fn input(problem: impl fmt::Display) -> Self {
        Self::Input(problem.to_string())
    }

    /// Something else is.
    pub(crate) fn work(problem: impl fmt::Display) -> Self {
        Self::Work(problem.to_string())
    }

    /// Runs of a sweep could not be done: a line for each different reason.
    pub(crate) fn runs(failed: &RunsFailed) -> Self {
        Self::Work(failed.sentences().join("\nerror: "))
    }
}

/// Characters that are left of a long line of a failure at its start and at its end, where places and remedies stand.
const LEFT: [usize; 2] = [700, 300];

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Self::Input(problem) | Self::Work(problem)) = self;
        for (at, line) in in_words(problem).split('\n').enumerate() {
            f.write_str(if at > 0 { "\n" } else { "" })?;
            f.write_str(&visible(&shortened(line)))?;
        }
        Ok(())
    }
}

/// What the file system says, as one would say it: the system's own number of an error says nothing to a person.
pub(crate) fn in_words(problem: &str) -> String {
    let mut text = String::new();
    let mut rest = problem;
    while let Some((before, after)) = rest.split_once(" (os error ") {
        let Some((number, behind)) = after.split_once(')') else { break };
        match before.strip_suffix("No such file or directory").filter(|_| number == "2") {
            Some(said) => text += &format!("{said}there is no such file or folder"),
            None => text += before,
        }
        rest = behind;
    }
    text + rest
}

/// A line without its middle where that is long: what is quoted from a file may be a megabyte.
fn shortened(line: &str) -> Cow<'_, str> {
    let [start, end] = LEFT;
    let count = line.chars().count();
    if count <= start + end {
        return Cow::Borrowed(line);
    }
    let head: String = line.chars().take(start).collect();
    let tail: String = line.chars().skip(count - end).collect();
    Cow::Owned(format!("{head} … ({} characters) … {tail}", count - start - end))
}

/// An estimate as JSON: mean, interval and how many items are behind it.
pub(crate) fn interval(estimate: Estimate) -> Value {
    json!({ "mean": estimate.mean, "low": estimate.low, "high": estimate.high, "n": estimate.n_items })
}

/// Writes a line of data for people to stdout, as [`printed`], and keeps it where a page is wanted.
pub(crate) fn data(line: &str) {
    let line = visible(line);
    keep(SheetBlock::Lines { text: line.clone().into_owned() });
    printed(&line);
}

/// Writes a line of data for people to stdout: nothing in it moves the terminal's cursor, whatever was in the data.
pub(crate) fn printed(line: &str) {
    verbatim(&visible(line));
}

/// Writes a line of data for programs to stdout as it is: JSON, or the text of a file. A reader that has left is no error; anything else
/// that keeps data from being written ends the process with exit code 1.
pub(crate) fn verbatim(line: &str) {
    if let Some(listener) = listener() {
        return listener.data(line);
    }
    if let Err(error) = writeln!(io::stdout().lock(), "{line}")
        && error.kind() != io::ErrorKind::BrokenPipe
    {
        talk(&in_words(&format!("error: stdout: {error}")));
        std::process::exit(1);
    }
}

/// Writes sentences of data to stdout, in lines that fit its width.
pub(crate) fn prose(text: &str) {
    let text = visible(text);
    keep(SheetBlock::Prose { text: text.trim().to_owned() });
    wrapped(&text, "  ", width()).iter().for_each(|line| printed(line));
}

/// Writes a line of talk to stderr, as [`printed`].
pub(crate) fn talk(line: &str) {
    let line = visible(line);
    if let Some(listener) = listener() {
        return listener.talk(&line);
    }
    let _ = writeln!(io::stderr().lock(), "{line}");
}

/// Talks as [`talk`] does on this thread, on any thread.
pub(crate) fn talker() -> Arc<dyn Fn(&str) + Send + Sync> {
    match listener() {
        Some(listener) => Arc::new(move |line| listener.talk(&visible(line))),
        None => Arc::new(talk),
    }
}

/// Writes sentences of talk to stderr, in lines that fit its terminal.
pub(crate) fn spoken(text: &str) {
    wrapped(&visible(text), "  ", width_of_talk()).iter().for_each(|line| talk(line));
}

/// Whether a table is wanted: in a file, or by who listens.
pub(crate) fn wants_table(out: Option<&Path>) -> bool {
    out.is_some() || listener().is_some()
}

/// Hands a table to who listens, and writes it where a file is named.
///
/// # Errors
/// Where the file system refuses.
pub(crate) fn table<R: Record>(out: Option<&Path>, labels: &Labels, rows: &[R]) -> Result<(), Failure> {
    tell_table(R::FILE.trim_end_matches(".parquet"), || table::columns(labels, rows));
    if let Some(out) = out {
        table::write_labelled(out, labels, rows).map_err(Failure::work)?;
        talk(&format!("{} in {}", counted(rows.len(), "line"), out.display()));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_file_system_says_is_said_in_words() {
        let said = |problem: &str| Failure::input(problem).to_string();
        let missing = "no model: failed to open file `a/b.json`: No such file or directory (os error 2); it needs one";
        assert_eq!(
            said(missing),
            "no model: failed to open file `a/b.json`: there is no such file or folder; it needs one"
        );
        assert_eq!(said("`x`: Permission denied (os error 13)"), "`x`: Permission denied");
        assert_eq!(said("(os error"), "(os error");
    }

    #[test]
    fn what_is_quoted_from_data_moves_no_cursor() {
        let said = Failure::input("`\u{1b}[2Jrow\u{202e}` is no cell\nwrite one").to_string();
        assert_eq!(said, "`␛[2Jrow<U+202E>` is no cell\nwrite one");
    }

    #[test]
    fn a_long_line_keeps_its_start_and_its_end() {
        let problem = format!("rows.jsonl, line 3: `{}` is no cell: write one", "ü".repeat(100_000));
        let shown = Failure::input(format!("{problem}\nanother")).to_string();
        assert!(
            shown.starts_with("rows.jsonl, line 3: `üü") && shown.ends_with("is no cell: write one\nanother"),
            "{shown}"
        );
        assert!(shown.chars().count() < 1_100);
        assert_eq!(Failure::input("short").to_string(), "short");
    }
}
