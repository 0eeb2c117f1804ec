//! Names of lines: at their ends as far as there is room, and below the plot where there is none.

use std::fmt::{self, Write as _};

use super::{
    Dash, Figure, Style,
    labels::spread,
    layout::{NAME, RIGHT, TOP, UNDER, WIDTH, escaped_name},
    room::{cut, lines, width},
};

/// Where names begin.
const NAMES: f64 = RIGHT + 12.0;
/// From a sign to the name behind it.
const BEHIND: f64 = 8.0;
/// Lines of a name below the plot, at most; its tool tip has all of it.
const MOST_LINES: usize = 4;

/// A name at the end of a line.
pub(super) struct NameAtEnd<'a> {
    label: &'a str,
    style: Style,
    /// Where the line ends.
    from: (f64, f64),
    /// Whether it names points that nothing joins, so that their sign says more than a way to the last of them.
    scattered: bool,
    /// Its number and what has room behind it, where all of it has not.
    cut: Option<(usize, String)>,
}

impl Figure {
    /// The names of all lines that have one, and of the level.
    pub(super) fn names(&self) -> Vec<NameAtEnd<'_>> {
        let mut names: Vec<NameAtEnd<'_>> = Vec::new();
        for line in self.lines.iter().filter(|line| line.style.is_named()) {
            let Some((x, estimate)) = line.points.last() else { continue };
            let scattered = line.style.dash == Dash::Points && line.points.len() > 1;
            let from = (self.x(*x), self.y(estimate.mean));
            names.push(NameAtEnd { label: &line.label, style: line.style, from, scattered, cut: None });
        }
        if let Some((label, level)) = &self.level {
            let (style, from) = (Style::new("level", Dash::Long), (RIGHT, self.y(level.mean)));
            names.push(NameAtEnd { label, style, from, scattered: false, cut: None });
        }
        let mut number = 0;
        for name in &mut names {
            let room = WIDTH - NAMES - if name.scattered { BEHIND } else { 0.0 };
            if width(name.label) > room {
                number += 1;
                name.cut = Some((number, cut(&format!("{number} {}", name.label), room).unwrap_or_default()));
            }
        }
        names
    }

    /// Writes them behind the plot.
    pub(super) fn draw_names(&self, out: &mut String, names: &[NameAtEnd<'_>]) -> fmt::Result {
        let wanted: Vec<f64> = names.iter().map(|name| name.from.1).collect();
        for (name, y) in names.iter().zip(spread(&wanted, NAME, TOP + 2.0, self.bottom())) {
            let (begin, near) = (name.from.0 + 5.0, NAMES - 3.0);
            write!(out, r#"<g class="{}">"#, name.style.colour)?;
            let text = if name.scattered {
                name.style.mark.draw(out, NAMES, y, "")?;
                NAMES + BEHIND
            } else {
                write!(out, r#"<path class="leader" d="M{begin:.1} {:.1}L{near} {y:.1}"/>"#, name.from.1)?;
                NAMES
            };
            write!(out, r#"<text class="name" x="{text}" y="{:.1}">"#, y + 3.8)?;
            match &name.cut {
                None => out.write_str(&escaped_name(name.label))?,
                Some((_, shown)) => {
                    write!(out, "<title>{}</title>{}", escaped_name(name.label), escaped_name(shown))?;
                }
            }
            out.write_str("</text></g>")?;
        }
        Ok(())
    }

    /// Writes those below the plot that are cut behind it, each with its number; how far down that goes.
    pub(super) fn draw_list(&self, out: &mut String, names: &[NameAtEnd<'_>]) -> Result<f64, fmt::Error> {
        let mut y = self.bottom() + UNDER;
        for name in names {
            let Some((number, _)) = &name.cut else { continue };
            let text = BEHIND + 2.0;
            write!(out, r#"<g class="{} {}">"#, name.style.colour, name.style.dash.class())?;
            for (at, line) in
                lines(&format!("{number} {}", name.label), 0.94 * (WIDTH - text), MOST_LINES).into_iter().enumerate()
            {
                y += NAME;
                if at == 0 {
                    name.style.mark.draw(out, 4.0, y - 3.8, "")?;
                }
                write!(out, r#"<text class="name" x="{text}" y="{y:.1}">"#)?;
                write!(out, "<title>{}</title>{}</text>", escaped_name(name.label), escaped_name(&line))?;
            }
            out.write_str("</g>")?;
        }
        Ok(y)
    }
}
