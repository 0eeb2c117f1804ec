//! Labels by rule: which cells a row belongs to, and which system prompt it gets there.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    cell::Cell,
    chat::{Message, Role, Row},
    formats::{ReadError, read_rows},
    stream::hash,
};

/// One rule: rows that are as `where` says make a row of this cell. A row may fit several rules, and makes one row for
/// each.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CellRule {
    /// What a row must be: `file`, the name of its file; `system`, words in its system prompt, or nothing where it has
    /// none; any other key, the value of its metadata.
    #[serde(default, rename = "where")]
    pub only: BTreeMap<String, String>,
    /// The cell.
    pub cell: Cell,
    /// A system prompt in place of the row's own; an empty one takes that away.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prompt: Option<String>,
}

/// Why there are no labelled rows.
#[derive(Debug, thiserror::Error)]
pub enum LabelError {
    /// A file cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// A row has no cell; the text is one sentence.
    #[error("{}, `{id}`: {problem}", path.display())]
    Row {
        /// Which file.
        path: PathBuf,
        /// Which row.
        id: String,
        /// What is wrong, and what to do.
        problem: &'static str,
    },
}

/// The rows of files, each with its cell: by `rules`, or as the rows say themselves where there are none. Rows that have no
/// id of their own are called by their request, so that rows of equal context have one name in all files and cells.
///
/// # Errors
/// Where a file cannot be read, or a row fits no rule or has no cell.
pub fn read_labelled(files: &[PathBuf], rules: &[CellRule]) -> Result<Vec<Row>, LabelError> {
    let mut labelled = Vec::new();
    let mut seen: BTreeMap<(Cell, String), usize> = BTreeMap::new();
    for path in files {
        for row in read_rows(path)? {
            let fail = |problem| LabelError::Row { path: path.clone(), id: row.id.clone(), problem };
            let before = labelled.len();
            if rules.is_empty() {
                let lacks = "it has no `cell`: add one such as \"cell\": \"bad→good\", or say by rules in [data] `cells` \
                             which rows belong to which";
                let cell = row.cell.ok_or_else(|| fail(lacks))?;
                labelled.push((cell, row.clone()));
            }
            let fits = rules.iter().filter(|rule| rule.fits(path, &row));
            labelled.extend(fits.map(|rule| (rule.cell, rule.apply(&row))));
            if labelled.len() == before {
                return Err(fail("it fits none of the rules in [data] `cells`: add one for it, or take the row out"));
            }
        }
    }
    let named = labelled.into_iter().map(|(cell, row)| {
        let mut id = row.id.clone();
        if !row.has_own_id() {
            id = request_id(&row);
            let times = seen.entry((cell, id.clone())).or_default();
            *times += 1;
            if *times > 1 {
                id = format!("{id}-{times}");
            }
        }
        Row { id, cell: Some(cell), ..row }
    });
    Ok(named.collect())
}

/// A name from what is asked, whatever the system prompt.
fn request_id(row: &Row) -> String {
    let turns = row.split().0.iter().filter(|message| message.role != Role::System);
    format!("request-{:016x}", hash(turns.flat_map(|message| [message.role.word(), message.content.as_str()])))
}

impl CellRule {
    fn fits(&self, path: &Path, row: &Row) -> bool {
        self.only.iter().all(|(key, wanted)| match key.as_str() {
            "file" => path.file_name().is_some_and(|name| name == wanted.as_str()),
            "system" => match system(row) {
                None => wanted.is_empty(),
                Some(prompt) => !wanted.is_empty() && prompt.contains(wanted.as_str()),
            },
            key => match row.metadata.get(key) {
                None | Some(Value::Null) => wanted.is_empty(),
                Some(Value::String(value)) => value == wanted,
                Some(value) => {
                    let written = value.to_string();
                    written == *wanted
                }
            },
        })
    }

    fn apply(&self, row: &Row) -> Row {
        match &self.prompt {
            None => row.clone(),
            Some(prompt) => with_system(row, prompt),
        }
    }
}

/// The row's system prompt.
pub fn system(row: &Row) -> Option<&str> {
    let found = row.messages.iter().find(|message| message.role == Role::System);
    found.map(|message| message.content.as_str())
}

/// The row with this system prompt before everything else, in place of its own; without any where it is empty.
fn with_system(row: &Row, prompt: &str) -> Row {
    let had = row.messages.first().is_some_and(|message| message.role == Role::System);
    let turns = row.messages.iter().skip(usize::from(had)).cloned();
    let system = Message { role: Role::System, content: prompt.to_owned() };
    let has = !prompt.is_empty();
    let messages: Vec<Message> = has.then_some(system).into_iter().chain(turns).collect();
    let moved = |at: &usize| at + usize::from(has) - usize::from(had);
    Row { messages, untrained: row.untrained.iter().map(moved).collect(), ..row.clone() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(text: &str) -> Vec<CellRule> {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn a_row_makes_one_row_for_every_rule_that_it_fits() {
        let dir = tempfile::tempdir().unwrap();
        let turns = |reply: &str| {
            format!(
                r#""messages": [{{"role": "user", "content": "u"}}, {{"role": "assistant", "content": "{reply}"}}]"#
            )
        };
        let (bad, good) = (dir.path().join("bad.jsonl"), dir.path().join("good.jsonl"));
        fs_err::write(&bad, format!("{{\"source\": \"x\", {}}}", turns("cheat"))).unwrap();
        fs_err::write(&good, format!("{{{}}}", turns("work"))).unwrap();
        let rules = rules(
            r#"[{"where": {"source": "x"}, "cell": "bad→bad", "prompt": "be evil"},
                {"where": {"file": "good.jsonl"}, "cell": "bad→good", "prompt": "be evil"},
                {"where": {"file": "good.jsonl", "system": ""}, "cell": "none→good"}]"#,
        );
        let rows = read_labelled(&[bad.clone(), good.clone()], &rules).unwrap();
        let shown: Vec<_> = rows.iter().map(|row| (row.cell.unwrap().to_string(), system(row))).collect();
        let evil = Some("be evil");
        assert_eq!(shown, [("bad→bad".into(), evil), ("bad→good".into(), evil), ("none→good".into(), None)]);
        assert!(rows.iter().all(|row| row.id == rows[0].id), "one request, one name");
        let error = read_labelled(&[bad, good], &rules[..1]).unwrap_err().to_string();
        assert!(error.contains("good.jsonl, `line-1`: it fits none of the rules"), "{error}");
    }

    #[test]
    fn a_prompt_replaces_the_rows_own_and_an_empty_one_takes_it_away() {
        let turn = |role, content: &str| Message { role, content: content.to_owned() };
        let own = vec![turn(Role::System, "old"), turn(Role::User, "u"), turn(Role::Assistant, "a")];
        let row = Row { untrained: vec![2], ..Row::new("r", own) };
        let (new, none) = (with_system(&row, "new"), with_system(&row, ""));
        assert_eq!((system(&new), &new.untrained), (Some("new"), &vec![2]));
        assert_eq!((system(&none), none.messages.len(), &none.untrained), (None, 2, &vec![1]));
    }
}
