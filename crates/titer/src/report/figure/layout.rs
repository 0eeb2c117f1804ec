//! Where things are in a drawing, and how text stands in it.

use super::Figure;
use crate::words::{isolated, visible, without_directions};

/// The drawing's size, and where the plot lies in it, in units of the drawing. The plot ends at `BOTTOM`, or lower where its
/// names need the room.
pub(super) const WIDTH: f64 = 412.0;
pub(super) const LEFT: f64 = 34.0;
pub(super) const RIGHT: f64 = 286.0;
pub(super) const TOP: f64 = 26.0;
const BOTTOM: f64 = 212.0;
/// What is under the plot: ticks and the axis' label.
pub(super) const UNDER: f64 = 44.0;
/// Names stand this far apart.
pub(super) const NAME: f64 = 13.0;

impl Figure {
    /// Where the plot ends.
    pub(super) fn bottom(&self) -> f64 {
        let named = self.lines.iter().filter(|line| line.style.is_named()).count();
        let names = named + usize::from(self.level.is_some());
        BOTTOM.max(TOP + NAME * names as f64)
    }

    pub(super) fn x(&self, number: f64) -> f64 {
        LEFT + (RIGHT - LEFT) * self.x.place(number)
    }

    pub(super) fn y(&self, number: f64) -> f64 {
        self.bottom() - (self.bottom() - TOP) * self.y.place(number)
    }
}

/// Text as it may stand in an element or an attribute.
pub(super) fn escaped(text: &str) -> String {
    marked(&visible(&without_directions(text)))
}

/// A name from elsewhere, with what is written beside it staying where it is.
pub(super) fn escaped_name(name: &str) -> String {
    marked(&isolated(&visible(&without_directions(name))))
}

fn marked(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
