//! How wide what people read may be.

use console::Term;

/// Characters of a line where nobody says how many fit: in a pipe, a file or a notebook.
const ELSEWHERE: usize = 100;
/// Fewer are of no use to a table.
const LEAST: usize = 40;

/// Characters that fit a line of stdout: those of the terminal, else what `COLUMNS` says, else 100.
pub(crate) fn width() -> usize {
    width_on(&Term::stdout())
}

/// Characters that fit a line of stderr, which may be a terminal where stdout is a pipe, and the other way round.
pub(crate) fn width_of_talk() -> usize {
    width_on(&Term::stderr())
}

fn width_on(stream: &Term) -> usize {
    let terminal = stream.size_checked().map(|(_, columns)| usize::from(columns));
    let said = || std::env::var("COLUMNS").ok().and_then(|columns| columns.trim().parse().ok());
    terminal.or_else(said).unwrap_or(ELSEWHERE).max(LEAST)
}

/// The lines of a text at a width, all but the first indented by `indent`.
pub(crate) fn wrapped(text: &str, indent: &str, width: usize) -> Vec<String> {
    let options = textwrap::Options::new(width).subsequent_indent(indent).break_words(false);
    textwrap::wrap(text, options).into_iter().map(|line| line.into_owned()).collect()
}
