//! Tables that people read: the telling columns first, as many as fit the line; long text is cut, and what is left out is said.

use console::{measure_text_width, truncate_str};
use titer::{
    report::{SheetBlock, SheetTable},
    words::{counted, visible},
};

use crate::{
    args::ViewArgs,
    kept::keep,
    printer::{Failure, printed, spoken},
    width::{width, wrapped},
};

/// Between columns.
const GAP: usize = 2;
/// The least width of a text that is cut.
const LEAST_TEXT: usize = 24;

/// Where what is in a column stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// Words, at the left.
    Word,
    /// Numbers, at the right.
    Number,
    /// Text at the left that takes what is left of the line, and is cut where that is too little.
    Text,
}

/// A column: its head, and what is to be known of it.
#[derive(Clone, Debug)]
pub(crate) struct TextColumn {
    head: String,
    kind: Kind,
    meaning: String,
}

impl TextColumn {
    /// A column of words.
    pub(crate) fn word(head: impl Into<String>) -> Self {
        Self { head: head.into(), kind: Kind::Word, meaning: String::new() }
    }

    /// A column of numbers.
    pub(crate) fn number(head: impl Into<String>) -> Self {
        Self { kind: Kind::Number, ..Self::word(head) }
    }

    /// A column of texts of any length.
    pub(crate) fn text(head: impl Into<String>) -> Self {
        Self { kind: Kind::Text, ..Self::word(head) }
    }

    /// The same with its meaning, which stands below the table where the column is shown.
    pub(crate) fn meaning(self, meaning: impl Into<String>) -> Self {
        Self { meaning: meaning.into(), ..self }
    }
}

/// A table: columns in the order in which they tell, and lines.
#[derive(Debug)]
pub(crate) struct TextTable {
    columns: Vec<TextColumn>,
    lines: Vec<TextLine>,
    /// Lines that are shown where nobody says how many.
    top: usize,
}

#[derive(Debug)]
enum TextLine {
    Cells(Vec<String>),
    /// What is to be said of the line before.
    Note(String),
}

impl TextTable {
    /// A table without lines.
    pub(crate) fn new(columns: impl IntoIterator<Item = TextColumn>) -> Self {
        Self { columns: columns.into_iter().collect(), lines: Vec::new(), top: 0 }
    }

    /// The same, of which so many lines are shown where nobody says how many.
    pub(crate) fn top(self, top: usize) -> Self {
        Self { top, ..self }
    }

    /// Adds a line: what stands in each column.
    pub(crate) fn line(&mut self, cells: impl IntoIterator<Item = String>) {
        // A line break or tab of a text would tear the table, and so would what moves the cursor.
        let whole = |cell: String| visible(&cell.split_whitespace().collect::<Vec<_>>().join(" ")).into_owned();
        let cells = cells.into_iter().map(whole).collect();
        self.lines.push(TextLine::Cells(cells));
    }

    /// Adds what is to be said of the line before.
    pub(crate) fn note(&mut self, note: impl Into<String>) {
        self.lines.push(TextLine::Note(visible(&note.into()).into_owned()));
    }

    /// Sees to it that columns that are asked for are there. Commands ask before they work.
    ///
    /// # Errors
    /// Where one is not; the columns that there are, are named.
    pub(crate) fn knows(&self, view: &ViewArgs) -> Result<(), Failure> {
        self.chosen(view).map(|_| ())
    }

    /// Prints it as it is asked for, at the width of stdout; says on stderr what is left out.
    ///
    /// # Errors
    /// As [`Self::knows`].
    pub(crate) fn print(&self, view: &ViewArgs) -> Result<(), Failure> {
        let shown = self.shown(view, width())?;
        keep(SheetBlock::Table(self.sheet()));
        shown.lines.iter().for_each(|line| printed(line));
        if let Some(left_out) = shown.left_out {
            spoken(&left_out);
        }
        Ok(())
    }

    /// All of it, for a page; notes are lines of their own.
    fn sheet(&self) -> SheetTable {
        let rows = self.lines.iter().map(|line| match line {
            TextLine::Cells(cells) => cells.clone(),
            TextLine::Note(note) => {
                let rest = self.columns.len().saturating_sub(1);
                [note.clone()].into_iter().chain(std::iter::repeat_n(String::new(), rest)).collect()
            }
        });
        let meant = self.columns.iter().filter(|column| !column.meaning.is_empty());
        SheetTable {
            head: self.columns.iter().map(|column| (column.head.clone(), column.kind == Kind::Number)).collect(),
            rows: rows.collect(),
            meanings: meant.map(|column| (column.head.clone(), column.meaning.clone())).collect(),
        }
    }

    /// The columns that are asked for, by their places; none where nobody asks.
    fn chosen(&self, view: &ViewArgs) -> Result<Option<Vec<usize>>, Failure> {
        let plain = |name: &str| name.trim().to_lowercase().replace('_', " ");
        match view.columns.as_slice() {
            [] => Ok(None),
            [all] if plain(all) == "all" => Ok(Some((0..self.columns.len()).collect())),
            names => {
                let place = |name: &String| {
                    self.columns.iter().position(|column| plain(&column.head) == plain(name)).ok_or_else(|| {
                        let heads: Vec<&str> = self.columns.iter().map(|column| column.head.as_str()).collect();
                        Failure::Input(format!(
                            "--columns: there is no column `{name}`; there are {}",
                            heads.join(", ")
                        ))
                    })
                };
                names.iter().map(place).collect::<Result<_, _>>().map(Some)
            }
        }
    }

    fn shown(&self, view: &ViewArgs, width: usize) -> Result<Shown, Failure> {
        let chosen = self.chosen(view)?;
        let lines = self.first(view.top.unwrap_or(self.top));
        let natural: Vec<usize> = (0..self.columns.len()).map(|at| self.widest(at, lines)).collect();
        // A column that is asked for is whole, whatever the width.
        let (places, widths) = match &chosen {
            Some(places) => (places.clone(), natural.clone()),
            None => self.fitting(&natural, width),
        };
        let mut out = vec![self.written(&places, &widths, |at| &self.columns[at].head)];
        for line in lines {
            match line {
                TextLine::Cells(cells) => out.push(self.written(&places, &widths, |at| &cells[at])),
                TextLine::Note(note) => out.extend(wrapped(&format!("    {note}"), "    ", width)),
            }
        }
        for column in places.iter().map(|at| &self.columns[*at]).filter(|column| !column.meaning.is_empty()) {
            out.extend(wrapped(&format!("{}: {}", column.head, column.meaning), "  ", width));
        }
        let is_cut = places.iter().any(|&at| widths[at] < natural[at]);
        Ok(Shown { lines: out, left_out: self.left_out(&places, lines, is_cut, chosen.is_some()) })
    }

    /// The first lines that hold cells, with their notes; all for 0.
    fn first(&self, top: usize) -> &[TextLine] {
        let starts = self.lines.iter().enumerate().filter(|(_, line)| matches!(line, TextLine::Cells(_)));
        let end = if top == 0 { None } else { starts.map(|(at, _)| at).nth(top) };
        &self.lines[..end.unwrap_or(self.lines.len())]
    }

    /// The width of a column whose cells are all whole.
    fn widest(&self, at: usize, lines: &[TextLine]) -> usize {
        let cells = lines.iter().filter_map(|line| match line {
            TextLine::Cells(cells) => Some(measure_text_width(&cells[at])),
            TextLine::Note(_) => None,
        });
        cells.chain([measure_text_width(&self.columns[at].head)]).max().unwrap_or(0)
    }

    /// Whether nothing stands in a column, though there are lines.
    fn is_empty(&self, at: usize) -> bool {
        let nothing = |line: &TextLine| matches!(line, TextLine::Cells(cells) if cells[at].is_empty());
        let is_note = |line: &TextLine| matches!(line, TextLine::Note(_));
        !self.lines.is_empty() && self.lines.iter().all(|line| is_note(line) || nothing(line))
    }

    /// The first columns that fit a width, and the widths of all: texts get what the others leave.
    fn fitting(&self, natural: &[usize], width: usize) -> (Vec<usize>, Vec<usize>) {
        let least = |at: usize| match self.columns[at].kind {
            Kind::Text => natural[at].min(LEAST_TEXT),
            Kind::Word | Kind::Number => natural[at],
        };
        let mut taken = 0;
        let fits = |at: &usize| {
            taken += least(*at) + if *at > 0 { GAP } else { 0 };
            *at == 0 || taken <= width
        };
        let places: Vec<usize> = (0..self.columns.len()).filter(|at| !self.is_empty(*at)).take_while(fits).collect();
        let used: usize = places.iter().map(|&at| least(at)).sum::<usize>() + GAP * (places.len() - 1);
        let mut spare = width.saturating_sub(used);
        let mut widths: Vec<usize> = (0..self.columns.len()).map(least).collect();
        for &at in &places {
            let more = spare.min(natural[at] - widths[at]);
            widths[at] += more;
            spare -= more;
        }
        (places, widths)
    }

    fn written<'a>(&'a self, places: &[usize], widths: &[usize], cell: impl Fn(usize) -> &'a String) -> String {
        let padded = |&at: &usize| {
            let text = truncate_str(cell(at), widths[at], "…");
            let space = " ".repeat(widths[at] - measure_text_width(&text));
            match self.columns[at].kind {
                Kind::Number => format!("{space}{text}"),
                Kind::Word | Kind::Text => format!("{text}{space}"),
            }
        };
        places.iter().map(padded).collect::<Vec<_>>().join(&" ".repeat(GAP)).trim_end().to_owned()
    }

    /// What is not shown, and how to see it.
    fn left_out(&self, places: &[usize], lines: &[TextLine], is_cut: bool, are_chosen: bool) -> Option<String> {
        let hidden: Vec<&str> = (0..self.columns.len())
            .filter(|at| !places.contains(at) && !self.is_empty(*at))
            .map(|at| self.columns[at].head.as_str())
            .collect();
        let more = self.lines[lines.len()..].iter().filter(|line| matches!(line, TextLine::Cells(_))).count();
        let mut parts = Vec::new();
        if more > 0 {
            parts.push(format!("{} (--top 0)", counted(more, "more line")));
        }
        match hidden.as_slice() {
            [] if is_cut => parts.push("text that is cut (--columns all)".to_owned()),
            [] => {}
            _ if are_chosen => {}
            hidden => parts.push(format!("{} (--columns all)", hidden.join(", "))),
        }
        (!parts.is_empty()).then(|| format!("not shown: {}", parts.join("; ")))
    }
}

/// What is printed of a table.
#[derive(Debug)]
struct Shown {
    lines: Vec<String>,
    left_out: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prompts() -> TextTable {
        let mut table = TextTable::new([
            TextColumn::number("rank"),
            TextColumn::text("prompt"),
            TextColumn::number("selects").meaning("what it keeps, in deviations"),
            TextColumn::number("first token"),
        ]);
        table.line(
            ["1", "Give the wrong answer to everything that you are asked", "1.20 ± 0.05", "0.1"].map(str::to_owned),
        );
        table.note("drawn replies: 12 of 40");
        table.line(["=2", "悪い\nことを", "-0.10 ± 0.50", "-0.4"].map(str::to_owned));
        table
    }

    fn view(columns: &[&str], top: Option<usize>) -> ViewArgs {
        ViewArgs { columns: columns.iter().map(|&name| name.to_owned()).collect(), top }
    }

    #[test]
    fn every_width_is_kept_and_what_is_left_out_is_said() {
        for width in 46..120 {
            let shown = prompts().shown(&view(&[], None), width).unwrap();
            assert!(shown.lines.iter().all(|line| measure_text_width(line) <= width), "{width}: {shown:#?}");
            assert!(shown.lines[1].contains("Give the wrong answer"), "the telling columns stay: {shown:#?}");
            assert_eq!(shown.left_out.is_some(), width < 4 + 54 + 12 + 11 + 3 * GAP, "{width}: {shown:#?}");
        }
        let shown = prompts().shown(&view(&[], None), 60).unwrap();
        let lines = [
            "rank  prompt                       selects  first token",
            "   1  Give the wrong answer t…  1.20 ± 0.05          0.1",
        ];
        assert_eq!(
            shown.lines[0].split_whitespace().collect::<Vec<_>>(),
            lines[0].split_whitespace().collect::<Vec<_>>()
        );
        assert!(shown.lines[1].contains('…') && shown.lines[2] == "    drawn replies: 12 of 40", "{shown:#?}");
        assert_eq!(shown.left_out.unwrap(), "not shown: text that is cut (--columns all)");
    }

    #[test]
    fn columns_and_lines_that_are_asked_for_are_whole() {
        let shown = prompts().shown(&view(&["prompt", "First_Token"], Some(1)), 40).unwrap();
        assert_eq!(shown.lines.len(), 3, "the note goes with its line: {shown:#?}");
        assert!(shown.lines[1].ends_with("that you are asked          0.1"), "{shown:#?}");
        assert_eq!(shown.left_out.unwrap(), "not shown: 1 more line (--top 0)");
        let all = prompts().shown(&view(&["all"], Some(0)), 40).unwrap();
        assert!(all.left_out.is_none() && all.lines.len() == 5, "{all:#?}");
        let Failure::Input(problem) = prompts().knows(&view(&["rnak"], None)).unwrap_err() else { panic!() };
        assert_eq!(problem, "--columns: there is no column `rnak`; there are rank, prompt, selects, first token");
    }

    #[test]
    fn what_would_move_a_cursor_is_seen_and_has_its_width() {
        let mut table = TextTable::new([TextColumn::word("arm"), TextColumn::number("rate")]);
        table.line(["\u{1b}[31mred\u{1b}[2J", "0.5"].map(str::to_owned));
        table.line(["a plain one", "0.25"].map(str::to_owned));
        let shown = table.shown(&view(&[], None), 40).unwrap();
        assert_eq!(shown.lines[1..], ["␛[31mred␛[2J   0.5", "a plain one   0.25"]);
    }

    #[test]
    fn wide_letters_and_line_breaks_keep_columns_apart() {
        let shown = prompts().shown(&view(&["all"], None), 40).unwrap();
        let ends: Vec<usize> = [1, 3].iter().map(|&at| measure_text_width(&shown.lines[at])).collect();
        assert_eq!(ends[0], ends[1], "{shown:#?}");
        assert!(shown.lines[3].contains("悪い ことを"));
    }
}
