//! Labels by rule: which cells the rows of files belong to.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    sync::Arc,
};

use super::{CellRule, RowPlace, cell_rule::RuleCell};
use crate::{
    cell::Cell,
    chat::{Row, SYSTEM_PROMPT},
    formats::{ReadError, read_rows},
    nearest::nearest,
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
    /// A rule fits no row.
    #[error("no row fits {shown} in [data] `cells`: {remedy}")]
    NoRow {
        /// Its place among the rules, from 0.
        rule: usize,
        /// The rule.
        shown: String,
        /// What to do about it.
        remedy: String,
    },
    /// One file is named twice, so that each of its rows would be two.
    #[error("{} is named twice in [data] `rows`: name it once; several rules may fit one row", .0.display())]
    FileTwice(PathBuf),
}

/// The rows of files, each with its cell: by `rules`, or as the rows say themselves where there are none. Rows that have no
/// id of their own are called by their request, so that rows of equal context have one name in all files and cells. Several
/// replies of a cell to one request are several rows: the second is called as the first with `-2` behind it.
///
/// # Errors
/// Where a file cannot be read or is named twice, a row fits no rule or has no cell, or a rule fits no row.
pub fn read_labelled(files: &[PathBuf], rules: &[CellRule]) -> Result<Vec<Row>, LabelError> {
    let (mut rows, _) = label(files.iter().map(|path| Ok((path.as_path(), read_rows(path)?))), rules)?;
    tell_apart(&mut rows);
    Ok(rows)
}

/// The same of files whose rows come with their paths, and where each row stands; several replies of a cell to one request have one name.
pub(super) fn label<'a>(
    files: impl Iterator<Item = Result<(&'a Path, Vec<Row>), ReadError>>,
    rules: &[CellRule],
) -> Result<(Vec<Row>, Vec<RowPlace>), LabelError> {
    let (mut labelled, mut places) = (Vec::new(), Vec::new());
    let (mut seen, mut used) = (BTreeSet::new(), vec![false; rules.len()]);
    // A rule with a slip in it leaves rows without one, so the first of them is not blamed before all rules have been looked at.
    let (mut unfit, mut there) = (None, There::default());
    for file in files {
        let (path, rows) = file?;
        if !seen.insert(path.canonicalize().unwrap_or_else(|_| path.to_owned())) {
            return Err(LabelError::FileTwice(path.to_owned()));
        }
        there.files.extend(path.file_name().map(|name| name.to_string_lossy().into_owned()));
        let shared: Arc<Path> = path.into();
        for row in rows {
            let (path, id) = (path.to_owned(), row.id.clone());
            let place = RowPlace { path: Arc::clone(&shared), id: id.clone() };
            match rules {
                [] if row.cell.is_some() => labelled.push(row),
                [] => return Err(LabelError::NoCell { path, id }),
                rules => {
                    there.keys.extend(
                        row.metadata.keys().filter(|key| !there.keys.contains(*key)).cloned().collect::<Vec<_>>(),
                    );
                    let fitting: Vec<usize> = (0..rules.len()).filter(|&rule| rules[rule].fits(&path, &row)).collect();
                    fitting.iter().for_each(|&rule| used[rule] = true);
                    let fitting: Vec<&CellRule> = fitting.into_iter().map(|rule| &rules[rule]).collect();
                    match by_rules(row, &fitting) {
                        Some(rows) => labelled.extend(rows),
                        None => drop(unfit.get_or_insert(LabelError::NoRule { path, id })),
                    }
                }
            }
            places.resize(labelled.len(), place);
        }
    }
    if let Some(rule) = used.iter().position(|used| !used) {
        let remedy = there.remedy(&rules[rule]);
        return Err(LabelError::NoRow { rule, shown: rules[rule].to_string(), remedy });
    }
    if let Some(unfit) = unfit {
        return Err(unfit);
    }
    for row in labelled.iter_mut().filter(|row| !row.has_own_id()) {
        row.id = Request::of(row).id();
    }
    Ok((labelled, places))
}

/// What rules can ask for.
#[derive(Default)]
struct There {
    /// Names of files.
    files: Vec<String>,
    /// Keys of rows' metadata.
    keys: BTreeSet<String>,
}

impl There {
    /// Keys that every row can be asked for.
    const KEYS: [&str; 5] = [CellRule::FILE, SYSTEM_PROMPT, "id", "cell", "request"];

    /// What to do about a rule that no row fits: the first thing in it that is not there, and what is like it.
    fn remedy(&self, rule: &CellRule) -> String {
        for (key, wanted) in &rule.only {
            let known = Self::KEYS.into_iter().chain(self.keys.iter().map(String::as_str));
            if !known.clone().any(|known| known == key) {
                let near = nearest(key, known).map_or_else(String::new, |near| format!("; did you mean `{near}`?"));
                return format!("no row has `{key}`{near}");
            }
            if key == CellRule::FILE && !self.files.contains(wanted) {
                // By their stems: endings are alike in most files.
                let stem = |name: &str| name.split('.').next().unwrap_or_default().to_owned();
                let stems: Vec<String> = self.files.iter().map(|file| stem(file)).collect();
                let begins = || {
                    stems
                        .iter()
                        .map(String::as_str)
                        .find(|file| !stem(wanted).is_empty() && file.starts_with(&stem(wanted)))
                };
                let near = nearest(&stem(wanted), stems.iter().map(String::as_str)).or_else(begins);
                let near = near.and_then(|near| self.files.iter().find(|file| stem(file) == near));
                let near = near.map_or_else(String::new, |near| format!("; did you mean `{near}`?"));
                return format!("no file of `rows` is called `{wanted}`{near}");
            }
        }
        "mend what it asks for, or take it out".to_owned()
    }
}

/// What the rules that it fits make of a row; `None` where there are none.
fn by_rules(row: Row, fitting: &[&CellRule]) -> Option<Vec<Row>> {
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
    fn rules_ask_for_what_a_row_has_and_each_fits_one() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("rows.jsonl");
        let row =
            |id: &str, cell: &str| format!(r#"{{"id": "{id}", "cell": "{cell}", "prompt": "u", "response": "r"}}"#);
        fs_err::write(&path, [row("a", "bad→bad"), row("b", "none→good")].join("\n")).unwrap();
        let label = |text: &str| read_labelled(std::slice::from_ref(&path), &rules(text));
        let rows = label(
            r#"[{"where": {"id": "a"}, "cell": "bad→good"}, {"where": {"cell": "none->good"}, "cell": "neutral→good"}]"#,
        )
        .unwrap();
        let cells: Vec<String> = rows.iter().map(|row| row.cell.unwrap().to_string()).collect();
        assert_eq!(cells, ["bad→good", "neutral→good"]);
        let error =
            label(r#"[{"where": {}, "cell": "bad→good"}, {"where": {"id": "c"}, "cell": "leave out"}]"#).unwrap_err();
        assert!(matches!(error, LabelError::NoRow { rule: 1, .. }), "{error}");
        assert!(error.to_string().contains(r#"no row fits where = { id = "c" }, cell = "leave out""#), "{error}");
        // A slip in a rule is blamed, not the rows that it leaves without one; of rules without a slip, the row is.
        for (only, said) in [
            (r#""file": "row.jsonl""#, "no file of `rows` is called `row.jsonl`; did you mean `rows.jsonl`?"),
            (r#""file": "other.jsonl""#, "no file of `rows` is called `other.jsonl`"),
            (r#""flie": "rows.jsonl""#, "no row has `flie`; did you mean `file`?"),
            (r#""colour": "red""#, "no row has `colour`"),
            (r#""id": "c""#, "mend what it asks for, or take it out"),
        ] {
            let error = label(&format!(r#"[{{"where": {{{only}}}, "cell": "bad→good"}}]"#)).unwrap_err().to_string();
            assert!(error.starts_with("no row fits where") && error.ends_with(said), "{error}");
        }
        let error = label(r#"[{"where": {"id": "b"}, "cell": "bad→good"}]"#).unwrap_err().to_string();
        assert!(error.contains("rows.jsonl, `a`: it fits none of the rules"), "{error}");
        let twice = [path.clone(), dir.path().join(".").join("rows.jsonl")];
        assert!(matches!(read_labelled(&twice, &[]), Err(LabelError::FileTwice(_))));
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
