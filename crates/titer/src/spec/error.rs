//! What is wrong with a spec, and where.

use std::{fmt, ops::Range, path::PathBuf};

/// One thing that is wrong with a spec.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpecError {
    /// The file.
    pub path: PathBuf,
    /// Line (from 1), column (from 1) and text of the line; `None` where no line is to blame.
    pub place: Option<(usize, usize, String)>,
    /// What is wrong.
    pub problem: String,
    /// What to do about it.
    pub remedy: String,
}

impl SpecError {
    /// An error at a byte range of the text.
    pub(super) fn new(
        path: &std::path::Path,
        text: &str,
        span: Option<Range<usize>>,
        problem: String,
        remedy: String,
    ) -> Self {
        let place = span.map(|span| {
            let start = span.start.min(text.len());
            let line_start = text[..start].rfind('\n').map_or(0, |at| at + 1);
            let line = text[..start].matches('\n').count() + 1;
            let column = text[line_start..start].chars().count() + 1;
            (line, column, text[line_start..].lines().next().unwrap_or_default().to_owned())
        });
        Self { path: path.to_owned(), place, problem, remedy }
    }

    /// File, line, column and problem, without the text of the line and the remedy.
    pub(crate) fn headline(&self) -> String {
        let place = self.place.as_ref().map_or_else(String::new, |(line, column, _)| format!(":{line}:{column}"));
        format!("{}{place}: {}", self.path.display(), self.problem)
    }
}

impl fmt::Display for SpecError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.headline())?;
        if let Some((line, column, text)) = &self.place {
            let margin = " ".repeat(line.to_string().len());
            let (text, before) = cut(text, column - 1);
            write!(f, "\n  {line} | {text}\n  {margin} | {}^", " ".repeat(before))?;
        }
        if self.remedy.is_empty() { Ok(()) } else { write!(f, "\n  help: {}", self.remedy) }
    }
}

/// What is shown of a line around a place, counted in letters from 0, and where the place is in that: lines of data may be of any length.
fn cut(line: &str, place: usize) -> (String, usize) {
    const SHOWN: usize = 120;
    let letters = line.chars().count();
    if letters <= SHOWN {
        return (line.to_owned(), place);
    }
    let start = place.saturating_sub(SHOWN / 3).min(letters);
    let (before, behind) = (if start > 0 { "…" } else { "" }, if start + SHOWN < letters { "…" } else { "" });
    let shown: String = line.chars().skip(start).take(SHOWN).collect();
    (format!("{before}{shown}{behind}"), place - start + usize::from(start > 0))
}

impl std::error::Error for SpecError {}
