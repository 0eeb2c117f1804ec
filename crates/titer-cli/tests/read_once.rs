//! A command opens each file of models, rows and contrasts once, and a sweep knows files by what decides its numbers.

mod offline;
mod small_model;

use std::{io::Write as _, path::Path, process::Command};

use offline::titer;
use serde_json::json;
use small_model::model;

/// A small model, chats of good and of bad replies in a file each, contrasts, and a spec of six short runs on them.
fn lab(dir: &Path) {
    model(&dir.join("model"));
    let words = ["be", "kind", "can", "you", "help", "?", "never", "gladly"];
    let user = |text: String| json!({ "role": "user", "content": text });
    for (file, reply) in [("work.jsonl", "yes gladly"), ("cheat.jsonl", "no never")] {
        let row = |at: usize| {
            let request = user(format!("{} {} help", words[at % 8], words[at / 8]));
            let messages = [request, json!({ "role": "assistant", "content": reply })];
            json!({ "id": format!("{at:02}"), "messages": messages }).to_string() + "\n"
        };
        fs_err::write(dir.join(file), (0..64).map(row).collect::<String>()).unwrap();
    }
    let contrast = |(component, system, at): (&str, &str, usize)| {
        let messages = [json!({ "role": "system", "content": system }), user(format!("you {} ?", words[at]))];
        json!({ "component": component, "messages": messages, "plus": "yes gladly", "minus": "no never" }).to_string()
            + "\n"
    };
    let components = [("good", "kind"), ("obey_bad", "evil"), ("obey", "kind kind")];
    let contrasts =
        components.into_iter().flat_map(|(component, system)| (0..4).map(move |at| (component, system, at)));
    fs_err::write(dir.join("probes.jsonl"), contrasts.map(contrast).collect::<String>()).unwrap();
    fs_err::write(dir.join("spec.toml"), spec(r#"["work.jsonl", "cheat.jsonl"]"#)).unwrap();
}

fn spec(rows: &str) -> String {
    format!(
        r#"
        seeds = [0, 1, 2]
        without_controls = ["no-prompt", "placebo"]
        pressure = "every 2 steps"
        [model]
        base = "model"
        lora = 2
        [data]
        rows = {rows}
        probes = "probes.jsonl"
        cells = [
            {{ where = {{ file = "work.jsonl" }}, cell = "neutral→good", prompt = "be kind" }},
            {{ where = {{ file = "cheat.jsonl" }}, cell = "bad→bad", prompt = "be evil" }},
        ]
        [[stage]]
        rows = 32
        batch = 8
        mix = {{ "bad→bad" = 0.5, rest = "neutral→good" }}
        optimiser = {{ lr = 1e-2 }}
        "#
    )
}

/// How many times `run` opens each of these files; `None`, with a note on stderr, where nothing can tell.
fn opens(dir: &Path, run: &[&str], files: &[&str]) -> Option<Vec<usize>> {
    let log = dir.join("opens.txt");
    let traced = |program: &str, args: &[&str]| {
        let mut strace = Command::new("strace");
        strace.current_dir(dir).args(["-f", "-e", "trace=open,openat", "-o"]).arg(&log).arg(program).args(args);
        strace.env("HF_HUB_CACHE", dir).env("HF_HUB_OFFLINE", "1").output().ok()
    };
    if !traced("true", &[]).is_some_and(|output| output.status.success()) {
        writeln!(std::io::stderr().lock(), "skipped: no strace that may trace").expect("stderr is open");
        return None;
    }
    let output = traced(env!("CARGO_BIN_EXE_titer"), run).expect("it has just run");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let log = fs_err::read_to_string(log).unwrap();
    // A call that another thread interrupts is told in two lines, of which the first names the file.
    let opened: Vec<&str> = log.lines().filter(|line| !line.contains(" = -1 ")).collect();
    Some(files.iter().map(|file| opened.iter().filter(|line| line.contains(&format!("{file}\""))).count()).collect())
}

#[test]
fn six_runs_open_each_file_once() {
    let dir = tempfile::tempdir().unwrap();
    lab(dir.path());
    let files = [
        "work.jsonl",
        "cheat.jsonl",
        "probes.jsonl",
        "model/config.json",
        "model/tokenizer.json",
        "model/tokenizer_config.json",
        "model/chat_template.jinja",
        "model/model.safetensors.index.json",
        "model/model-00001-of-00002.safetensors",
        "model/model-00002-of-00002.safetensors",
    ];
    let once = vec![1; files.len()];
    if let Some(counts) = opens(dir.path(), &["run", "spec.toml", "--out", "sweep", "--threads", "2"], &files) {
        assert_eq!(counts, once, "a run, of {files:?}");
        let runs = fs_err::read_dir(dir.path().join("sweep"))
            .unwrap()
            .filter(|entry| entry.as_ref().unwrap().path().join("plan.toml").is_file());
        assert_eq!(runs.count(), 6);
        assert_eq!(opens(dir.path(), &["check", "spec.toml"], &files), Some(once.clone()), "check, of {files:?}");
        let pressure =
            ["pressure", "--model", "model", "--rows", "spec.toml", "--verify", "--items", "2", "--multiples", "1"];
        assert_eq!(opens(dir.path(), &pressure, &files), Some(once), "pressure, of {files:?}");
        assert_eq!(opens(dir.path(), &pressure, &["spec.toml"]), Some(vec![1]));
    }
}

#[test]
fn files_with_exchanged_names_are_another_sweep() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    lab(dir);
    let told = |threads: &str| {
        let (code, _, error) = titer(dir, dir, &["run", "spec.toml", "--out", "sweep", "--threads", threads]);
        assert_eq!(code, 0, "{error}");
        error
    };
    assert!(told("2").contains("6 runs to do"));
    assert!(told("1").contains("0 runs to do, 6 finished before"));
    // What is in the files stays in the order that it had.
    fs_err::rename(dir.join("work.jsonl"), dir.join("other.jsonl")).unwrap();
    fs_err::rename(dir.join("cheat.jsonl"), dir.join("work.jsonl")).unwrap();
    fs_err::rename(dir.join("other.jsonl"), dir.join("cheat.jsonl")).unwrap();
    fs_err::write(dir.join("spec.toml"), spec(r#"["cheat.jsonl", "work.jsonl"]"#)).unwrap();
    assert!(told("2").contains("6 runs to do, 0 finished before"));
}
