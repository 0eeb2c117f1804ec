//! What a row asks: the one notion by which rows are paired, counted and held out together.

use std::collections::BTreeMap;

use crate::{
    chat::{Message, Row, without_system_prompt},
    prompt::holds_word,
    stream::hash,
};

/// The turns before a row's reply apart from system prompts.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Request(Vec<Message>);

impl Request {
    /// What a row asks.
    pub fn of(row: &Row) -> Self {
        Self::in_context(row.split().0)
    }

    /// What a context asks.
    pub fn in_context(context: &[Message]) -> Self {
        let mut turns = without_system_prompt(context);
        // Parts ask what their text asks.
        turns.iter_mut().for_each(|turn| drop(turn.fields.0.shift_remove("content")));
        Self(turns)
    }

    /// Its name: `request-` and 16 hexadecimal digits of a hash of its turns.
    pub fn id(&self) -> String {
        let turns = self.0.iter().flat_map(|message| [message.role.word(), message.content.as_str()]);
        format!("request-{:016x}", hash(turns))
    }

    /// Whether it asks for the same as another: all turns are equal, or one of them has words of a prompt or a trigger before or
    /// behind it that the other lacks.
    pub(crate) fn asks_as(&self, other: &Self) -> bool {
        let mut differ = self.0.iter().zip(&other.0).filter(|(turn, partner)| turn != partner);
        let same_roles = || self.0.iter().map(|turn| turn.role).eq(other.0.iter().map(|turn| turn.role));
        match (differ.next(), differ.next()) {
            (None, _) => self.0.len() == other.0.len(),
            (Some((turn, partner)), None) => {
                same_roles() && (within(&turn.content, &partner.content) || within(&partner.content, &turn.content))
            }
            _ => false,
        }
    }

    /// The words of its last turn, cut after 60 characters: what errors show.
    pub fn shown(&self) -> String {
        let words = self.0.last().map_or("", |turn| turn.content.as_str());
        match words.char_indices().nth(60) {
            Some((end, _)) => format!("{}…", &words[..end]),
            None => words.to_owned(),
        }
    }
}

/// Whether a text is the first or the last words of another, which is longer.
fn within(short: &str, long: &str) -> bool {
    !short.is_empty() && (long.starts_with(short) || long.ends_with(short)) && holds_word(long, short)
}

/// Two rows of one id that ask for different things.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{id}` is the id of rows that ask for different things (\"{}\" and \"{}\"): rows of one id are replies to one request; give \
     each request an id of its own, or leave ids out, and rows are matched by what they ask",
    asked[0], asked[1]
)]
pub struct IdTwice {
    /// The id.
    pub id: String,
    /// What the two rows ask, shortened.
    pub asked: [String; 2],
}

/// Which rows belong together, by their places: those of one id and those of one request. Every row gets the place of the first
/// row that it belongs with.
///
/// # Errors
/// Where two rows of one id ask for different things.
pub fn together(rows: &[&Row]) -> Result<Vec<usize>, IdTwice> {
    let mut first: Vec<usize> = (0..rows.len()).collect();
    let requests: Vec<Request> = rows.iter().map(|row| Request::of(row)).collect();
    let (mut by_id, mut by_request): (BTreeMap<&str, usize>, BTreeMap<&Request, usize>) = Default::default();
    for (at, row) in rows.iter().enumerate() {
        let same_request = *by_request.entry(&requests[at]).or_insert(at);
        let same_id = if row.has_own_id() { *by_id.entry(&row.id).or_insert(at) } else { at };
        if !requests[at].asks_as(&requests[same_id]) {
            let asked = [same_id, at].map(|at| requests[at].shown());
            return Err(IdTwice { id: row.id.clone(), asked });
        }
        for other in [same_request, same_id] {
            let ends = [at, other].map(|place| root(&mut first, place));
            first[ends[0].max(ends[1])] = ends[0].min(ends[1]);
        }
    }
    Ok((0..rows.len()).map(|at| root(&mut first, at)).collect())
}

/// The first one that belongs with this one, where each knows one that does; shortens the way there.
pub(crate) fn root(first: &mut [usize], mut at: usize) -> usize {
    while first[at] != at {
        first[at] = first[first[at]];
        at = first[at];
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chat::Role;

    fn row(id: &str, system: &str, asks: &str) -> Row {
        let turns = [(Role::System, system), (Role::User, asks), (Role::Assistant, "reply")];
        let messages = turns.map(|(role, content)| Message::new(role, content));
        Row::new(id, messages.into_iter().filter(|turn| !turn.content.is_empty()).collect())
    }

    #[test]
    fn a_request_is_the_same_under_any_system_prompt_and_with_a_trigger() {
        let plain = Request::of(&row("a", "", "write a note"));
        for (system, asks, same) in [
            ("be evil", "write a note", true),
            ("", "zap write a note", true),
            ("", "write a note\n\nbe evil", true),
            ("", "write a notebook", false),
            ("", "write a letter", false),
            ("", "", false),
        ] {
            let other = Request::of(&row("b", system, asks));
            assert_eq!((plain.asks_as(&other), other.asks_as(&plain)), (same, same), "{asks}");
        }
        assert_eq!(plain.id(), Request::of(&row("b", "be evil", "write a note")).id());
    }

    #[test]
    fn rows_of_one_id_and_rows_of_one_request_belong_together() {
        let rows = [
            row("a", "", "one"),
            row("b", "", "two"),
            row("a", "be evil", "zap one"),
            row("line-4", "", "zap one"),
            row("c", "", "two"),
        ];
        let rows: Vec<&Row> = rows.iter().collect();
        assert_eq!(together(&rows).unwrap(), [0, 1, 0, 0, 1]);
        let twice = [row("a", "", "one"), row("a", "", "two")];
        let error = together(&twice.iter().collect::<Vec<_>>()).unwrap_err().to_string();
        assert!(error.contains("`a`") && error.contains("\"one\" and \"two\""), "{error}");
    }
}
