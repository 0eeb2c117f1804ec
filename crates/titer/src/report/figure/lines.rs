//! What a figure shows: lines with intervals over one axis.

use super::{Mark, Scale};
use crate::stats::Estimate;

/// Lines with intervals over one axis.
#[derive(Clone, Debug)]
pub(crate) struct Figure {
    /// What a screen reader says.
    pub title: String,
    /// The horizontal axis.
    pub x: Scale,
    /// What it is.
    pub x_label: String,
    /// The vertical axis.
    pub y: Scale,
    /// What it is, with its unit.
    pub y_label: String,
    /// The lines, the most important first.
    pub lines: Vec<Line>,
    /// A dashed line over the whole width, with its name: what the lines are compared with.
    pub level: Option<(String, Estimate)>,
}

/// A line with its intervals.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    /// Its name, written at its end.
    pub label: String,
    /// Its colour and strokes.
    pub style: Style,
    /// Position on the horizontal axis and estimate, ascending.
    pub points: Vec<(f64, Estimate)>,
}

/// How a line looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Style {
    /// The class that gives the colour: `c0` to `c5` for kinds, `q0` to `q4` for amounts, [`Style::QUIET`].
    pub colour: &'static str,
    /// The strokes.
    pub dash: Dash,
    /// The sign of its points.
    pub mark: Mark,
}

/// Colours of kinds, in turn.
const KINDS: [&str; 6] = ["c0", "c1", "c2", "c3", "c4", "c5"];

impl Style {
    /// A line with points of the plainest sign.
    pub(crate) fn new(colour: &'static str, dash: Dash) -> Self {
        Self { colour, dash, mark: Mark::Disc }
    }

    /// One of many kinds: a colour for each, and where these run out another sign.
    pub(crate) fn of_kind(at: usize, dash: Dash) -> Self {
        let mark = Mark::ALL[at / KINDS.len() % Mark::ALL.len()];
        Self { colour: KINDS[at % KINDS.len()], dash, mark }
    }

    /// The class of lines in the background, whose names are in their tool tips alone.
    pub(crate) const QUIET: &'static str = "quiet";

    /// Whether the line's name is written at its end.
    pub(crate) fn is_named(self) -> bool {
        self.colour != Self::QUIET
    }
}

/// The strokes of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dash {
    /// Unbroken, with filled points.
    Solid,
    /// Long strokes, with open points.
    Long,
    /// Dots, with open points.
    Dotted,
    /// Strokes and dots, with open points.
    Mixed,
    /// No stroke: points that nothing joins.
    Points,
}
