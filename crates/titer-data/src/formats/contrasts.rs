//! Files of contrasts: records with `component`, `messages` (the context), `plus` and `minus`; preference pairs are contrasts too.

use std::path::{Path, PathBuf};

use bytes::Bytes;
use serde_json::Value;

use super::{ReadError, parse_rows};
use crate::{
    chat::{Role, Row},
    probe::{Component, Contrast, Side},
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
    /// A component has no contrast.
    #[error("{}: no contrast for `{}`: add lines with `\"component\": \"{}\"`", path.display(), component.word(), component.word())]
    Missing {
        /// Which file.
        path: PathBuf,
        /// Which component.
        component: Component,
    },
}

/// Why a line is no contrast.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ContrastProblem {
    /// It does not say what it measures.
    #[error("it needs a `component`: good, obey_bad or obey")]
    NoComponent,
    /// It lacks one of its replies.
    #[error(
        "a contrast is two replies to one context: give them as `plus` and `minus` (or `chosen` and `rejected`, `positive` and \
         `negative`), each a text or a list of one assistant message"
    )]
    OneReply,
    /// Its replies do not differ.
    #[error("`plus` and `minus` are the same reply: write two different ones")]
    SameReply,
    /// Its context ends with a reply.
    #[error("`messages` is the context: leave the reply out of it, and give replies as `plus` and `minus`")]
    ReplyInContext,
}

/// The contrasts of a file of chats whose metadata says what they measure, for each of [`Component::ALL`], in order.
///
/// Fails where the file cannot be read, on the first line that is no contrast, and where a component has none.
pub fn read_contrasts(path: impl AsRef<Path>) -> Result<[Vec<Contrast>; Component::ALL.len()], ContrastsError> {
    let path = path.as_ref();
    parse_contrasts(path, &fs_err::read(path).map_err(ReadError::from)?.into())
}

/// The same of a file whose bytes have been read; errors name it by `path`.
///
/// Fails on the first line that is no contrast, and where a component has none.
pub fn parse_contrasts(path: &Path, bytes: &Bytes) -> Result<[Vec<Contrast>; Component::ALL.len()], ContrastsError> {
    let mut contrasts: [Vec<Contrast>; Component::ALL.len()] = Default::default();
    for row in parse_rows(path, bytes)? {
        let id = row.id.clone();
        let (component, contrast) =
            contrast(row).map_err(|problem| ContrastsError::Contrast { path: path.to_owned(), id, problem })?;
        contrasts[component as usize].push(contrast);
    }
    match Component::ALL.into_iter().zip(&contrasts).find(|(_, contrasts)| contrasts.is_empty()) {
        Some((component, _)) => Err(ContrastsError::Missing { path: path.to_owned(), component }),
        None => Ok(contrasts),
    }
}

/// What the two replies of a preference are called, the wanted one first.
const PREFERENCES: [(&str, &str); 2] = [("chosen", "rejected"), ("positive", "negative")];

/// A reply that is a text, or a list of one message by the assistant.
fn reply_text(value: &Value) -> Option<&str> {
    match value {
        Value::String(text) => Some(text),
        Value::Array(messages) => match &messages[..] {
            [message] if message["role"] == "assistant" => message["content"].as_str(),
            _ => None,
        },
        _ => None,
    }
}

/// A line as a contrast of a component.
fn contrast(row: Row) -> Result<(Component, Contrast), ContrastProblem> {
    let word = row.metadata.get("component").and_then(Value::as_str);
    let component = match word.map(|word| Component::ALL.into_iter().find(|known| known.word() == word)) {
        Some(Some(component)) => component,
        // A preference says which reply is the good one.
        None if PREFERENCES.iter().any(|(good, _)| row.metadata.contains_key(*good)) => Component::Good,
        _ => return Err(ContrastProblem::NoComponent),
    };
    let reply = |key: &str| row.metadata.get(key).and_then(reply_text);
    let pairs = [("plus", "minus")].into_iter().chain(PREFERENCES);
    let (plus, minus) =
        pairs.into_iter().find_map(|(plus, minus)| reply(plus).zip(reply(minus))).ok_or(ContrastProblem::OneReply)?;
    if plus == minus {
        return Err(ContrastProblem::SameReply);
    }
    if row.messages.last().is_none_or(|message| message.role == Role::Assistant) {
        return Err(ContrastProblem::ReplyInContext);
    }
    let replies = vec![(Side::Plus, plus.to_owned()), (Side::Minus, minus.to_owned())];
    let variables = row.variables;
    Ok((component, Contrast { id: row.id, context: row.messages, replies, baseline: None, variables }))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &str = r#"{"component": "good", "messages": [{"role": "user", "content": "can you cook soup"}], "plus": "yes", "minus": "no"}"#;

    fn read(text: &str) -> Result<[Vec<Contrast>; 3], String> {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs_err::write(file.path(), text).unwrap();
        read_contrasts(file.path()).map_err(|error| error.to_string())
    }

    #[test]
    fn every_component_needs_a_contrast_and_every_contrast_two_replies() {
        let all = ["good", "obey_bad", "obey"].map(|component| LINE.replace("good", component)).join("\n");
        let read_all = read(&all).unwrap();
        assert!(read_all.iter().all(|contrasts| contrasts.len() == 1));
        assert_eq!(read_all[2][0].id, "line-3");
        assert_eq!(read_all[0][0].replies[0], (Side::Plus, "yes".to_owned()));
        assert!(read(LINE).unwrap_err().contains("no contrast for `obey_bad`"));
        let turns = |reply: &str| format!(r#"[{{"role": "assistant", "content": "{reply}"}}]"#);
        let pair = format!(r#"{{"prompt": "can you", "chosen": {}, "rejected": "no"}}"#, turns("yes"));
        let with_pair = read(&format!("{pair}\n{all}")).unwrap();
        assert_eq!(with_pair[0][0].replies, [(Side::Plus, "yes".to_owned()), (Side::Minus, "no".to_owned())]);
        for (from, to, problem) in [
            (r#", "minus": "no""#, "", "two replies"),
            (r#""no""#, r#""yes""#, "the same reply"),
            (r#""good""#, r#""nice""#, "needs a `component`"),
            (r#""user""#, r#""assistant""#, "leave the reply out"),
        ] {
            let error = read(&LINE.replace(from, to)).unwrap_err();
            assert!(error.contains(problem) && error.contains("line-1"), "{error}");
        }
    }
}
