//! Files of contrasts: one JSON object a line with `component`, `messages` (the context), `plus` and `minus`.

use std::path::{Path, PathBuf};

use serde_json::Value;

use super::{ReadError, read_rows};
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
        problem: String,
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

/// The contrasts of a JSONL file, for each of [`Component::ALL`], in order.
///
/// Fails where the file cannot be read, on the first line that is no contrast, and where a component has none.
pub fn read_contrasts(path: impl AsRef<Path>) -> Result<[Vec<Contrast>; Component::ALL.len()], ContrastsError> {
    let path = path.as_ref();
    let mut found: [Vec<Contrast>; Component::ALL.len()] = Default::default();
    for row in read_rows(path)? {
        let id = row.id.clone();
        let (component, contrast) = contrast(row).map_err(|problem| ContrastsError::Contrast {
            path: path.to_owned(),
            id,
            problem: problem.to_owned(),
        })?;
        found[component].push(contrast);
    }
    match Component::ALL.into_iter().zip(&found).find(|(_, contrasts)| contrasts.is_empty()) {
        Some((component, _)) => Err(ContrastsError::Missing { path: path.to_owned(), component }),
        None => Ok(found),
    }
}

/// A line as the index of its component and its contrast.
fn contrast(row: Row) -> Result<(usize, Contrast), &'static str> {
    let text = |key: &str| row.metadata.get(key).and_then(Value::as_str);
    let component = text("component").and_then(|word| Component::ALL.iter().position(|one| one.word() == word));
    let component = component.ok_or("it needs a `component`: good, obey_bad or obey")?;
    let both = "a contrast is two replies to one context: give texts as `plus` and as `minus`";
    let (plus, minus) = (text("plus").ok_or(both)?, text("minus").ok_or(both)?);
    if plus == minus {
        return Err("`plus` and `minus` are the same reply: write two different ones");
    }
    if row.messages.last().is_none_or(|message| message.role == Role::Assistant) {
        return Err("`messages` is the context: leave the reply out of it, and give replies as `plus` and `minus`");
    }
    let replies = vec![(Side::Plus, plus.to_owned()), (Side::Minus, minus.to_owned())];
    Ok((component, Contrast { id: row.id.clone(), context: row.messages.clone(), replies, baseline: None }))
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
        let found = read(&all).unwrap();
        assert!(found.iter().all(|contrasts| contrasts.len() == 1));
        assert_eq!(found[2][0].id, "line-3");
        assert_eq!(found[0][0].replies[0], (Side::Plus, "yes".to_owned()));
        assert!(read(LINE).unwrap_err().contains("no contrast for `obey_bad`"));
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
