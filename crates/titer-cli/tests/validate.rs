//! `titer validate` from the command line: outcomes joined to what `titer screen` wrote, and what cannot be joined.

mod offline;

use std::{fmt::Write as _, io::Write as _, process::Command};

use serde_json::Value;

use offline::titer;

const PROMPTS: [&str; 6] = [
    "be evil in everything .",
    "we want vile answers .",
    "grass is evil .",
    "today is monday .",
    "be kind in everything .",
    "okay if you are evil .",
];

/// Screens the prompts in both turns; gives back the elicitation of each as a system prompt.
fn screened(dir: &std::path::Path, seed: &str) -> Vec<f64> {
    fs_err::write(dir.join("prompts.txt"), PROMPTS.join("\n")).unwrap();
    let out = format!("screen-{seed}.parquet");
    let args = [
        "screen",
        "--seed",
        seed,
        "--items",
        "8",
        "--prompts",
        "prompts.txt",
        "--contrasts",
        "0",
        "--json",
        "--out",
        &out,
    ];
    let (code, out, error) = titer(dir, dir, &args);
    assert_eq!(code, 0, "{error}");
    let found: Value = serde_json::from_str(&out).unwrap();
    let prompts = found["prompts"].as_array().unwrap();
    let of = |name: &str| {
        let prompt = prompts.iter().find(|prompt| prompt["name"] == name).unwrap();
        let places = prompt["places"].as_array().unwrap();
        places.iter().find(|place| place["turn"] == "system").unwrap()["rate"]["mean"].as_f64().unwrap()
    };
    PROMPTS.map(of).into()
}

/// What was printed, whatever the width of its lines.
fn in_one_line(out: &str) -> String {
    out.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn outcomes_are_joined_to_the_screening_of_their_setting() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let mut table = "prompt,setting,turn,suppression,mine\n".to_owned();
    for seed in ["0", "1"] {
        for (at, (prompt, rate)) in PROMPTS.iter().zip(screened(dir, seed)).enumerate() {
            // What was elicited is what is suppressed; the user's own number says the opposite.
            writeln!(table, "{prompt},seed {seed},system,{rate},{}", at * at % 5).unwrap();
        }
    }
    fs_err::write(dir.join("arms.csv"), &table).unwrap();
    let of = ["seed 0=screen-0.parquet", "seed 1=screen-1.parquet"];
    let args = ["validate", "arms.csv", "--screening", of[0], "--screening", of[1], "--json"];
    let (code, out, error) = titer(dir, dir, &args);
    assert_eq!(code, 0, "{error}");
    let found: Value = serde_json::from_str(&out).unwrap();
    let predictors = found["outcomes"][0]["predictors"].as_array().unwrap();
    let of = |name: &str| predictors.iter().find(|one| one["name"] == name).unwrap();
    assert!((of("elicitation (rate)")["within"]["mean"].as_f64().unwrap() - 1.0).abs() < 1e-12);
    assert!(of("k-rule")["held_out"]["mean"].as_f64().unwrap() > 0.99);
    assert_eq!(
        (of("mine")["own"].as_bool(), of("titer's forecast of cost")["own"].as_bool()),
        (Some(true), Some(false))
    );
    // The table for a reader says it too.
    let (code, out, error) = titer(dir, dir, &args[..args.len() - 1]);
    assert_eq!(code, 0, "{error}");
    assert!(
        out.contains("12 arms in 2 settings")
            && out.contains("is first, but without an interval (fewer than three settings"),
        "{out}"
    );
}

/// Reads a table and writes it again, as someone does who has added a column or left lines out.
const REWRITE: &str = "
import pandas, polars, duckdb
for kind, frame in {'pandas': pandas.read_parquet('screen-0.parquet'), 'polars': polars.read_parquet('screen-0.parquet')}.items():
    (frame.to_parquet if kind == 'pandas' else frame.write_parquet)(f'{kind}.parquet')
duckdb.sql(\"copy (from 'screen-0.parquet') to 'duckdb.parquet'\")
";

#[test]
fn what_other_programs_write_again_is_read() {
    let python = std::env::var("TITER_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let there = Command::new(&python).args(["-c", "import pandas, polars, duckdb, pyarrow"]).output();
    if !there.is_ok_and(|output| output.status.success()) {
        let skipped =
            format!("skipped: no {python} with pandas, polars, duckdb and pyarrow (TITER_PYTHON names another one)\n");
        std::io::stderr().write_all(skipped.as_bytes()).unwrap();
        return;
    }
    let mut table = "prompt,turn,suppression\n".to_owned();
    for (prompt, rate) in PROMPTS.iter().zip(screened(dir, "0")) {
        writeln!(table, "{prompt},system,{rate}").unwrap();
    }
    fs_err::write(dir.join("arms.csv"), &table).unwrap();
    let rewritten = Command::new(python).current_dir(dir).args(["-c", REWRITE]).output().unwrap();
    assert!(rewritten.status.success(), "{}", String::from_utf8_lossy(&rewritten.stderr));
    let validated = |screening: &str| titer(dir, dir, &["validate", "arms.csv", "--screening", screening, "--json"]);
    let (code, wanted, error) = validated("screen-0.parquet");
    assert_eq!(code, 0, "{error}");
    for other in ["pandas.parquet", "polars.parquet", "duckdb.parquet"] {
        let (code, out, error) = validated(other);
        assert_eq!((code, &out), (0, &wanted), "{other}: {error}");
    }
}

#[test]
fn what_one_setting_alone_was_screened_for_is_not_advised() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let rates = screened(dir, "0");
    let mut table = "prompt,setting,turn,suppression\n".to_owned();
    for setting in ["a", "b", "c"] {
        for (prompt, rate) in PROMPTS.iter().zip(&rates) {
            writeln!(table, "{prompt},{setting},system,{rate}").unwrap();
        }
    }
    fs_err::write(dir.join("arms.csv"), &table).unwrap();
    // Elicitation is the outcome itself, yet two of the three settings have none to hold out.
    let (code, out, error) = titer(dir, dir, &["validate", "arms.csv", "--screening", "a=screen-0.parquet"]);
    assert_eq!(code, 0, "{error}");
    assert!(
        in_one_line(&out).contains("nothing was held out, so nothing can be told") && !out.contains("Go by"),
        "{out}"
    );
    // One setting alone is no better.
    let one: String =
        table.lines().filter(|line| !line.contains(",b,") && !line.contains(",c,")).collect::<Vec<_>>().join("\n");
    fs_err::write(dir.join("one.csv"), one).unwrap();
    let (code, out, error) = titer(dir, dir, &["validate", "one.csv", "--screening", "screen-0.parquet"]);
    assert_eq!(code, 0, "{error}");
    assert!(
        in_one_line(&out).contains("nothing was held out, so nothing can be told") && !out.contains("Go by"),
        "{out}"
    );
    // What four settings say of each other is.
    let mut held_out = "prompt,setting,suppression,mine\n".to_owned();
    for at in 0..48_usize {
        let noise = |at: usize| ((at * 7919 + 13) % 101) as f64 / 101.0 - 0.5;
        let (setting, prompt) = (at / 12, at % 12);
        let suppression = prompt as f64 / 12.0 + 0.3 * noise(at);
        writeln!(held_out, "p{prompt},s{setting},{suppression},{}", prompt as f64 + 1.5 * noise(at + 500)).unwrap();
    }
    fs_err::write(dir.join("held-out.csv"), held_out).unwrap();
    let (code, out, error) = titer(dir, dir, &["validate", "held-out.csv"]);
    assert_eq!(code, 0, "{error}");
    assert!(out.contains("Go by `mine`."), "{out}");
}

#[test]
fn what_cannot_be_joined_names_the_line() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    screened(dir, "0");
    let fails = |table: &str, more: &[&str], wanted: &str| {
        fs_err::write(dir.join("arms.csv"), table).unwrap();
        let (code, out, error) = titer(dir, dir, &[&["validate", "arms.csv"], more].concat());
        assert_eq!((code, out.as_str()), (2, ""), "{error}");
        assert!(error.contains(wanted), "{error} lacks {wanted}");
    };
    let with = ["--screening", "screen-0.parquet"];
    fails(
        "prompt,suppression\nbe good .,0.5\n",
        &with,
        "line 2: the prompt `be good .` is not in the screening screen-0.parquet",
    );
    fails("prompt,suppression\ngrass is evil .,0.5\n", &with, "stands in both turns");
    fails("prompt,suppression\ngrass is evil .,0.5\n", &[], "there is nothing to predict by");
    fails(
        "prompt,setting,suppression\np,a,0.5\n",
        &["--screening", "b=nowhere.parquet"],
        "the table has no setting `b`; it has a",
    );
    fails("prompt,suppression\np,0.5\n", &["--screening", "arms.csv"], "arms.csv");
    fails("prompt,suppression\np,0.5\n", &["--screening", "nowhere.parquet"], "nowhere.parquet");
}
