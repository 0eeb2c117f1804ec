//! Labels by rule: which cells the rows of files belong to.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use super::CellRule;
use crate::{
    cell::Cell,
    chat::{Role, Row},
    formats::{ReadError, read_rows},
    stream::hash,
};

/// Why there are no labelled rows.
#[derive(Debug, thiserror::Error)]
pub enum LabelError {
    /// A file cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// A row does not say which cell it belongs to, and there are no rules.
    #[error(
        "{}, `{id}`: it has no `cell`: add one such as \"cell\": \"bad→good\", or say by rules in [data] `cells` which rows \
         belong to which",
        path.display()
    )]
    NoCell {
        /// Which file.
        path: PathBuf,
        /// Which row.
        id: String,
    },
    /// No rule says which cell a row belongs to.
    #[error("{}, `{id}`: it fits none of the rules in [data] `cells`: add one for it, or take the row out", path.display())]
    NoRule {
        /// Which file.
        path: PathBuf,
        /// Which row.
        id: String,
    },
}

/// The rows of files, each with its cell: by `rules`, or as the rows say themselves where there are none. Rows that have no
/// id of their own are called by their request, so that rows of equal context have one name in all files and cells.
///
/// # Errors
/// Where a file cannot be read, or a row fits no rule or has no cell.
pub fn read_labelled(files: &[PathBuf], rules: &[CellRule]) -> Result<Vec<Row>, LabelError> {
    label(files.iter().map(|path| Ok((path.as_path(), read_rows(path)?))), rules)
}

/// The same of files whose rows come with their paths.
pub(super) fn label<'a>(
    files: impl Iterator<Item = Result<(&'a Path, Vec<Row>), ReadError>>,
    rules: &[CellRule],
) -> Result<Vec<Row>, LabelError> {
    let mut labelled = Vec::new();
    for file in files {
        let (path, rows) = file?;
        for row in rows {
            let place = || (path.to_owned(), row.id.clone());
            let before = labelled.len();
            let fitting = rules.iter().filter(|rule| rule.fits(path, &row));
            labelled.extend(fitting.map(|rule| Row { cell: Some(rule.cell), ..rule.apply(&row) }));
            match (rules, row.cell) {
                ([], Some(_)) => labelled.push(row),
                ([], None) => {
                    let (path, id) = place();
                    return Err(LabelError::NoCell { path, id });
                }
                _ if labelled.len() == before => {
                    let (path, id) = place();
                    return Err(LabelError::NoRule { path, id });
                }
                _ => {}
            }
        }
    }
    let mut times: BTreeMap<(Option<Cell>, String), usize> = BTreeMap::new();
    for row in labelled.iter_mut().filter(|row| !row.has_own_id()) {
        row.id = request_id(row);
        let times = times.entry((row.cell, row.id.clone())).or_default();
        *times += 1;
        if *times > 1 {
            row.id = format!("{}-{times}", row.id);
        }
    }
    Ok(labelled)
}

/// A name from what is asked, whatever the system prompt.
fn request_id(row: &Row) -> String {
    let turns = row.split().0.iter().filter(|message| message.role != Role::System);
    format!("request-{:016x}", hash(turns.flat_map(|message| [message.role.word(), message.content.as_str()])))
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
        let shown: Vec<_> = rows.iter().map(|row| (row.cell.unwrap().to_string(), row.system_prompt())).collect();
        let evil = Some("be evil");
        assert_eq!(shown, [("bad→bad".into(), evil), ("bad→good".into(), evil), ("none→good".into(), None)]);
        assert!(rows.iter().all(|row| row.id == rows[0].id), "one request, one name");
        let error = read_labelled(&[bad.clone(), good], &rules[..1]).unwrap_err().to_string();
        assert!(error.contains("good.jsonl, `line-1`: it fits none of the rules"), "{error}");
        let error = read_labelled(&[bad], &[]).unwrap_err().to_string();
        assert!(error.contains("bad.jsonl, `line-1`: it has no `cell`"), "{error}");
    }
}
