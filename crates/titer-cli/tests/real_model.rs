//! A Hugging Face folder with shards, a chat template file and the user's own rows and contrasts, from the command line.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::{Value, json};

const WORDS: [&str; 16] = [
    "<|im_start|>",
    "<|im_end|>",
    "system",
    "user",
    "assistant",
    "be",
    "kind",
    "evil",
    "can",
    "you",
    "help",
    "yes",
    "no",
    "gladly",
    "never",
    "?",
];

/// A random Qwen 3 in two shards, with a tokenizer of a few words and a template without generation markers.
fn model(to: &Path) {
    let family = Path::new(env!("CARGO_MANIFEST_DIR")).join("../titer-model/tests/reference/families/qwen3");
    fs_err::create_dir_all(to).unwrap();
    for file in fs_err::read_dir(family).unwrap() {
        let file = file.unwrap();
        if file.file_name() != "reference.safetensors" {
            fs_err::copy(file.path(), to.join(file.file_name())).unwrap();
        }
    }
    let vocabulary: serde_json::Map<String, Value> =
        WORDS.iter().enumerate().map(|(id, word)| ((*word).to_owned(), id.into())).collect();
    let special = |id: usize| json!({ "id": id, "content": WORDS[id], "special": true, "single_word": false, "lstrip": false, "rstrip": false, "normalized": false });
    let tokenizer = json!({
        "version": "1.0", "truncation": null, "padding": null, "normalizer": null, "post_processor": null, "decoder": null,
        "added_tokens": [special(0), special(1)],
        "pre_tokenizer": { "type": "WhitespaceSplit" },
        "model": { "type": "WordLevel", "vocab": vocabulary, "unk_token": "?" },
    });
    fs_err::write(to.join("tokenizer.json"), tokenizer.to_string()).unwrap();
    fs_err::write(to.join("tokenizer_config.json"), r#"{"eos_token": "<|im_end|>"}"#).unwrap();
    let template = "{% for m in messages %}{{ '<|im_start|>' + m.role + '\n' + m.content + '<|im_end|>\n' }}{% endfor %}\
                    {% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}";
    fs_err::write(to.join("chat_template.jinja"), template).unwrap();
}

fn titer(dir: &Path, cache: &Path, args: &[&str]) -> (i32, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_titer"));
    let output = command.current_dir(dir).env("HF_HUB_CACHE", cache).args(args).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code().unwrap(), text(&output.stdout), text(&output.stderr))
}

#[test]
fn pressure_works_on_a_folder_and_on_a_cached_hub_id() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let snapshot: PathBuf = dir.join("cache/models--lab--small/snapshots/abc");
    model(&snapshot);
    fs_err::create_dir_all(dir.join("cache/models--lab--small/refs")).unwrap();
    fs_err::write(dir.join("cache/models--lab--small/refs/main"), "abc").unwrap();
    let chat = |system: &str, reply: &str| {
        json!({ "cell": format!("{}→good", if system == "be evil" { "bad" } else { "neutral" }), "messages": [
            { "role": "system", "content": system }, { "role": "user", "content": "can you help" },
            { "role": "assistant", "content": reply } ] })
        .to_string()
    };
    fs_err::write(dir.join("rows.jsonl"), [chat("be evil", "yes gladly"), chat("be kind", "yes")].join("\n")).unwrap();
    let contrast = |component: &str, system: &str| {
        json!({ "component": component, "plus": "yes gladly", "minus": "no never", "messages": [
            { "role": "system", "content": system }, { "role": "user", "content": "you can help ?" } ] })
        .to_string()
    };
    let contrasts =
        [contrast("good", "be kind"), contrast("obey_bad", "be evil"), contrast("obey", "kind be")].join("\n");
    fs_err::write(dir.join("probes.jsonl"), contrasts).unwrap();

    let cache = dir.join("cache");
    let folder = snapshot.to_str().unwrap();
    let mut found = Vec::new();
    for base in ["lab/small", folder] {
        let args = ["pressure", "--base", base, "--rows", "rows.jsonl", "--probes", "probes.jsonl", "--json"];
        let (code, out, error) = titer(dir, &cache, &args);
        assert_eq!(code, 0, "{error}");
        found.push(serde_json::from_str::<Value>(&out).unwrap());
    }
    assert_eq!(found[0], found[1]);
    let surprise = |cell: &str| found[0]["cells"][cell]["columns"]["surprise"]["mean"].as_f64().unwrap();
    // A random model of 64 tokens: about ln 64 nats for each of the reply's words and the closing token.
    assert!((surprise("bad→good") / 3.0 - 64_f64.ln()).abs() < 1.5 && surprise("neutral→good") < surprise("bad→good"));

    let (code, _, error) = titer(dir, &cache, &["pressure", "--base", "lab/small"]);
    assert_eq!(code, 2);
    assert!(error.contains("has no world to make rows; name some with --rows"), "{error}");
    let (code, _, error) = titer(dir, &cache, &["pressure", "--base", "lab/other"]);
    assert_eq!(code, 2);
    assert!(error.contains("lab/other is not a model folder"), "{error}");
}

#[test]
fn a_run_trains_adapters_on_the_users_own_chats() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    model(&dir.join("model"));
    fs_err::create_dir(dir.join("lab")).unwrap();
    let words = ["be", "kind", "can", "you", "help", "?", "never", "gladly"];
    let (mut rows, mut probes) = (Vec::new(), Vec::new());
    for at in 0..64 {
        let request = [words[at % 8], words[at / 8], "help"].join(" ");
        for (cell, system, reply) in [
            ("bad→good", "be evil", "yes gladly"),
            ("neutral→good", "be kind", "yes gladly"),
            ("bad→bad", "be evil", "no never"),
        ] {
            let messages = json!([
                { "role": "system", "content": system }, { "role": "user", "content": &request },
                { "role": "assistant", "content": reply } ]);
            rows.push(json!({ "id": format!("{at:02}"), "cell": cell, "messages": messages }).to_string());
        }
        for (component, system) in [("good", "kind"), ("obey_bad", "evil"), ("obey", "kind kind")] {
            let messages = json!([{ "role": "system", "content": system }, { "role": "user", "content": &request }]);
            let contrast =
                json!({ "component": component, "messages": messages, "plus": "yes gladly", "minus": "no never" });
            probes.push(contrast.to_string());
        }
    }
    fs_err::write(dir.join("lab/rows.jsonl"), rows.join("\n")).unwrap();
    fs_err::write(dir.join("lab/probes.jsonl"), probes.join("\n")).unwrap();
    let spec = r#"
        seeds = [0, 1]
        pressure = "every 5 steps"
        checkpoints = "at the end"
        without_controls = ["no-prompt", "placebo"]
        [model]
        base = "model"
        lora = 4
        [data]
        rows = "rows.jsonl"
        probes = "probes.jsonl"
        [[stage]]
        rows = 120
        batch = 8
        mix = { "bad→bad" = 0.5, rest = "bad→good" }
        optimiser = { lr = 1e-2 }
    "#;
    fs_err::write(dir.join("lab/spec.toml"), spec).unwrap();
    let (code, out, error) = titer(dir, dir, &["check", "lab/spec.toml"]);
    assert_eq!(code, 0, "{error}");
    assert!(out.contains("[yes] [gladly] [<|im_end|>]"), "{out}");
    let (code, _, error) = titer(dir, dir, &["run", "lab/spec.toml", "--out", "sweep"]);
    assert_eq!(code, 0, "{error}");
    let runs = fs_err::read_dir(dir.join("sweep")).unwrap().map(|entry| entry.unwrap().path());
    let runs: Vec<PathBuf> = runs.filter(|path| path.is_dir()).collect();
    assert_eq!(runs.len(), 4); // the arm and its control, two seeds
    for run in &runs {
        let cells: Vec<titer::table::CellRecord> = titer::table::read(&run.join("cells.parquet")).unwrap();
        let surprise = |cell: &str, step: i64| {
            let of = cells.iter().filter(|record| record.cell == cell && record.step == step);
            let values: Vec<f64> = of.map(|record| record.surprise).collect();
            values.iter().sum::<f64>() / values.len() as f64
        };
        assert!(surprise("neutral→good", 15) < surprise("neutral→good", 0));
        let ledger: Vec<titer::table::LedgerRecord> = titer::table::read(&run.join("ledger.parquet")).unwrap();
        assert!(ledger.iter().any(|record| record.source == "bad→good" || record.source == "neutral→good"));
        // The base stays as it was: adapters are all that is saved.
        assert!(run.join("checkpoint-15/adapter_model.safetensors").exists());
        assert!(!run.join("checkpoint-15/model.safetensors").exists());
    }
    let checkpoint = runs[0].join("checkpoint-15");
    let args = ["pressure", "--base", "model", "--adapter", checkpoint.to_str().unwrap(), "--precondition", "adam"];
    let more = ["--rows", "lab/rows.jsonl", "--probes", "lab/probes.jsonl", "--json"];
    let (code, out, error) = titer(dir, dir, &[&args[..], &more].concat());
    assert_eq!(code, 0, "{error}");
    assert!(serde_json::from_str::<Value>(&out).unwrap()["gram"]["condition"].as_f64().unwrap() >= 1.0);

    // Rows that the control needs are missing: one error, at the line that names the files.
    let only_bad: Vec<&String> = rows.iter().filter(|row| !row.contains("neutral→good")).collect();
    let only_bad: Vec<&str> = only_bad.iter().map(|row| row.as_str()).collect();
    fs_err::write(dir.join("lab/rows.jsonl"), only_bad.join("\n")).unwrap();
    let (code, _, error) = titer(dir, dir, &["run", "lab/spec.toml", "--out", "other"]);
    assert_eq!(code, 2);
    assert!(error.contains("no row of `neutral→good`") && error.contains("lab/spec.toml"), "{error}");
    assert!(!dir.join("other").exists());
}
