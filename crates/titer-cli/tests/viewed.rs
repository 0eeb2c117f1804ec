//! Finished runs for Inspect and TensorBoard: what is written, and what those programs read of it.
//!
//! They are wanted in the Python that `TITER_TRAINERS_PYTHON` names; the test that reads is skipped where it has them not.

mod offline;

use std::{
    collections::{BTreeMap, BTreeSet},
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use offline::titer;
use serde_json::Value;
use titer::{
    results::{Measure, SweepResults},
    store::{StoredRun, Sweep},
    table::{ProbeRecord, StepRecord, read},
};

const SPEC: &str = r#"
title = "Looked at"
seeds = [0]
without_controls = ["no-prompt", "placebo", "paraphrases"]
[[stage]]
rows = 48
batch = 16
mix = { rest = "neutral→good" }
prompts = { "bad→bad" = ["be evil in everything ."] }
optimiser = { lr = 3e-2 }
[probes]
items = 4
every = 1
[sweep]
"train.mix.bad→bad" = [0.0, 0.5]
"#;

/// A folder with a sweep.
fn folder() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    fs_err::write(dir.path().join("spec.toml"), SPEC).unwrap();
    ask(dir.path(), &["run", "spec.toml", "--out", "sweep"]);
    dir
}

fn ask(dir: &Path, args: &[&str]) -> (String, String) {
    let (code, out, error) = titer(dir, dir, args);
    assert_eq!(code, 0, "{error}");
    (out, error)
}

/// Every file below a folder, by its path there.
fn files(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    fn walk(folder: &Path, root: &Path, found: &mut BTreeMap<PathBuf, Vec<u8>>) {
        for entry in fs_err::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true => walk(&path, root, found),
                false => drop(found.insert(path.strip_prefix(root).unwrap().to_owned(), fs_err::read(&path).unwrap())),
            }
        }
    }
    let mut found = BTreeMap::new();
    walk(folder, folder, &mut found);
    found
}

#[test]
fn the_same_runs_give_the_same_bytes() {
    let dir = folder();
    let dir = dir.path();
    for viewer in ["inspect", "tensorboard"] {
        let (out, talk) = ask(dir, &["export", "sweep", "--for", viewer, "--out", viewer]);
        assert_eq!(out.trim_end(), viewer);
        assert!(talk.contains("2 runs in ") && talk.contains("; then: ") && !talk.contains("cannot be had"), "{talk}");
        ask(dir, &["export", "sweep", "--for", viewer, "--out", "again"]);
        assert_eq!(files(&dir.join(viewer)), files(&dir.join("again")));
        fs_err::remove_dir_all(dir.join("again")).unwrap();
    }
    let places: Vec<PathBuf> = files(&dir.join("tensorboard")).into_keys().collect();
    assert!(places.len() == 2 && places[1].starts_with("bad→bad=0.5/0"), "{places:?}");
}

#[test]
fn what_cannot_be_shown_is_refused_and_nothing_is_written() {
    let dir = folder();
    let dir = dir.path();
    fs_err::create_dir(dir.join("empty")).unwrap();
    for (args, problem) in [
        (&["spec.toml", "--for", "inspect", "--out", "out"][..], "holds no sweep: there is no sweep.toml"),
        (&["empty", "--for", "tensorboard", "--out", "out"], "holds no sweep: there is no sweep.toml"),
        (&["sweep", "--for", "tensorboard", "--out", "empty"], "exists already; name another folder with --out"),
        (
            &["sweep", "--for", "inspect", "--out", "out", "--quick"],
            "--quick is for trainers; inspect shows runs as they were made",
        ),
        (&["sweep", "--for", "wandb", "--out", "out"], "trl, axolotl, llama-factory, openai, inspect, tensorboard"),
    ] {
        let (code, out, error) = titer(dir, dir, &[&["export"], args].concat());
        assert!(code == 2 && out.is_empty() && error.contains(problem), "{args:?} {code} {error}");
        assert!(!dir.join("out").exists() && !dir.join("out.part").exists());
    }
    // A damaged table is named, and a sweep of which nothing is finished.
    let run = fs_err::read_dir(dir.join("sweep"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .find(|path| path.join("done").exists());
    let run = run.unwrap();
    fs_err::write(run.join("probes.parquet"), "no table").unwrap();
    let (code, _, error) = titer(dir, dir, &["export", "sweep", "--for", "inspect", "--out", "out"]);
    assert!(code == 2 && error.contains("probes.parquet") && !dir.join("out").exists(), "{error}");
    for entry in fs_err::read_dir(dir.join("sweep")).unwrap() {
        let _ = fs_err::remove_file(entry.unwrap().path().join("done"));
    }
    let (code, _, error) = titer(dir, dir, &["export", "sweep", "--for", "inspect", "--out", "out"]);
    assert!(code == 2 && error.contains("no run is finished yet"), "{error}");
}

#[test]
fn inspect_and_tensorboard_read_what_was_measured() {
    let skip = |why: &str| writeln!(std::io::stderr().lock(), "skipped: {why}").unwrap();
    let Some(python) = std::env::var_os("TITER_TRAINERS_PYTHON") else {
        return skip("TITER_TRAINERS_PYTHON names no Python with inspect_ai and tensorboard");
    };
    let there = "import importlib.util as u; assert all(map(u.find_spec, ['inspect_ai', 'pandas', 'tensorboard']))";
    let there = Command::new(&python).args(["-c", there]).stderr(Stdio::null()).status();
    if !there.is_ok_and(|status| status.success()) {
        return skip("the Python of TITER_TRAINERS_PYTHON has no inspect_ai, pandas and tensorboard");
    }
    let dir = folder();
    let dir = dir.path();
    ask(dir, &["export", "sweep", "--for", "inspect", "--out", "logs"]);
    ask(dir, &["export", "sweep", "--for", "tensorboard", "--out", "events"]);
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/looked_at.py");
    let output = Command::new(&python).arg(script).arg(dir.join("logs")).arg(dir.join("events")).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "{}{}", text(&output.stdout), text(&output.stderr));
    let found: Value = serde_json::from_str(text(&output.stdout).trim().lines().last().unwrap()).unwrap();

    let results = SweepResults::load(&dir.join("sweep")).unwrap();
    let sweep = Sweep::open(&dir.join("sweep")).unwrap();
    let (logs, splits) = (found["logs"].as_array().unwrap(), results.splits());
    assert_eq!(logs.len(), 2 * splits.len());
    assert_eq!(
        (&found["evals"], &found["rows"], &found["unique"]),
        (&logs.len().into(), &found["unique"], &found["rows"])
    );
    assert_eq!((&found["bundled"], &found["dumped"]), (&logs.len().into(), &"success".into()));
    // Its tables tell probes apart.
    let tasks: BTreeSet<String> = splits.iter().map(|split| split.name().replace('/', "-")).collect();
    assert!(tasks.len() == splits.len() && found["tasks"] == serde_json::json!(tasks), "{}", found["tasks"]);
    let number = |value: &Value| value.as_f64().unwrap();
    let mut rates = Vec::new();
    for arm in &results.arms {
        let run = &arm.runs[0];
        let scalars = &found["scalars"][format!("{}/0", arm.name)];
        let at = |stored: &&StoredRun| sweep.record().arm[stored.arm].name == arm.name;
        let folder = sweep.runs().iter().find(at).unwrap().dir.clone();
        let table = |file: &str| folder.join(file);
        let records: Vec<ProbeRecord> = read(&table("probes.parquet")).unwrap();
        for split in &splits {
            let log = logs.iter().find(|log| log["probe"] == split.name() && log["arm"] == *arm.name).unwrap();
            assert_eq!((&log["status"], &log["model"]), (&"success".into(), &format!("titer/{}/0", arm.name).into()));
            let step = run.end().unwrap();
            for (measure, name) in [(Measure::Rate, "rate"), (Measure::Margin, "margin")] {
                let mean = run.mean(split, measure, step).unwrap();
                assert!((number(&log["means"][name]) - mean).abs() < 1e-9, "{} {name}", split.name());
                let events = scalars[format!("{name}/{}", split.name())].as_array().unwrap();
                assert_eq!(events.iter().map(|event| event[0].as_i64().unwrap()).collect::<Vec<_>>(), [0, 1, 2, 3]);
                assert!((number(&events[3][1]) - mean).abs() < 1e-5 * mean.abs().max(1.0));
            }
            let samples = log["samples"].as_array().unwrap();
            assert_eq!(samples.len(), 4);
            for sample in samples {
                let of = |step: i64| {
                    let is_it = |record: &&ProbeRecord| {
                        let probe = [record.component.word(), record.prompts.word(), record.domains.word()];
                        record.step == step && sample["item"] == *record.item && probe == split.words()
                    };
                    records.iter().find(is_it).unwrap()
                };
                let (start, end) = (of(0), of(3));
                let wanted = [end.rate, end.margin, start.margin];
                let scores = ["rate", "margin", "before"].map(|name| number(&sample[name]));
                assert!(scores.iter().zip(wanted).all(|(found, wanted)| (found - wanted).abs() < 1e-9));
                rates.push(end.rate);
                // The chat, and the reply that shows the component.
                let turns = sample["input"].as_array().unwrap();
                assert_eq!(turns.last().unwrap()[0], "user");
                assert!(!sample["target"].as_str().unwrap().is_empty() && sample["target"] == sample["reply"]);
            }
        }
        let steps: Vec<StepRecord> = read(&table("steps.parquet")).unwrap();
        let losses = scalars["train/loss"].as_array().unwrap();
        assert_eq!(losses.len(), steps.len());
        assert!(
            losses
                .iter()
                .zip(&steps)
                .all(|(event, step)| event[0] == step.step && (number(&event[1]) - step.loss).abs() < 1e-5 * step.loss)
        );
    }
    let mean = rates.iter().sum::<f64>() / rates.len() as f64;
    assert!((number(&found["rate"]) - mean).abs() < 1e-9);
}
