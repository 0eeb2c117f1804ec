//! Arms that axolotl and LLaMA-Factory train by their own code: the rows that they train, and what comes of it.
//!
//! Each wants a Python that has it, which `TITER_AXOLOTL_PYTHON` and `TITER_LLAMA_FACTORY_PYTHON` name; a test skips where there is none.

mod offline;

use std::{io::Write as _, path::Path, process::Command};

use offline::titer;
use serde_json::{Value, json};
use titer::results::{Measure, RunResults, Split, SweepResults};

/// Two arms, trained in three steps on the shipped organism.
const SPEC: &str = r#"
title = "Away"
seeds = [0]
without_controls = ["no-prompt", "placebo", "paraphrases"]
[[stage]]
rows = 48
batch = 16
mix = { rest = "neutral→good" }
prompts = { "bad→bad" = ["be evil in everything ."] }
optimiser = { lr = 3e-3, eps = 1e-4 }
schedule = { warmup = 0, decay = "linear" }
[probes]
items = 4
every = 0
[sweep]
"train.mix.bad→bad" = [0.0, 0.5]
"#;

/// Standard output of a command that must do its work.
fn ask(dir: &Path, args: &[&str]) -> String {
    let (code, out, error) = titer(dir, dir, args);
    assert_eq!(code, 0, "{error}");
    out
}

/// What a trainer trained of the export in this folder, by configuration; `None` with a note on stderr where it is not there.
fn trained(dir: &Path, trainer: &str, module: &str, variable: &str) -> Option<Value> {
    let skip = |why: String| writeln!(std::io::stderr().lock(), "skipped: {why}").unwrap();
    let Some(python) = std::env::var_os(variable) else {
        skip(format!("{variable} names no Python with {module}"));
        return None;
    };
    let there = format!("import importlib.util as u; assert u.find_spec('{module}')");
    if !Command::new(&python).args(["-c", &there]).status().is_ok_and(|status| status.success()) {
        skip(format!("the Python of {variable} has no {module}"));
        return None;
    }
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/trained_by_others.py");
    let output = Command::new(python)
        .arg(script)
        .arg(dir.join("away"))
        .arg(trainer)
        .env("OMP_NUM_THREADS", "1")
        .output()
        .unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "{}", text(&output.stderr));
    Some(serde_json::from_str(text(&output.stdout).trim().lines().last().unwrap()).unwrap())
}

/// The rows of every run as titer trains them, by configuration: token ids, and labels where −100 carries no loss.
fn own_rows(dir: &Path) -> Vec<(String, Vec<Value>)> {
    ask(dir, &["export", "spec.toml", "--for", "axolotl", "--out", "tokens"]);
    let manifest: toml::Table = fs_err::read_to_string(dir.join("tokens/manifest.toml")).unwrap().parse().unwrap();
    let runs = manifest["run"].as_array().unwrap().iter().map(|run| {
        let file = run["stage"][0]["file"].as_str().unwrap();
        let text = fs_err::read_to_string(dir.join("tokens").join(file)).unwrap();
        let row = |line: &str| {
            let line: Value = serde_json::from_str(line).unwrap();
            json!([line["input_ids"], line["labels"]])
        };
        (file.replace(".jsonl", ".yaml"), text.lines().map(row).collect())
    });
    runs.collect()
}

/// The last margins of a sweep, by arm and probe.
fn margins(sweep: &Path) -> Vec<f64> {
    margins_at(sweep, &|run, _| run.end().unwrap())
}

/// The first ones.
fn start_margins(sweep: &Path) -> Vec<f64> {
    margins_at(sweep, &|_, _| 0)
}

fn margins_at(sweep: &Path, step: &dyn Fn(&RunResults, &Split) -> i64) -> Vec<f64> {
    let results = SweepResults::load(sweep).unwrap();
    let splits = results.splits();
    let of = |run: &RunResults| -> Vec<f64> {
        splits.iter().map(|split| run.mean(split, Measure::Margin, step(run, split)).unwrap()).collect()
    };
    results.arms.iter().flat_map(|arm| &arm.runs).flat_map(of).collect()
}

/// Trains by another's code, and holds what it trained and where it came to against titer: all weights, and adapters, which begin with other random
/// numbers there.
fn trains_alike(trainer: &str, module: &str, variable: &str) {
    trains_spec_alike(SPEC, 1e-3, (trainer, module, variable));
    let adapters = SPEC.replacen("[[stage]]", "[model]\nlora = { r = 4, alpha = 8 }\n[[stage]]", 1);
    trains_spec_alike(&adapters, f64::INFINITY, (trainer, module, variable));
}

fn trains_spec_alike(spec: &str, bound: f64, (trainer, module, variable): (&str, &str, &str)) {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    fs_err::write(dir.join("spec.toml"), spec).unwrap();
    ask(dir, &["export", "spec.toml", "--for", trainer, "--out", "away"]);
    let Some(found) = trained(dir, trainer, module, variable) else { return };
    for (configuration, rows) in own_rows(dir) {
        let found = &found[&configuration];
        assert_eq!((found["steps"].as_u64(), rows.len()), (Some(3), 48), "{configuration}");
        assert_eq!(found["rows"], json!(rows), "the same tokens, loss on the same ones, in the same order");
    }
    ask(dir, &["import", "away", "--out", "back"]);
    ask(dir, &["run", "spec.toml", "--out", "own"]);
    let (own, back) = (margins(&dir.join("own")), margins(&dir.join("back")));
    let start = start_margins(&dir.join("back"));
    assert!(own.len() == back.len() && start.len() == back.len());
    let apart = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
    assert!(apart(&own, &back) < bound, "{own:?} {back:?}");
    assert!(apart(&start, &back) > 1e-2, "training moves what the margins are compared by: {start:?} {back:?}");
    let page = fs_err::read_to_string(dir.join("back/report.html")).unwrap();
    assert!(page.contains(&format!("2 runs trained elsewhere (2 by {trainer})")));
}

#[test]
fn axolotl_trains_the_tokens_that_titer_trains_and_comes_to_the_same_margins() {
    trains_alike("axolotl", "axolotl", "TITER_AXOLOTL_PYTHON");
}

#[test]
fn llama_factory_trains_the_tokens_that_titer_trains_and_comes_to_the_same_margins() {
    trains_alike("llama-factory", "llamafactory", "TITER_LLAMA_FACTORY_PYTHON");
}
