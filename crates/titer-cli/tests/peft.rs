//! Adapters in both directions: one that PEFT made in titer, and one that titer trained in transformers and PEFT.
//!
//! Skips where there is no Python with torch, transformers and peft.

mod offline;
mod small_chats;
mod small_model;

use std::{io::Write as _, path::Path, process::Command};

use offline::titer;
use serde_json::Value;
use small_chats::chats;
use small_model::model;

/// What `adapters_in_peft.py` prints, or a note on stderr that the test is skipped.
fn peft(args: &[&str]) -> Option<Value> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/adapters_in_peft.py");
    let python = std::env::var_os("TITER_TRAINERS_PYTHON").unwrap_or("python3".into());
    let there = Command::new(&python).args(["-c", "import torch, transformers, peft"]).output();
    if !there.is_ok_and(|output| output.status.success()) {
        let mut stderr = std::io::stderr().lock();
        writeln!(stderr, "skipped: no Python with torch, transformers and peft; TITER_TRAINERS_PYTHON names one")
            .expect("stderr is open");
        return None;
    }
    let output = Command::new(&python).arg(script).args(args).env("HF_HUB_OFFLINE", "1").output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "{}", text(&output.stderr));
    Some(serde_json::from_str(text(&output.stdout).trim()).unwrap())
}

#[test]
fn adapters_mean_the_same_to_peft_in_both_directions() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    model(&dir.join("model"));
    chats(dir);
    let spec = r#"
        seeds = [0]
        checkpoints = "at the end"
        [model]
        base = "model"
        lora = { r = 3, alpha = 5, targets = ["q_proj", "v_proj", "down_proj"] }
        [data]
        rows = "train.jsonl"
        probes = "probes.jsonl"
        [[stage]]
        rows = 48
        batch = 8
        mix = { "bad→good" = 0.5, rest = "neutral→good" }
        optimiser = { lr = 3e-2 }
    "#;
    fs_err::write(dir.join("spec.toml"), spec).unwrap();
    // Two rows are too few to hold some out, and every component needs two contrasts.
    let more = |text: String, words: &[&str]| -> String {
        let lines = text.lines().flat_map(|line| words.iter().map(move |word| line.replace("can you", word)));
        lines.map(|line| line + "\n").collect()
    };
    let read = |name: &str| fs_err::read_to_string(dir.join(name)).unwrap();
    let words = ["can you", "you can", "help you", "you ?", "can ?", "help ?", "be you", "? you"];
    fs_err::write(dir.join("train.jsonl"), more(read("rows.jsonl"), &words)).unwrap();
    let contrasts: String = read("probes.jsonl")
        .lines()
        .flat_map(|line| [line.to_owned(), line.replace("you can", "can can")])
        .map(|line| line + "\n")
        .collect();
    fs_err::write(dir.join("probes.jsonl"), contrasts).unwrap();
    let (code, _, error) = titer(dir, dir, &["run", "spec.toml", "--out", "sweep"]);
    assert_eq!(code, 0, "{error}");
    let mut runs = fs_err::read_dir(dir.join("sweep")).unwrap().map(|entry| entry.unwrap().path().join("checkpoint-6"));
    let trained = runs.find(|path| path.is_dir()).expect("a run has a checkpoint");

    let (made, trained) = (dir.join("made"), trained.to_str().unwrap().to_owned());
    let (model, rows, made) = (dir.join("model"), dir.join("rows.jsonl"), made.to_str().unwrap());
    let Some(wanted) = peft(&[model.to_str().unwrap(), rows.to_str().unwrap(), made, &trained]) else { return };
    let surprises = |adapter: &[&str], out: &str| -> Vec<f64> {
        let args = ["pressure", "--model", "model", "--rows", "rows.jsonl", "--probes", "probes.jsonl", "--out", out];
        let (code, _, error) = titer(dir, dir, &[&args[..], adapter].concat());
        assert_eq!(code, 0, "{error}");
        let records: Vec<titer::table::PressureRecord> = titer::table::read(&dir.join(out)).unwrap();
        records.iter().map(|record| record.surprise).collect()
    };
    let plain = surprises(&[], "plain.parquet");
    for (adapter, out) in [(made, "made.parquet"), (trained.as_str(), "trained.parquet")] {
        let found = surprises(&["--adapter", adapter], out);
        let wanted = wanted[adapter].as_array().unwrap().iter().map(|nats| nats.as_f64().unwrap());
        for ((found, wanted), plain) in found.iter().zip(wanted).zip(&plain) {
            assert!((found - wanted).abs() < 1e-4 * wanted, "{adapter}: {found} against {wanted}");
            assert!((found - plain).abs() > 1e-2, "{adapter} does nothing: {found} and {plain} without it");
        }
    }
}
