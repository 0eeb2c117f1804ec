//! What the page template is given: text and drawings, no numbers left to format.

use serde::Serialize;

use super::figure::Figure;

/// A table: the first columns are text, the others numbers.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Table {
    /// What its numbers are, and which Parquet table they come from.
    pub caption: String,
    /// How many columns are text.
    pub text_columns: usize,
    /// The column heads.
    pub head: Vec<String>,
    /// The rows, `[rows][columns]`.
    pub rows: Vec<Vec<String>>,
}

/// Small multiples: rows of panels, each drawn once for every measure that the reader can choose.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Gallery {
    /// A name that is unique within the page.
    pub id: &'static str,
    /// The measures to choose from, the one shown at first in front.
    pub choices: Vec<MeasureChoice>,
    /// The rows: panels in which something is drawn.
    pub rows: Vec<GalleryRow>,
    /// What is to be said of how it is drawn.
    pub notes: Vec<String>,
    /// The numbers behind it.
    pub table: Table,
}

impl Gallery {
    /// The panels in which something is drawn; of the others it says which they are, and `why` there is nothing.
    pub(super) fn new(
        id: &'static str,
        choices: Vec<MeasureChoice>,
        mut rows: Vec<GalleryRow>,
        table: Table,
        why: &str,
    ) -> Self {
        let is_empty = |panel: &Panel| panel.drawings.iter().all(|drawing| !drawing.has_points);
        let mut missing: Vec<String> = Vec::new();
        for row in &rows {
            let empty: Vec<&str> =
                row.panels.iter().filter(|panel| is_empty(panel)).map(|panel| panel.title.as_str()).collect();
            match (row.title.as_str(), empty.len()) {
                (_, 0) => {}
                ("", _) => missing.push(empty.join(", ")),
                (title, count) if count == row.panels.len() => missing.push(title.to_owned()),
                (title, _) => missing.push(format!("{title} ({})", empty.join(", "))),
            }
        }
        rows.iter_mut().for_each(|row| row.panels.retain(|panel| !is_empty(panel)));
        rows.retain(|row| !row.panels.is_empty());
        let mut notes = Vec::new();
        if rows.is_empty() {
            notes.push(format!("Nothing is drawn: {why}."));
        } else if !missing.is_empty() {
            notes.push(format!("Not drawn: {}; {why}.", missing.join("; ")));
        }
        if rows.iter().flat_map(|row| &row.panels).flat_map(|panel| &panel.drawings).any(|drawing| drawing.is_open) {
            notes.push(
                "Where an arrow stands at the edge of a plot, what is drawn goes on beyond it; the numbers say how far.".to_owned(),
            );
        }
        Self { id, choices, rows, notes, table }
    }

    /// Whether any panel has a dashed line that its lines are compared with.
    pub(super) fn has_level(&self) -> bool {
        self.rows.iter().flat_map(|row| &row.panels).flat_map(|panel| &panel.drawings).any(|drawing| drawing.has_level)
    }
}

/// A measure that the reader can choose.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct MeasureChoice {
    /// Its word in class names.
    pub key: &'static str,
    /// What the button says.
    pub label: &'static str,
}

/// One row of panels.
#[derive(Clone, Debug, Serialize)]
pub(super) struct GalleryRow {
    /// What its panels share; may be empty.
    pub title: String,
    /// The panels.
    pub panels: Vec<Panel>,
}

/// One panel.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Panel {
    /// What is drawn.
    pub title: String,
    /// The same as a word of specs and tables; may be empty.
    pub word: String,
    /// A drawing for each measure.
    pub drawings: Vec<Drawing>,
}

/// One drawing of a panel.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Drawing {
    /// The keys of the measures that it is shown for, separated by spaces, each with `m-` before it.
    pub classes: String,
    /// The SVG element.
    pub svg: String,
    /// Whether there is anything in it but axes.
    #[serde(skip)]
    has_points: bool,
    /// Whether something goes on beyond its edges.
    #[serde(skip)]
    is_open: bool,
    /// Whether its lines are compared with a dashed one.
    #[serde(skip)]
    has_level: bool,
}

impl Drawing {
    /// A figure, for the measures of these classes.
    pub(super) fn of(figure: &Figure, classes: String) -> Self {
        Self {
            classes,
            svg: figure.svg(),
            has_points: figure.lines.iter().any(|line| !line.points.is_empty()),
            is_open: figure.is_open(),
            has_level: figure.level.is_some(),
        }
    }
}

/// A table whose numbers are coloured by size.
#[derive(Clone, Debug, Serialize)]
pub(super) struct HeatTable {
    /// What its numbers are, and which Parquet table they come from.
    pub caption: String,
    /// The column heads; the first is the row's.
    pub head: Vec<String>,
    /// Groups of rows.
    pub groups: Vec<HeatGroup>,
}

/// Rows of a heat table that share a title.
#[derive(Clone, Debug, Serialize)]
pub(super) struct HeatGroup {
    /// The title; may be empty.
    pub title: String,
    /// The rows.
    pub rows: Vec<HeatRow>,
}

/// A row of a heat table.
#[derive(Clone, Debug, Serialize)]
pub(super) struct HeatRow {
    /// Its name.
    pub label: String,
    /// Its numbers.
    pub cells: Vec<HeatCell>,
}

/// A coloured number.
#[derive(Clone, Debug, Default, Serialize)]
pub(super) struct HeatCell {
    /// The mean.
    pub mean: String,
    /// Its interval; empty where there is none.
    pub interval: String,
    /// How strongly it is coloured, in per cent.
    pub heat: u8,
}
