//! Figures: lines with intervals over an axis, drawn as SVG.
//!
//! The drawing depends on its input only, names no colours (the page's style sheet does, for light and dark) and
//! carries its numbers as tool tips.

mod labels;
mod layout;
mod lines;
mod mark;
mod names;
mod room;
mod scale;
mod svg;

pub(super) use lines::{Dash, Figure, Line, Style};
use mark::Mark;
pub(super) use scale::{Scale, names_fit};
