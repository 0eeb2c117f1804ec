//! The signs of points.

use std::fmt::{self, Write as _};

/// The sign of a point.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mark {
    /// A disc.
    #[default]
    Disc,
    /// A square.
    Square,
    /// A triangle that stands on its side.
    Triangle,
    /// A square that stands on a corner.
    Diamond,
}

impl Mark {
    /// All of them, the plainest first.
    pub(super) const ALL: [Self; 4] = [Self::Disc, Self::Square, Self::Triangle, Self::Diamond];

    /// Draws it at a place, with the markup that stands in it.
    pub(super) fn draw(self, out: &mut String, x: f64, y: f64, inner: &str) -> fmt::Result {
        let way = match self {
            Self::Disc => {
                return write!(out, r#"<circle class="dot" cx="{x:.1}" cy="{y:.1}" r="2.6">{inner}</circle>"#);
            }
            Self::Square => "m-2.5 -2.5h5v5h-5Z",
            Self::Triangle => "m0 -3.4l3.3 5.7h-6.6Z",
            Self::Diamond => "m0 -3.6l3.6 3.6l-3.6 3.6l-3.6 -3.6Z",
        };
        write!(out, r#"<path class="dot" d="M{x:.1} {y:.1}{way}">{inner}</path>"#)
    }
}
