//! Drawing a figure.

use std::fmt::{self, Write as _};

use super::{
    Dash, Figure, Line,
    layout::{LEFT, RIGHT, TOP, UNDER, WIDTH, escaped, escaped_name},
    room::cut,
};
use crate::{report::format::interval, stats::Estimate};

/// Points at one place stand this far apart, so that intervals do not hide each other.
const DODGE: f64 = 3.5;

impl Figure {
    /// The figure as an `<svg>` element that scales to the width it is given.
    pub(crate) fn svg(&self) -> String {
        let mut out = String::new();
        self.draw(&mut out).expect("writing to a string cannot fail");
        out
    }

    /// Whether something lies beyond the plot's upper or lower edge.
    pub(crate) fn is_open(&self) -> bool {
        let points = self.lines.iter().flat_map(|line| line.points.iter().map(|(_, estimate)| estimate));
        let level = self.level.iter().map(|(_, level)| level);
        points.chain(level).any(|estimate| self.misses(estimate).contains(&true))
    }

    /// Whether something of an estimate lies below the plot, and whether above it.
    fn misses(&self, estimate: &Estimate) -> [bool; 2] {
        let ends = [estimate.low, estimate.high].into_iter().filter(|_| estimate.has_interval());
        let missed: Vec<[bool; 2]> = ends.chain([estimate.mean]).map(|end| self.y.misses(end)).collect();
        [0, 1].map(|side| missed.iter().any(|missed| missed[side]))
    }

    fn draw(&self, out: &mut String) -> fmt::Result {
        let names = self.names();
        let mut inner = String::new();
        self.draw_axes(&mut inner)?;
        if let Some((_, level)) = &self.level {
            self.draw_level(&mut inner, level)?;
        }
        // The most important line comes last, on top.
        for (index, line) in self.lines.iter().enumerate().rev() {
            self.draw_line(&mut inner, line, self.dodge(index))?;
        }
        self.draw_names(&mut inner, &names)?;
        let listed = self.draw_list(&mut inner, &names)?;
        let plotted = self.bottom() + UNDER;
        let height = if listed > plotted { listed + 4.0 } else { plotted };
        let title = escaped(&self.title);
        write!(out, r#"<svg viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{title}">{inner}</svg>"#)
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
                write!(
                    out,
                    r#"<text class="tick" x="{x:.1}" y="{y}" text-anchor="middle">{}</text>"#,
                    escaped_name(label)
                )?;
            }
        }
        let label = axis_label(&self.y_label, WIDTH);
        write!(out, r#"<text class="axis-label" x="0" y="{}">{label}</text>"#, TOP - 14.0)?;
        let (x, y) = ((LEFT + RIGHT) / 2.0, self.bottom() + UNDER - 8.0);
        let label = axis_label(&self.x_label, 2.0 * x);
        write!(out, r#"<text class="axis-label" x="{x}" y="{y}" text-anchor="middle">{label}</text>"#)
    }

    fn draw_level(&self, out: &mut String, level: &Estimate) -> fmt::Result {
        if level.has_interval() {
            let (top, bottom) = (self.y(level.high), self.y(level.low));
            let (width, height) = (RIGHT - LEFT, bottom - top);
            let place = format!(r#"x="{LEFT}" y="{top:.1}" width="{width}" height="{height:.1}""#);
            write!(out, r#"<rect class="band level" {place}/>"#)?;
        }
        write!(out, r#"<path class="level" d="M{LEFT} {:.1}H{RIGHT}"/>"#, self.y(level.mean))?;
        if self.misses(level).contains(&true) {
            out.write_str(r#"<g class="level">"#)?;
            self.draw_open(out, level, RIGHT - 6.0)?;
            out.write_str("</g>")?;
        }
        Ok(())
    }

    /// Arrows at the edges beyond which an estimate goes on.
    fn draw_open(&self, out: &mut String, estimate: &Estimate, x: f64) -> fmt::Result {
        let edges = [(self.bottom(), -4.0), (TOP, 4.0)];
        for ((edge, back), _) in edges.into_iter().zip(self.misses(estimate)).filter(|(_, missed)| *missed) {
            let (left, right, y) = (x - 3.0, x + 3.0, edge + back);
            write!(out, r#"<path class="open" d="M{left:.1} {y:.1}L{x:.1} {edge:.1}L{right:.1} {y:.1}"/>"#)?;
        }
        Ok(())
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
            let name = self.x.name(*x).map_or_else(String::new, |name| format!("{}, ", escaped_name(name)));
            let tip = format!("<title>{name}{}: {}</title>", escaped_name(&line.label), interval(estimate));
            self.draw_open(out, estimate, at)?;
            line.style.mark.draw(out, at, self.y(estimate.mean), &tip)?;
        }
        out.write_str("</g>")
    }
}

impl Dash {
    /// The class that gives the strokes.
    pub(super) fn class(self) -> &'static str {
        match self {
            Self::Solid => "solid",
            Self::Long => "long",
            Self::Dotted => "dotted",
            Self::Mixed => "mixed",
            Self::Points => "points",
        }
    }
}

/// What an axis is, cut to the room that there is.
fn axis_label(label: &str, room: f64) -> String {
    match cut(label, room) {
        None => escaped(label),
        Some(shown) => format!("<title>{}</title>{}", escaped(label), escaped(&shown)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        report::{
            figure::{Scale, Style, room::width},
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
            style: Style::new(colour, dash),
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
    fn long_names_stay_within_the_drawing_and_are_told_apart() {
        let mut figure = figure();
        let names = ["no-prompt for deafen=10 % rest=bad→bad", "no-prompt for deafen=10 % rest=bad→good"];
        figure.lines.iter_mut().zip(names).for_each(|(line, name)| line.label = name.to_owned());
        let svg = figure.svg();
        let texts: Vec<(f64, &str)> = svg
            .split(r#"<text class="name" x=""#)
            .skip(1)
            .map(|text| {
                let (x, rest) = text.split_once('"').unwrap();
                let shown = rest.split("</text>").next().unwrap();
                (x.parse().unwrap(), shown.rsplit('>').next().unwrap())
            })
            .collect();
        assert!(texts.iter().all(|(x, text)| x + width(text) <= WIDTH), "{texts:?}");
        let shown: Vec<&str> = texts.iter().map(|(_, text)| *text).collect();
        let expected = ["1 no-prompt for d…", "2 no-prompt for d…", "control"];
        assert_eq!(shown[..3], expected);
        assert_eq!(shown[3..], [format!("1 {}", names[0]), format!("2 {}", names[1])]);
        assert!(svg.contains(&format!("<title>{}</title>1 no-prompt", names[0])));
        let height: f64 = svg.split("viewBox=\"0 0 412 ").nth(1).unwrap().split('"').next().unwrap().parse().unwrap();
        assert!(height > 280.0, "the list has room: {height}");
    }

    #[test]
    fn kinds_without_a_colour_of_their_own_have_a_sign_of_their_own() {
        let mut figure = figure();
        figure.level = None;
        let points = figure.lines[0].points.clone();
        let line =
            |at: usize| Line { label: at.to_string(), style: Style::of_kind(at, Dash::Points), points: points.clone() };
        figure.lines = (0..14).map(line).collect();
        let svg = figure.svg();
        let looks = |at: usize| {
            let name = format!(r#"y="{:.1}">{at}</text>"#, 0.0);
            let end = svg.find(&format!(">{at}</text></g>")).unwrap_or_else(|| panic!("{name}"));
            let group = &svg[svg[..end].rfind("<g class=").unwrap()..end];
            let shape = group.split("class=\"dot\"").next().unwrap().to_owned();
            let way = group
                .split(" d=\"M")
                .nth(1)
                .map_or("", |way| way.trim_start_matches(|c: char| c != 'm').split('"').next().unwrap());
            format!("{shape}{way}")
        };
        let mut all: Vec<String> = (0..14).map(looks).collect();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), 14, "{all:#?}");
        assert!(!svg.contains("leader"), "the sign says more than a way to the last point");
    }

    #[test]
    fn what_goes_on_beyond_the_plot_is_marked() {
        let mut figure = figure();
        assert!(!figure.is_open() && !figure.svg().contains(r#"class="open""#));
        figure.y = Scale::around([0.0, 0.5], plain);
        let svg = figure.svg();
        assert!(figure.is_open());
        // Above 0.5 are the two first points of the one line, two of the other, and the level.
        assert_eq!(svg.matches(r#"class="open""#).count(), 5, "{svg}");
        assert!(svg.contains(&format!(" {TOP:.1}L")), "{svg}");
    }

    #[test]
    fn names_turn_no_number_round() {
        let mut figure = figure();
        "evil\u{202e}\u{1b}[31m".clone_into(&mut figure.lines[0].label);
        "مرحبا".clone_into(&mut figure.lines[1].label);
        figure.title.push('\u{202e}');
        let svg = figure.svg();
        assert!(!svg.contains(['\u{202e}', '\u{1b}']), "{svg}");
        assert!(svg.contains("<title>\u{2068}مرحبا\u{2069}: 0.90"), "{svg}");
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
