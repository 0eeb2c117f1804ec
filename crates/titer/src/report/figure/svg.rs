//! Drawing a figure.

use std::fmt::{self, Write as _};

use super::{Dash, Figure, Line, labels::spread};
use crate::{report::format::interval, stats::Estimate};

/// The drawing's size, and where the plot lies in it, in units of the drawing. The plot ends at `BOTTOM`, or lower where its
/// names need the room.
const WIDTH: f64 = 400.0;
const LEFT: f64 = 34.0;
const RIGHT: f64 = 286.0;
const TOP: f64 = 26.0;
const BOTTOM: f64 = 212.0;
/// What is under the plot: ticks and the axis' label.
const UNDER: f64 = 44.0;
/// Names stand this far apart.
const NAME: f64 = 13.0;

/// Points at one place stand this far apart, so that intervals do not hide each other.
const DODGE: f64 = 3.5;

impl Figure {
    /// The figure as an `<svg>` element that scales to the width it is given.
    pub(crate) fn svg(&self) -> String {
        let mut out = String::new();
        self.draw(&mut out).expect("writing to a string cannot fail");
        out
    }

    fn draw(&self, out: &mut String) -> fmt::Result {
        let height = self.bottom() + UNDER;
        write!(out, r#"<svg viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{}">"#, escape(&self.title))?;
        self.draw_axes(out)?;
        if let Some((_, level)) = &self.level {
            self.draw_level(out, level)?;
        }
        // The most important line comes last, on top.
        for (index, line) in self.lines.iter().enumerate().rev() {
            self.draw_line(out, line, self.dodge(index))?;
        }
        self.draw_labels(out)?;
        out.write_str("</svg>")
    }

    /// Where the plot ends.
    fn bottom(&self) -> f64 {
        let named = self.lines.iter().filter(|line| line.style.is_named()).count();
        let names = named + usize::from(self.level.is_some());
        BOTTOM.max(TOP + NAME * names as f64)
    }

    fn x(&self, number: f64) -> f64 {
        LEFT + (RIGHT - LEFT) * self.x.place(number)
    }

    fn y(&self, number: f64) -> f64 {
        self.bottom() - (self.bottom() - TOP) * self.y.place(number)
    }

    fn dodge(&self, line: usize) -> f64 {
        DODGE * (line as f64 - (self.lines.len() as f64 - 1.0) / 2.0)
    }

    fn draw_axes(&self, out: &mut String) -> fmt::Result {
        let bottom = self.bottom();
        for (at, label) in &self.y.ticks {
            let y = self.y(*at);
            let class = if *at == 0.0 { "zero" } else { "grid" };
            write!(out, r#"<line class="{class}" x1="{LEFT}" x2="{RIGHT}" y1="{y:.1}" y2="{y:.1}"/>"#)?;
            write!(
                out,
                r#"<text class="tick" x="{:.1}" y="{:.1}" text-anchor="end">{label}</text>"#,
                LEFT - 6.0,
                y + 3.5
            )?;
        }
        match self.x.gap().map(|gap| LEFT + (RIGHT - LEFT) * gap) {
            None => write!(out, r#"<path class="axis" d="M{LEFT} {bottom}H{RIGHT}"/>"#)?,
            Some(gap) => {
                let (before, after, up, down) = (gap - 3.0, gap + 3.0, self.bottom() - 4.0, self.bottom() + 4.0);
                write!(out, r#"<path class="axis" d="M{LEFT} {bottom}H{before:.1}M{after:.1} {bottom}H{RIGHT}"#)?;
                for at in [before, after] {
                    write!(out, "M{:.1} {down}L{:.1} {up}", at - 2.0, at + 2.0)?;
                }
                out.write_str(r#""/>"#)?;
            }
        }
        for (at, label) in &self.x.ticks {
            let (x, down) = (self.x(*at), self.bottom() + if label.is_empty() { 3.0 } else { 5.0 });
            write!(out, r#"<path class="axis" d="M{x:.1} {bottom}V{down}"/>"#)?;
            if !label.is_empty() {
                let y = self.bottom() + 17.0;
                write!(out, r#"<text class="tick" x="{x:.1}" y="{y}" text-anchor="middle">{}</text>"#, escape(label))?;
            }
        }
        let label = escape(&self.y_label);
        write!(out, r#"<text class="axis-label" x="0" y="{}">{label}</text>"#, TOP - 14.0)?;
        let (x, y, label) = ((LEFT + RIGHT) / 2.0, self.bottom() + UNDER - 8.0, escape(&self.x_label));
        write!(out, r#"<text class="axis-label" x="{x}" y="{y}" text-anchor="middle">{label}</text>"#)
    }

    fn draw_level(&self, out: &mut String, level: &Estimate) -> fmt::Result {
        if level.has_interval() {
            let (top, bottom) = (self.y(level.high), self.y(level.low));
            let (width, height) = (RIGHT - LEFT, bottom - top);
            let place = format!(r#"x="{LEFT}" y="{top:.1}" width="{width}" height="{height:.1}""#);
            write!(out, r#"<rect class="band level" {place}/>"#)?;
        }
        write!(out, r#"<path class="level" d="M{LEFT} {:.1}H{RIGHT}"/>"#, self.y(level.mean))
    }

    fn draw_line(&self, out: &mut String, line: &Line, dodge: f64) -> fmt::Result {
        write!(out, r#"<g class="{} {}">"#, line.style.colour, line.style.dash.class())?;
        let apart = |x: f64| !self.x.is_continuous() || (self.x.sets_zero_apart() && x <= 0.0);
        let (alone, joined): (Vec<_>, Vec<_>) = line.points.iter().copied().partition(|(x, _)| apart(*x));
        let sure: Vec<_> = joined.iter().filter(|(_, estimate)| estimate.has_interval()).collect();
        if sure.len() > 1 {
            let edge = |x: f64, y: f64| format!("{:.1} {:.1}", self.x(x), self.y(y));
            let upper = sure.iter().map(|(x, estimate)| edge(*x, estimate.high));
            let lower = sure.iter().rev().map(|(x, estimate)| edge(*x, estimate.low));
            write!(out, r#"<path class="band" d="M{}Z"/>"#, upper.chain(lower).collect::<Vec<_>>().join("L"))?;
        }
        if joined.len() > 1 && line.style.dash != Dash::Points {
            let points = joined.iter().map(|(x, estimate)| format!("{:.1} {:.1}", self.x(*x), self.y(estimate.mean)));
            write!(out, r#"<path class="line" d="M{}"/>"#, points.collect::<Vec<_>>().join("L"))?;
        }
        // A point that no band reaches shows its interval by itself, beside those of the other lines.
        let whiskers = if sure.len() > 1 { &alone } else { &line.points };
        for (x, estimate) in whiskers.iter().filter(|(_, estimate)| estimate.has_interval()) {
            let shift = if apart(*x) { dodge } else { 0.0 };
            let (x, low, high) = (self.x(*x) + shift, self.y(estimate.low), self.y(estimate.high));
            write!(out, r#"<path class="whisker" d="M{x:.1} {low:.1}V{high:.1}"/>"#)?;
        }
        for (x, estimate) in &line.points {
            let at = self.x(*x) + if apart(*x) { dodge } else { 0.0 };
            let name = self.x.name(*x).map_or_else(String::new, |name| format!("{name}, "));
            let tip = escape(&format!("{name}{}: {}", line.label, interval(estimate)));
            let y = self.y(estimate.mean);
            write!(out, r#"<circle class="dot" cx="{at:.1}" cy="{y:.1}" r="2.6"><title>{tip}</title></circle>"#)?;
        }
        out.write_str("</g>")
    }

    fn draw_labels(&self, out: &mut String) -> fmt::Result {
        struct End<'a> {
            label: &'a str,
            colour: &'a str,
            from: (f64, f64),
        }
        let end = |line: &'_ Line| line.points.last().map(|(x, estimate)| (self.x(*x), self.y(estimate.mean)));
        let mut ends: Vec<End<'_>> = Vec::new();
        for line in self.lines.iter().filter(|line| line.style.is_named()) {
            ends.extend(end(line).map(|from| End { label: &line.label, colour: line.style.colour, from }));
        }
        if let Some((label, level)) = &self.level {
            ends.push(End { label, colour: "level", from: (RIGHT, self.y(level.mean)) });
        }
        let wanted: Vec<f64> = ends.iter().map(|end| end.from.1).collect();
        for (end, y) in ends.iter().zip(spread(&wanted, NAME, TOP + 2.0, self.bottom())) {
            let (from, near, text) = (end.from.0 + 5.0, RIGHT + 9.0, RIGHT + 12.0);
            let colour = end.colour;
            write!(
                out,
                r#"<g class="{colour}"><path class="leader" d="M{from:.1} {:.1}L{near} {y:.1}"/>"#,
                end.from.1
            )?;
            write!(out, r#"<text class="name" x="{text}" y="{:.1}">{}</text></g>"#, y + 3.8, escape(end.label))?;
        }
        Ok(())
    }
}

impl Dash {
    /// The class that gives the strokes.
    fn class(self) -> &'static str {
        match self {
            Self::Solid => "solid",
            Self::Long => "long",
            Self::Dotted => "dotted",
            Self::Mixed => "mixed",
            Self::Points => "points",
        }
    }
}

/// Text as it may stand in an element or an attribute.
fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        report::{
            figure::{Scale, Style},
            format::plain,
        },
        stats::Support,
    };

    fn estimate(mean: f64) -> Estimate {
        Estimate::over_seeds(&[mean - 0.005, mean + 0.005], Support::Rate).expect("there are numbers")
    }

    fn figure() -> Figure {
        let line = |label: &str, colour, dash, means: [f64; 3]| Line {
            label: label.to_owned(),
            style: Style { colour, dash },
            points: [0.0, 0.01, 1.0].into_iter().zip(means.map(estimate)).collect(),
        };
        Figure {
            title: "Obeys <bad> prompts".to_owned(),
            x: Scale::amounts(&[0.0, 0.01, 1.0], plain),
            x_label: "dose".to_owned(),
            y: Scale::unit(),
            y_label: "rate".to_owned(),
            lines: vec![
                line("seen", "c0", Dash::Solid, [0.9, 0.5, 0.1]),
                line("held-out", "c2", Dash::Long, [0.9, 0.6, 0.12]),
            ],
            level: Some(("control".to_owned(), estimate(0.92))),
        }
    }

    #[test]
    fn a_figure_is_drawn_as_before() {
        insta::assert_snapshot!(figure().svg().replace("><", ">\n<"));
    }

    #[test]
    fn names_in_the_data_cannot_break_the_drawing() {
        assert!(figure().svg().contains(r#"aria-label="Obeys &lt;bad&gt; prompts""#));
    }

    #[test]
    fn categories_are_points_without_lines() {
        let names = ["a".to_owned(), "b".to_owned(), "c".to_owned()];
        let mut figure = Figure { x: Scale::slots(&names), ..figure() };
        figure.lines.iter_mut().for_each(|line| {
            line.points.iter_mut().enumerate().for_each(|(at, (x, _))| *x = at as f64);
        });
        let svg = figure.svg();
        assert!(!svg.contains(r#"class="line""#) && svg.contains(r#"class="whisker""#));
    }
}
