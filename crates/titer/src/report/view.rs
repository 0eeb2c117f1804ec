//! What the page template is given: text and drawings, no numbers left to format.

use serde::Serialize;

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
    /// The rows.
    pub rows: Vec<GalleryRow>,
    /// The numbers behind it.
    pub table: Table,
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
