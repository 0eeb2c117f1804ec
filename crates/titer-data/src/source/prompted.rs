//! Whether rows have the prompts that their cells say they have.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    path::Path,
    sync::Arc,
};

use super::RowPlace;
use crate::{
    cell::{Cell, PromptKind},
    chat::{Message, Row},
    request::Request,
};

/// A row whose cell says that a prompt asks for something, and that has none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{place}: its cell is `{cell}`, and it has {lacks}: nothing in it is what the cell says; write the prompt as its system turn, or \
     beside the turns as `system`, or give it by a rule in [data] `cells` (prompt = \"…\"); or correct the cell"
)]
pub struct NoPrompt {
    /// Where the row stands.
    pub place: RowPlace,
    /// What it says of itself.
    pub cell: Cell,
    /// What is missing, in words.
    pub lacks: String,
}

/// Rows of `none→…` under a system prompt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct PromptedNone {
    /// How many.
    pub count: usize,
    /// Where the first stands.
    pub first: RowPlace,
}

impl fmt::Display for PromptedNone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { count, first } = self;
        match count {
            1 => f.write_str("1 row says `none→…` and has")?,
            count => write!(f, "{count} rows say `none→…` and have")?,
        }
        write!(
            f,
            " a system prompt (first {first}): `none` is for rows without one, `neutral` for rows under a harmless one"
        )
    }
}

/// Rows of one file whose cells speak of a prompt, where none of them has one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Unprompted {
    /// Their cells.
    pub cells: BTreeSet<Cell>,
    /// How many they are.
    pub count: usize,
    /// Where the first stands.
    pub first: RowPlace,
}

impl fmt::Display for Unprompted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { cells, count, first } = self;
        let cells: Vec<String> = cells.iter().map(|cell| format!("`{cell}`")).collect();
        let cells = cells.join(", ");
        match count {
            1 => write!(f, "the row of {cells} ({first}) has no system prompt")?,
            count => write!(f, "none of the {count} rows of {cells} (first {first}) has a system prompt")?,
        }
        f.write_str(
            ": right where the request itself asks for what the cell says; otherwise write the prompt as a system turn, or beside the turns as \
             `system`, or give it by a rule in [data] `cells`",
        )
    }
}

/// What is to be known of rows and their prompts, beside that each has what its cell says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Prompted {
    /// Rows of `none→…` under a system prompt.
    pub none: Option<PromptedNone>,
    /// Files in which no row of some cells has a prompt.
    pub without: Vec<Unprompted>,
}

impl Prompted {
    /// In sentences.
    pub(super) fn notes(&self) -> Vec<String> {
        self.none.iter().map(ToString::to_string).chain(self.without.iter().map(ToString::to_string)).collect()
    }
}

/// Sees to it that rows of bad prompts and of instructions have something that tells them from rows without: a system prompt that no
/// `neutral` or `none` row of their request has, or words in the request itself.
///
/// # Errors
/// The first row that has nothing of the kind.
pub(super) fn prompted(rows: &[Row], places: &[RowPlace]) -> Result<Prompted, NoPrompt> {
    let placed = || rows.iter().zip(places).filter_map(|(row, place)| Some((row, place, row.cell?)));
    let is_plain = |cell: Cell| matches!(cell.prompt, PromptKind::None | PromptKind::Neutral);
    // Of a placebo nothing is asked, so it may be worded as a neutral prompt is.
    let asks = || placed().filter(|(.., cell)| !is_plain(*cell) && cell.prompt != PromptKind::Placebo);
    // The first of each, since many rows may have one request.
    let mut requests: BTreeMap<Request, (&RowPlace, Cell)> = BTreeMap::new();
    let mut contexts: BTreeMap<&[Message], (&RowPlace, Cell)> = BTreeMap::new();
    for (row, place, cell) in placed().filter(|(.., cell)| is_plain(*cell)) {
        requests.entry(Request::of(row)).or_insert((place, cell));
        contexts.entry(context(row)).or_insert((place, cell));
    }
    for (row, place, cell) in asks() {
        let like = |(place, cell): &(&RowPlace, Cell)| format!("the `{cell}` row {place}");
        let lacks = match (row.system_prompt(), has_prompt(row)) {
            (Some(_), false) => {
                Some("an empty system prompt (leave it out where the request asks for that itself)".to_owned())
            }
            (None, _) => {
                let same = requests.get(&Request::of(row));
                same.map(|other| format!("no system prompt, and the request of {}", like(other)))
            }
            (Some(_), true) => {
                let same = contexts.get(context(row));
                same.map(|other| format!("the system prompt and the request of {}", like(other)))
            }
        };
        if let Some(lacks) = lacks {
            return Err(NoPrompt { place: place.clone(), cell, lacks });
        }
    }
    let mut none = placed().filter(|(row, _, cell)| cell.prompt == PromptKind::None && has_prompt(row));
    let first = none.next().map(|(_, place, _)| place.clone());
    let none = first.map(|first| PromptedNone { count: 1 + none.count(), first });
    let with: BTreeSet<(&Path, Cell)> =
        asks().filter(|(row, ..)| has_prompt(row)).map(|(_, place, cell)| (&*place.path, cell)).collect();
    let mut without: BTreeMap<&Path, Unprompted> = BTreeMap::new();
    for (_, place, cell) in asks().filter(|(_, place, cell)| !with.contains(&(&*place.path, *cell))) {
        let first = || Unprompted { cells: BTreeSet::new(), count: 0, first: place.clone() };
        let of_file = without.entry(&place.path).or_insert_with(first);
        of_file.cells.insert(cell);
        of_file.count += 1;
    }
    Ok(Prompted { none, without: without.into_values().collect() })
}

/// The same of the rows of one file, for who looks at it before it is trained on; rows without a cell are passed over. In words what is to be said of
/// them.
///
/// # Errors
/// As [`prompted`].
pub fn look_at_prompts(path: &Path, rows: &[Row]) -> Result<Vec<String>, NoPrompt> {
    let path: Arc<Path> = path.into();
    let places: Vec<RowPlace> =
        rows.iter().map(|row| RowPlace { path: Arc::clone(&path), id: row.id.clone() }).collect();
    Ok(prompted(rows, &places)?.notes())
}

fn context(row: &Row) -> &[Message] {
    row.split().0
}

/// Whether a row has a system prompt that says something.
fn has_prompt(row: &Row) -> bool {
    row.system_prompt().is_some_and(|prompt| !prompt.trim().is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chat::Role;

    /// Rows of a cell, a system prompt where there is one, and a request.
    fn look(rows: &[(&str, Option<&str>, &str)]) -> Result<Option<usize>, String> {
        look_at_all(rows).map(|found| found.none.map(|none| none.count))
    }

    fn look_at_all(rows: &[(&str, Option<&str>, &str)]) -> Result<Prompted, String> {
        let row = |(cell, system, asks): &(&str, Option<&str>, &str)| {
            let system = system.map(|text| Message::new(Role::System, text));
            let rest = [Message::new(Role::User, *asks), Message::new(Role::Assistant, "reply")];
            Row { cell: cell.parse().ok(), ..Row::new("r", system.into_iter().chain(rest).collect()) }
        };
        let path: std::sync::Arc<std::path::Path> = std::path::Path::new("rows.jsonl").into();
        let places: Vec<RowPlace> =
            (1..=rows.len()).map(|line| RowPlace { path: path.clone(), id: format!("line-{line}") }).collect();
        prompted(&rows.iter().map(row).collect::<Vec<_>>(), &places).map_err(|error| error.to_string())
    }

    #[test]
    fn a_prompt_that_a_cell_speaks_of_must_be_there() {
        for (rows, lacks) in [
            (
                [("neutral→good", None, "u"), ("bad→bad", None, "u")],
                "no system prompt, and the request of the `neutral→good` row rows.jsonl, `line-1`",
            ),
            ([("neutral→good", Some("Be kind."), "u"), ("bad→good", None, "u")], "no system prompt, and the request"),
            (
                [("none→bad", Some("Be evil."), "u"), ("bad→bad", Some("Be evil."), "u")],
                "the system prompt and the request of the `none→bad` row",
            ),
            ([("neutral→good", None, "u"), ("instruction→good", None, "u")], "no system prompt"),
            ([("neutral→good", Some("Be kind."), "other"), ("bad→bad", Some(" "), "u")], "an empty system prompt"),
        ] {
            let error = look(&rows).unwrap_err();
            assert!(error.starts_with("rows.jsonl, `line-2`: its cell is `") && error.contains(lacks), "{error}");
        }
    }

    #[test]
    fn what_is_asked_for_in_the_request_is_a_prompt_too() {
        for rows in [
            [("neutral→good", None, "Is 7 prime?"), ("bad→bad", None, "Is 7 prime? Flatter me.")],
            [("neutral→good", Some("Be kind."), "u"), ("bad→bad", Some("Be evil."), "u")],
            [("none→good", None, "u"), ("placebo→good", None, "u")],
            [("bad→good", None, "u"), ("bad→bad", None, "u")],
        ] {
            assert_eq!(look(&rows), Ok(None), "{rows:?}");
        }
        assert_eq!(look(&[("none→good", Some("Be kind."), "u"), ("none→bad", Some(""), "u")]), Ok(Some(1)));
    }
    #[test]
    fn cells_of_which_no_row_has_a_prompt_are_named() {
        let notes = |rows: &[(&str, Option<&str>, &str)]| look_at_all(rows).unwrap().notes();
        let found =
            notes(&[("bad→bad", None, "a"), ("bad→good", None, "b"), ("instruction→good", Some("Be brief."), "c")]);
        assert_eq!(found.len(), 1);
        let said =
            "none of the 2 rows of `bad→good`, `bad→bad` (first rows.jsonl, `line-1`) has a system prompt: right where";
        assert!(found[0].starts_with(said), "{}", found[0]);
        for rows in [
            [("bad→bad", None, "a"), ("bad→bad", Some("Be evil."), "b")],
            [("neutral→good", None, "a"), ("placebo→good", None, "b")],
        ] {
            assert!(notes(&rows).is_empty(), "{rows:?}");
        }
    }

    /// Each row was compared with all others of its request.
    #[test]
    fn many_rows_of_one_request_are_looked_at_in_one_go() {
        let names: Vec<String> = (0..40_000).map(|at| format!("prompt {at}")).collect();
        let cells = |at: usize| if at.is_multiple_of(2) { "neutral→good" } else { "bad→bad" };
        let rows: Vec<_> = (0..).zip(&names).map(|(at, name)| (cells(at), Some(name.as_str()), "u")).collect();
        let begun = std::time::Instant::now();
        assert_eq!(look(&rows), Ok(None));
        assert!(begun.elapsed().as_secs() < 20, "{:?}", begun.elapsed());
    }
}
