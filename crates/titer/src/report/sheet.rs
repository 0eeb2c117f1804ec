//! A page with what a command printed: sentences and tables, in their order.

use minijinja::{Environment, syntax::SyntaxConfig, value::Serde};
use serde::Serialize;

use super::page::ReportError;

/// A page with what a command printed.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Sheet {
    /// Its title.
    pub title: String,
    /// What it holds, in order.
    pub blocks: Vec<SheetBlock>,
    /// The command that makes it again.
    pub command: String,
}

/// A part of a page.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum SheetBlock {
    /// A sentence or two.
    Prose {
        /// What it says.
        text: String,
    },
    /// Lines whose columns stand below each other.
    Lines {
        /// The lines.
        text: String,
    },
    /// A table with all its columns and lines.
    Table(SheetTable),
}

/// A table of a page.
#[derive(Clone, Debug, Serialize)]
pub struct SheetTable {
    /// The heads of the columns, and whether each holds numbers.
    pub head: Vec<(String, bool)>,
    /// The cells, `[rows][columns]`.
    pub rows: Vec<Vec<String>>,
    /// What columns mean: head and meaning.
    pub meanings: Vec<(String, String)>,
}

impl Sheet {
    /// The page, whole: it asks for nothing else.
    ///
    /// # Errors
    /// Where the page cannot be set.
    pub fn html(&self) -> Result<String, ReportError> {
        let mut page = Environment::new();
        page.set_syntax(SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build()?);
        page.add_template("sheet.html", include_str!("sheet.html"))?;
        page.add_template("head.html", include_str!("head.html"))?;
        page.add_template("page.css", include_str!("page.css"))?;
        Ok(page.get_template("sheet.html")?.render(Serde(self))?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_printed_is_on_the_page_and_cannot_break_it() {
        let table = SheetTable {
            head: vec![("prompt".to_owned(), false), ("lift".to_owned(), true)],
            rows: vec![vec!["be <b>evil</b>".to_owned(), "1.2".to_owned()]],
            meanings: vec![("lift".to_owned(), "nats".to_owned())],
        };
        let blocks = vec![SheetBlock::Prose { text: "Take it.".to_owned() }, SheetBlock::Table(table)];
        let page =
            Sheet { title: "titer screen".to_owned(), blocks, command: "titer screen".to_owned() }.html().unwrap();
        assert!(
            page.starts_with("<!doctype html>") && page.contains("be &lt;b&gt;evil") && page.contains("Take it."),
            "{page}"
        );
        assert!(!page.contains("http:") && !page.contains("src="), "it asks for nothing else");
    }
}
