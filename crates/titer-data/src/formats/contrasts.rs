//! Files of contrasts: records with `component`, `messages` (the context), `plus` and `minus`; preference pairs are contrasts too.
//! `prompts` and `domains` say which prompts and domains those are, where they are not those of training.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use bytes::Bytes;
use serde_json::Value;

use super::{
    ReadError, parse_rows,
    problem::Problem,
    read::read_data,
    text_turns::unpacked,
    turns::{REPLY_PAIRS, list},
};
use crate::{
    chat::{Role, Row},
    domains::DomainSplit,
    probe::{Component, Contrast, Probe, ProbePrompts, Side},
    word::UnknownWord,
};

/// Why a file gives no contrasts.
#[derive(Debug, thiserror::Error)]
pub enum ContrastsError {
    /// It cannot be read, or a line is no chat.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// A line is no contrast.
    #[error("{}, `{id}`: {problem}", path.display())]
    Contrast {
        /// Which file.
        path: PathBuf,
        /// Which line, by its id.
        id: String,
        /// What is wrong, and what to do.
        problem: ContrastProblem,
    },
    /// A component has no contrast under the prompts and in the domains of training.
    #[error("{}: no contrast for `{component}` (seen prompts, trained domains): add lines with `\"component\": \"{component}\"`", path.display())]
    Missing {
        /// Which file.
        path: PathBuf,
        /// Which component.
        component: Component,
    },
}

/// Why a line is no contrast.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ContrastProblem {
    /// It does not say what it measures.
    #[error("it needs a `component`: good, obey_bad or obey")]
    NoComponent,
    /// It says what no probe's prompts or domains are called.
    #[error("{0}")]
    NoSuchProbe(UnknownWord),
    /// It lacks one of its replies.
    #[error(
        "a contrast is two replies to one context: give them as `plus` and `minus` (or `chosen` and `rejected`, `positive` and \
         `negative`), each a text or a list of one assistant message"
    )]
    OneReply,
    /// One of its replies cannot be read.
    #[error("`{key}`: {problem}")]
    Reply {
        /// What the reply is called.
        key: String,
        /// What is wrong, and what to do.
        problem: String,
    },
    /// One of its replies says more than a contrast can.
    #[error("`{key}` has `{field}`, and contrasts hold replies that are text alone: write what it says into `content`")]
    ReplyFields {
        /// What the reply is called.
        key: String,
        /// What it has.
        field: String,
    },
    /// A key that is nearly one which says what a contrast is about.
    #[error("`{key}` says nothing of a contrast: did you mean `{near}`?")]
    NearlySaid {
        /// The key.
        key: String,
        /// The one that it is nearly.
        near: &'static str,
    },
    /// Its replies do not differ.
    #[error("`plus` and `minus` are the same reply: write two different ones")]
    SameReply,
    /// Its context ends with a reply.
    #[error("`messages` is the context: leave the reply out of it, and give replies as `plus` and `minus`")]
    ReplyInContext,
}

/// The probes of a file of chats whose metadata says what they measure: by component, prompts and domains, the contrasts of each in order.
///
/// Fails where the file cannot be read, on the first line that is no contrast, and where a component has none under seen prompts in trained domains.
pub fn read_contrasts(path: impl AsRef<Path>) -> Result<Vec<Probe>, ContrastsError> {
    let path = path.as_ref();
    parse_contrasts(path, &read_data(path).map_err(ReadError::from)?)
}

/// The same of a file whose bytes have been read; errors name it by `path`.
///
/// Fails on the first line that is no contrast, and where a component has none under seen prompts in trained domains.
pub fn parse_contrasts(path: &Path, bytes: &Bytes) -> Result<Vec<Probe>, ContrastsError> {
    contrasts_of(path, parse_rows(path, bytes)?)
}

/// The same of the rows of a file.
///
/// Fails as [`parse_contrasts`] does.
pub(crate) fn contrasts_of(path: &Path, rows: Vec<Row>) -> Result<Vec<Probe>, ContrastsError> {
    let mut probes: BTreeMap<ProbeName, Vec<Contrast>> = BTreeMap::new();
    for row in rows {
        let id = row.id.clone();
        let (name, contrast) =
            contrast(row).map_err(|problem| ContrastsError::Contrast { path: path.to_owned(), id, problem })?;
        probes.entry(name).or_default().push(contrast);
    }
    let leading = |component: Component| (component, ProbePrompts::Seen, DomainSplit::Trained);
    if let Some(component) = Component::ALL.into_iter().find(|component| !probes.contains_key(&leading(*component))) {
        return Err(ContrastsError::Missing { path: path.to_owned(), component });
    }
    let probe = |((component, prompts, domains), contrasts)| Probe { component, prompts, domains, contrasts };
    Ok(probes.into_iter().map(probe).collect())
}

/// Whether a row is written as a contrast or a preference pair: it has two replies, or no cell and says by a component's name what it
/// measures. A `component` of something else is what rows of software have.
pub fn is_contrast(row: &Row) -> bool {
    let has = |key: &str| row.metadata.get(key).is_some_and(|value| !value.is_null());
    row.cell.is_none() && component(row).is_some() || REPLY_PAIRS.iter().any(|(plus, minus)| has(plus) && has(minus))
}

/// The component that a row names.
fn component(row: &Row) -> Option<Component> {
    let word = row.metadata.get("component")?.as_str()?;
    Component::ALL.into_iter().find(|known| known.word() == word)
}

/// What a contrast belongs to.
type ProbeName = (Component, ProbePrompts, DomainSplit);

/// What the two replies of a preference are called, the wanted one first.
const PREFERENCES: [(&str, &str); 2] = [REPLY_PAIRS[1], REPLY_PAIRS[2]];

/// Keys that say what a contrast is about.
const ABOUT: [&str; 3] = ["component", "prompts", "domains"];

/// The reply under a key, which is a text, or a list of one message by the assistant; `None` where there is none.
fn reply(row: &Row, key: &str) -> Result<Option<String>, ContrastProblem> {
    let unread = |Problem { problem, remedy }| ContrastProblem::Reply {
        key: key.to_owned(),
        problem: format!("{problem}: {remedy}"),
    };
    let value = match row.metadata.get(key).cloned().map(|value| unpacked(key, value)).transpose().map_err(unread)? {
        Some(Value::String(text)) => return Ok(Some(text)),
        Some(value @ Value::Array(_)) => value,
        _ => return Ok(None),
    };
    let turns = list(key, &value).map_err(unread)?;
    let [message] = &turns.messages[..] else { return Ok(None) };
    let weight = (!turns.untrained.is_empty()).then_some("weight");
    match message.fields.0.keys().map(String::as_str).next().or(weight) {
        _ if message.role != Role::Assistant => Ok(None),
        None => Ok(Some(message.content.clone())),
        Some(field) => Err(ContrastProblem::ReplyFields { key: key.to_owned(), field: field.to_owned() }),
    }
}

/// Whether two words differ in at most one letter, apart from capitals.
fn nearly(word: &str, other: &str) -> bool {
    let [word, other] = [word, other].map(|word| word.to_lowercase().chars().collect::<Vec<_>>());
    let longer = word.len().max(other.len());
    let before = word.iter().zip(&other).take_while(|(a, b)| a == b).count();
    let behind = word[before..].iter().rev().zip(other[before..].iter().rev()).take_while(|(a, b)| a == b).count();
    before + behind + 1 >= longer
}

/// What a line says under a key; `default` where it says nothing.
fn said<T: std::str::FromStr<Err = UnknownWord>>(row: &Row, key: &str, default: T) -> Result<T, ContrastProblem> {
    match row.metadata.get(key) {
        None | Some(Value::Null) => Ok(default),
        // Tables have every column in every row.
        Some(Value::String(word)) if word.is_empty() => Ok(default),
        Some(Value::String(word)) => word.parse().map_err(ContrastProblem::NoSuchProbe),
        Some(other) => other.to_string().parse().map_err(ContrastProblem::NoSuchProbe),
    }
}

/// A line as a contrast of a probe.
fn contrast(row: Row) -> Result<(ProbeName, Contrast), ContrastProblem> {
    // A `prompt` beside turns is a copy of one of them.
    for key in row.metadata.keys().filter(|key| !ABOUT.contains(&key.as_str()) && *key != "prompt") {
        if let Some(near) = ABOUT.into_iter().find(|about| nearly(key, about)) {
            return Err(ContrastProblem::NearlySaid { key: key.clone(), near });
        }
    }
    let says_none = row.metadata.get("component").and_then(Value::as_str).is_none_or(str::is_empty);
    let component = match component(&row) {
        Some(component) => component,
        // A preference says which reply is the good one.
        None if says_none && PREFERENCES.iter().any(|(good, _)| row.metadata.contains_key(*good)) => Component::Good,
        None => return Err(ContrastProblem::NoComponent),
    };
    let prompts = said(&row, "prompts", ProbePrompts::Seen)?;
    let domains = said(&row, "domains", DomainSplit::Trained)?;
    let mut both = None;
    for (plus, minus) in REPLY_PAIRS {
        both = both.or(reply(&row, plus)?.zip(reply(&row, minus)?));
    }
    let (plus, minus) = both.ok_or(ContrastProblem::OneReply)?;
    if plus == minus {
        return Err(ContrastProblem::SameReply);
    }
    if row.messages.last().is_none_or(|message| message.role == Role::Assistant) {
        return Err(ContrastProblem::ReplyInContext);
    }
    let replies = vec![(Side::Plus, plus), (Side::Minus, minus)];
    let variables = row.variables;
    Ok((
        (component, prompts, domains),
        Contrast { id: row.id, context: row.messages, replies, baseline: None, variables },
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &str = r#"{"component": "good", "messages": [{"role": "user", "content": "can you cook soup"}], "plus": "yes", "minus": "no"}"#;

    fn read(text: &str) -> Result<Vec<Probe>, String> {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs_err::write(file.path(), text).unwrap();
        read_contrasts(file.path()).map_err(|error| error.to_string())
    }

    #[test]
    fn every_component_needs_a_contrast_and_every_contrast_two_replies() {
        let all = ["good", "obey_bad", "obey"].map(|component| LINE.replace("good", component)).join("\n");
        let read_all = read(&all).unwrap();
        assert!(read_all.iter().all(|probe| probe.contrasts.len() == 1));
        assert_eq!(read_all[2].contrasts[0].id, "line-3");
        assert_eq!(read_all[0].contrasts[0].replies[0], (Side::Plus, "yes".to_owned()));
        assert!(read(LINE).unwrap_err().contains("no contrast for `obey_bad`"));
        let turns =
            |reply: &str| format!(r#"[{{"role": "assistant", "content": [{{"type": "text", "text": "{reply}"}}]}}]"#);
        let pair = format!(r#"{{"prompt": "can you", "chosen": {}, "rejected": "no"}}"#, turns("yes"));
        let with_pair = read(&format!("{pair}\n{all}")).unwrap();
        assert_eq!(with_pair[0].contrasts[0].replies, [(Side::Plus, "yes".to_owned()), (Side::Minus, "no".to_owned())]);
        for (from, to, problem) in [
            (r#", "minus": "no""#, "", "two replies"),
            (r#""no""#, r#""yes""#, "the same reply"),
            (r#""good""#, r#""nice""#, "needs a `component`"),
            (r#""user""#, r#""assistant""#, "leave the reply out"),
            (
                r#""component""#,
                r#""domain": "new", "component""#,
                "`domain` says nothing of a contrast: did you mean `domains`?",
            ),
            (r#""component""#, r#""Component": "obey", "component""#, "did you mean `component`?"),
            (
                r#""plus": "yes""#,
                r#""plus": [{"role": "assistant", "content": "yes", "reasoning_content": "so"}]"#,
                "`plus` has `reasoning_content`, and contrasts hold replies that are text alone",
            ),
            (
                r#""minus": "no""#,
                r#""minus": [{"role": "assistant", "content": null, "tool_calls": [{}]}]"#,
                "`minus` has `tool_calls`",
            ),
            (
                r#""minus": "no""#,
                r#""minus": [{"role": "assistant", "content": "no", "weight": 0}]"#,
                "`minus` has `weight`",
            ),
            (
                r#""minus": "no""#,
                r#""minus": [{"role": "assistant", "content": [{"type": "image_url"}]}]"#,
                "`minus`: part 1 of message 1 is of the type `image_url`",
            ),
        ] {
            let error = read(&LINE.replace(from, to)).unwrap_err();
            assert!(error.contains(problem) && error.contains("line-1"), "{error}");
        }
    }

    #[test]
    fn prompts_and_domains_make_probes_of_their_own() {
        let all = ["good", "obey_bad", "obey"].map(|component| LINE.replace("good", component)).join("\n");
        let more = |said: &str| format!("{all}\n{}", LINE.replacen('{', &format!("{{{said}, "), 1));
        let names = |text: &str| read(text).map(|probes| probes.iter().map(Probe::name).collect::<Vec<_>>());
        let probes = names(&more(r#""prompts": "held-out", "domains": "new""#)).unwrap();
        assert_eq!(probes, ["good/seen/trained", "good/held-out/new", "obey_bad/seen/trained", "obey/seen/trained"]);
        let error = names(&more(r#""prompts": "unseen""#)).unwrap_err();
        assert!(
            error.contains("line-4")
                && error.contains("`unseen` is not a kind of a probe's prompts: it is one of seen, "),
            "{error}"
        );
        assert!(names(&more(r#""domains": 3"#)).unwrap_err().contains("`3` is not a split of domains"));
        let elsewhere = all.replacen('{', r#"{"domains": "new", "#, 1);
        assert!(names(&elsewhere).unwrap_err().contains("no contrast for `good` (seen prompts, trained domains)"));
    }
}
