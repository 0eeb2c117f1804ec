//! A sweep's results as other programs read them.

mod offline;

use std::{
    io::Write as _,
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
};

use serde_json::Value;
use titer::{
    results::{At, Measure, SweepResults},
    table::{Column, Values},
};

const SPEC: &str = r#"
title = "Small"
seeds = [0, 1]
[[stage]]
rows = 320
[probes]
items = 4
every = 5
[sweep]
"train.mix.bad→good" = [0.0, 0.05, 1.0]
"#;

/// A folder with a small sweep and its two tables as Parquet, made once.
fn folder() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("results");
        if dir.exists() {
            fs_err::remove_dir_all(&dir).unwrap();
        }
        fs_err::create_dir_all(&dir).unwrap();
        fs_err::write(dir.join("spec.toml"), SPEC).unwrap();
        ask(&dir, &["run", "spec.toml", "--out", "sweep"]);
        ask(&dir, &["results", "sweep", "--out", "results.parquet"]);
        ask(&dir, &["results", "sweep", "--effects", "--out", "effects.parquet"]);
        dir
    })
}

/// Standard output of a command that must do its work.
fn ask(dir: &Path, args: &[&str]) -> String {
    let (code, out, error) = offline::titer(dir, dir, args);
    assert_eq!(code, 0, "{error}");
    out
}

fn docs() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/results.md")
}

/// The results at the end, of `obey_bad` under seen prompts in trained domains: dose and the rate of each seed.
fn wanted() -> Vec<Vec<f64>> {
    let json = folder().join("wanted.json");
    if json.exists() {
        fs_err::remove_file(&json).unwrap();
    }
    ask(folder(), &["results", "sweep", "--out", "wanted.json"]);
    let rows: Vec<Value> = serde_json::from_str(&fs_err::read_to_string(json).unwrap()).unwrap();
    let probe = |row: &&Value| {
        row["component"] == "obey_bad"
            && row["prompts"] == "seen"
            && row["domains"] == "trained"
            && row["at_end"] == true
    };
    let own: Vec<&Value> = rows.iter().filter(probe).collect();
    let rate = |dose: f64, seed: u64| {
        let one = |row: &&&Value| row["train.mix.bad→good"] == dose && row["seed"] == seed;
        own.iter().find(one).unwrap()["rate"].as_f64().unwrap()
    };
    [0.0, 0.05, 1.0].map(|dose| vec![dose, rate(dose, 0), rate(dose, 1)]).into()
}

#[test]
fn what_the_page_says_runs_in_pandas_polars_and_duckdb() {
    let python = std::env::var("TITER_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let there = Command::new(&python).args(["-c", "import pandas, polars, duckdb, pyarrow"]).output();
    if !there.is_ok_and(|output| output.status.success()) {
        let mut stderr = std::io::stderr().lock();
        writeln!(
            stderr,
            "skipped: no {python} with pandas, polars, duckdb and pyarrow (TITER_PYTHON names another one)"
        )
        .expect("stderr is open");
        return;
    }
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/results_in_python.py");
    let output = Command::new(python).current_dir(folder()).arg(script).arg(docs()).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "{}", text(&output.stderr));
    let found: Vec<Vec<Vec<Value>>> = serde_json::from_str(text(&output.stdout).trim()).unwrap();
    let [dose @ .., cells, columns] = found.as_slice() else { panic!("{found:?}") };
    assert_eq!(dose.len(), 3, "pandas, polars and DuckDB");
    for rows in dose {
        let mut rows: Vec<Vec<f64>> =
            rows.iter().map(|row| row.iter().map(|value| value.as_f64().unwrap()).collect()).collect();
        rows.sort_by(|a, b| a[0].total_cmp(&b[0]));
        assert_eq!(rows, wanted());
    }
    // Three arms, two seeds, moments at 0, 5 and 10 steps.
    assert_eq!(cells.len(), 3 * 2 * 3);
    let unit = |name: &str| columns.iter().find(|column| column[0] == name).unwrap()[1].clone();
    assert_eq!((unit("margin"), unit("step"), unit("arm")), ("nats per reply".into(), "steps".into(), "".into()));
}

#[test]
fn the_page_names_every_column_with_its_unit() {
    let results = SweepResults::load(&folder().join("sweep")).unwrap();
    let page = fs_err::read_to_string(docs()).unwrap();
    let (first, second) = page.split_once("## The effects table").unwrap();
    for (page, columns) in [(first, results.results_table()), (second, results.effects_table())] {
        for Column { name, unit, .. } in columns.iter().filter(|column| column.name != "train.mix.bad→good") {
            assert!(page.contains(&format!("| `{name}` | {unit} |")), "{name}, {unit}");
        }
    }
}

#[test]
fn effects_are_those_of_the_report() {
    let results = SweepResults::load(&folder().join("sweep")).unwrap();
    let table = results.effects_table();
    let column = |name: &str| &table.iter().find(|column| column.name == name).unwrap().values;
    let Values::NumberIfAny(low) = column("rate_effect_low") else {
        panic!("{low:?}", low = column("rate_effect_low"))
    };
    let (Values::Text(arms), Values::Flag(at_end)) = (column("arm"), column("at_end")) else { panic!("{table:?}") };
    let probe = ["component", "prompts", "domains"].map(column);
    let mut checked = 0;
    for row in (0..arms.len()).filter(|&row| at_end[row]) {
        let arm = results.arms.iter().position(|arm| arm.name == arms[row]).unwrap();
        let is_it =
            |split: &&titer::results::Split| split.words().into_iter().zip(probe).all(|(a, b)| b.json(row) == a);
        let split = results.splits().into_iter().find(|split| is_it(&split)).unwrap();
        let wanted = results.effect(arm, &split, Measure::Rate, At::End).unwrap();
        assert_eq!(low[row], Some(wanted.low).filter(|low| low.is_finite()));
        checked += 1;
    }
    assert_eq!(checked, 2 * results.splits().len(), "two doses that are no control");
}

#[test]
fn a_run_of_two_arms_is_there_for_both_and_only_what_fits_is_written() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    // With nothing but bad→good it does not matter what the rest would be.
    let axes = "\"train.mix.rest\" = [\"neutral→good\", \"neutral→bad\"]\n\"train.mix.bad→good\" = [1.0]";
    let (spec, _) = SPEC.split_once("\"train.mix.bad→good\"").unwrap();
    let spec = format!("{spec}{axes}\n");
    fs_err::write(dir.join("spec.toml"), spec).unwrap();
    ask(dir, &["run", "spec.toml", "--out", "sweep"]);
    ask(dir, &["results", "sweep", "--out", "all.json"]);
    let rows: Vec<Value> = serde_json::from_str(&fs_err::read_to_string(dir.join("all.json")).unwrap()).unwrap();
    let mut pairs: Vec<(&str, &str)> =
        rows.iter().map(|row| (row["run"].as_str().unwrap(), row["arm"].as_str().unwrap())).collect();
    pairs.sort_unstable();
    pairs.dedup();
    let mut runs: Vec<&str> = pairs.iter().map(|(run, _)| *run).collect();
    runs.dedup();
    assert_eq!((runs.len(), pairs.len()), (4, 6), "two runs of two arms, two of their control: {pairs:?}");
    let rest = |arm: &str| &rows.iter().find(|row| row["arm"] == arm).unwrap()["train.mix.rest"];
    assert_eq!((rest("control"), rest("rest=neutral→bad bad→good=1.0")), (&Value::Null, &"neutral→bad".into()));
    let before = fs_err::read(dir.join("all.json")).unwrap();
    for (out, problem) in [
        ("all.json", "all.json exists already; name another file with --out"),
        ("all.xlsx", "all.xlsx: end the name in .parquet, .csv or .json"),
        ("none/all.csv", "there is no folder none; make it first"),
    ] {
        let (code, stdout, error) = offline::titer(dir, dir, &["results", "sweep", "--out", out]);
        assert_eq!((code, stdout.as_str()), (2, ""));
        assert!(error.contains(problem), "{error}");
    }
    assert_eq!(fs_err::read(dir.join("all.json")).unwrap(), before);
    assert_eq!(fs_err::read_dir(dir).unwrap().count(), 3, "spec, sweep and one table");
}
