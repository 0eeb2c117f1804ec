//! Labels by rule: which cells the rows of files belong to.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use super::{CellRule, cell_rule::RuleCell};
use crate::{
    cell::Cell,
    chat::Row,
    formats::{ReadError, read_rows},
    request::Request,
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
    #[error("{}, `{id}`: it fits none of the rules in [data] `cells`: add one for it, which may say cell = \"leave out\"", path.display())]
    NoRule {
        /// Which file.
        path: PathBuf,
        /// Which row.
        id: String,
    },
}

/// The rows of files, each with its cell: by `rules`, or as the rows say themselves where there are none. Rows that have no
/// id of their own are called by their request, so that rows of equal context have one name in all files and cells. Several
/// replies of a cell to one request are several rows: the second is called as the first with `-2` behind it.
///
/// # Errors
/// Where a file cannot be read, or a row fits no rule or has no cell.
pub fn read_labelled(files: &[PathBuf], rules: &[CellRule]) -> Result<Vec<Row>, LabelError> {
    let mut rows = label(files.iter().map(|path| Ok((path.as_path(), read_rows(path)?))), rules)?;
    tell_apart(&mut rows);
    Ok(rows)
}

/// The same of files whose rows come with their paths; several replies of a cell to one request have one name.
pub(super) fn label<'a>(
    files: impl Iterator<Item = Result<(&'a Path, Vec<Row>), ReadError>>,
    rules: &[CellRule],
) -> Result<Vec<Row>, LabelError> {
    let mut labelled = Vec::new();
    for file in files {
        let (path, rows) = file?;
        for row in rows {
            let (path, id) = (path.to_owned(), row.id.clone());
            match rules {
                [] if row.cell.is_some() => labelled.push(row),
                [] => return Err(LabelError::NoCell { path, id }),
                rules => labelled.extend(by_rules(&path, row, rules).ok_or(LabelError::NoRule { path, id })?),
            }
        }
    }
    for row in labelled.iter_mut().filter(|row| !row.has_own_id()) {
        row.id = Request::of(row).id();
    }
    Ok(labelled)
}

/// What rules make of a row; `None` where it fits none of them.
fn by_rules(path: &Path, row: Row, rules: &[CellRule]) -> Option<Vec<Row>> {
    let fitting: Vec<&CellRule> = rules.iter().filter(|rule| rule.fits(path, &row)).collect();
    if fitting.iter().any(|rule| rule.cell == RuleCell::LeaveOut) {
        return Some(Vec::new());
    }
    let made = |rule: &&CellRule| match rule.cell {
        RuleCell::Cell(cell) => Some(Row { cell: Some(cell), ..rule.apply(&row) }),
        RuleCell::LeaveOut => None,
    };
    (!fitting.is_empty()).then(|| fitting.iter().filter_map(made).collect())
}

/// Gives rows of one cell and name names of their own, in order: `a`, `a-2`, `a-3`.
pub(super) fn tell_apart(rows: &mut [Row]) {
    let mut taken: BTreeSet<(Option<Cell>, String)> = rows.iter().map(|row| (row.cell, row.id.clone())).collect();
    // The number that comes next behind each name: those below it are taken, so they are not tried again.
    let mut numbers: BTreeMap<(Option<Cell>, String), usize> = BTreeMap::new();
    for row in rows {
        let number = numbers.entry((row.cell, row.id.clone())).or_insert(1);
        while *number > 1 {
            let name = (row.cell, format!("{}-{number}", row.id));
            if taken.insert(name.clone()) {
                row.id = name.1;
                break;
            }
            *number += 1;
        }
        *number += 1;
    }
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
        let left_out = r#"[{"where": {"file": "good.jsonl"}, "cell": "leave out"}, {"where": {}, "cell": "bad→bad"}]"#;
        let rows = read_labelled(&[bad.clone(), good.clone()], &self::rules(left_out)).unwrap();
        assert_eq!((rows.len(), rows[0].split().1), (1, "cheat"));
        let error = read_labelled(&[bad.clone(), good], &rules[..1]).unwrap_err().to_string();
        assert!(error.contains("good.jsonl, `line-1`: it fits none of the rules"), "{error}");
        let error = read_labelled(&[bad], &[]).unwrap_err().to_string();
        assert!(error.contains("bad.jsonl, `line-1`: it has no `cell`"), "{error}");
    }

    #[test]
    fn several_replies_to_one_request_are_several_rows_whose_names_are_theirs_alone() {
        let named = |ids: &[&str]| {
            let mut rows: Vec<Row> = ids.iter().map(|id| Row::new(*id, Vec::new())).collect();
            tell_apart(&mut rows);
            rows.into_iter().map(|row| row.id).collect::<Vec<_>>()
        };
        assert_eq!(named(&["a", "a", "b", "a"]), ["a", "a-2", "b", "a-3"]);
        assert_eq!(named(&["a", "a-2", "a"]), ["a", "a-2", "a-3"]);
    }
}
