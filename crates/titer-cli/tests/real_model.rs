//! A Hugging Face folder with shards, a chat template file and the user's own rows and contrasts, from the command line.

mod offline;
mod small_chats;
mod small_model;

use std::path::PathBuf;

use serde_json::{Value, json};

use offline::titer;
use small_chats::chats;
use small_model::model;

#[test]
fn pressure_works_on_a_folder_and_on_a_cached_hub_id() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let snapshot: PathBuf = dir.join("cache/models--lab--small/snapshots/abc");
    model(&snapshot);
    fs_err::create_dir_all(dir.join("cache/models--lab--small/refs")).unwrap();
    fs_err::write(dir.join("cache/models--lab--small/refs/main"), "abc").unwrap();
    chats(dir);

    let cache = dir.join("cache");
    let folder = snapshot.to_str().unwrap();
    let mut found = Vec::new();
    for base in ["lab/small", folder] {
        let args = ["pressure", "--model", base, "--rows", "rows.jsonl", "--probes", "probes.jsonl", "--json"];
        let (code, out, error) = titer(dir, &cache, &args);
        assert_eq!(code, 0, "{error}");
        found.push(serde_json::from_str::<Value>(&out).unwrap());
    }
    assert_eq!(found[0], found[1]);
    // The organism's weights are in f32; rounded to bf16 they give other numbers, but not much: 8 significant bits.
    let surprise = |more: &[&str]| {
        let args = ["pressure", "--items", "4", "--contrasts", "4", "--json"];
        let (code, out, error) = titer(dir, &cache, &[&args[..], more].concat());
        assert_eq!(code, 0, "{error}");
        let found: Value = serde_json::from_str(&out).unwrap();
        found["cells"]["bad→good"]["columns"]["surprise"]["mean"].as_f64().unwrap()
    };
    let as_shipped = surprise(&[]);
    for dtype in ["f32", "bf16", "f16"] {
        let apart = (surprise(&["--dtype", dtype]) / as_shipped - 1.0).abs();
        assert!(if dtype == "f32" { apart == 0.0 } else { apart > 0.0 && apart < 0.02 }, "{dtype}: {apart}");
    }
    let (code, _, error) = titer(dir, &cache, &["pressure", "--model", folder, "--dtype", "int8"]);
    assert_eq!(code, 2);
    assert!(error.contains("`int8` is no number type of weights; titer keeps f32, bf16, f16"), "{error}");

    let surprise = |cell: &str| found[0]["cells"][cell]["columns"]["surprise"]["mean"].as_f64().unwrap();
    // A random model of 64 tokens: about ln 64 nats for each of the reply's words and the closing token.
    assert!((surprise("bad→good") / 3.0 - 64_f64.ln()).abs() < 1.5 && surprise("neutral→good") < surprise("bad→good"));

    let (code, _, error) = titer(dir, &cache, &["pressure", "--model", "lab/small"]);
    assert_eq!(code, 2);
    assert!(error.contains("has no world to make rows; name some with --rows"), "{error}");
    let (code, _, error) = titer(dir, &cache, &["pressure", "--model", "lab/other"]);
    assert_eq!(code, 2);
    assert!(error.contains("`lab/other` is no folder here") && error.contains("HF_HUB_OFFLINE"), "{error}");
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
    let (code, out, error) = titer(dir, dir, &["check", "lab/spec.toml", "--tokens"]);
    assert_eq!(code, 0, "{error}");
    assert!(out.contains("[yes] [gladly] [<|im_end|>]"), "{out}");
    let (code, _, error) = titer(dir, dir, &["run", "lab/spec.toml", "--out", "sweep"]);
    assert_eq!(code, 0, "{error}");
    let runs = fs_err::read_dir(dir.join("sweep")).unwrap().map(|entry| entry.unwrap().path());
    let runs: Vec<PathBuf> = runs.filter(|path| path.join("plan.toml").is_file()).collect();
    assert_eq!(runs.len(), 4); // the arm and its control, two seeds
    for run in &runs {
        let cells: Vec<titer::table::CellRecord> = titer::table::read(&run.join("cells.parquet")).unwrap();
        let surprise = |cell: &str, step: i64| {
            let of = cells.iter().filter(|record| record.cell.to_string() == cell && record.step == step);
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
    let args = ["pressure", "--model", "model", "--adapter", checkpoint.to_str().unwrap(), "--precondition", "adam"];
    let more = ["--rows", "lab/rows.jsonl", "--probes", "lab/probes.jsonl", "--json"];
    let (code, out, error) = titer(dir, dir, &[&args[..], &more].concat());
    assert_eq!(code, 0, "{error}");
    assert!(serde_json::from_str::<Value>(&out).unwrap()["gram"]["condition"].as_f64().unwrap() >= 1.0);

    // Pressure gives the kernels of forecasts of such runs, and pilots train adapters too.
    for seed in ["0", "1"] {
        let args = ["pressure", "--model", "model", "--lora", "4", "--seed", seed, "--kernel", "kernels"];
        let more = ["--rows", "lab/spec.toml", "--items", "16", "--contrasts", "16"];
        let (code, _, error) = titer(dir, dir, &[&args[..], &more].concat());
        assert_eq!(code, 0, "{error}");
    }
    let args = ["forecast", "lab/spec.toml", "--kernel", "kernels", "--refresh", "1", "--against", "sweep", "--json"];
    let (code, out, error) = titer(dir, dir, &args);
    assert_eq!(code, 0, "{error}");
    let told = |words: &str| error.lines().filter(|line| line.contains(words)).count();
    assert_eq!((told("pilot"), told("kernel of seed")), (2, 0), "{error}");
    assert_eq!(serde_json::from_str::<Value>(&out).unwrap()["pairs"].as_array().unwrap().len(), 6);

    // A table of adapters, and weights in another type: one run of each.
    let table = spec.replace(
        "lora = 4",
        "lora = { r = 2, alpha = 3, rslora = true, targets = [\"q_proj\", \"down_proj\"] }\ndtype = \"bf16\"",
    );
    fs_err::write(dir.join("lab/table.toml"), table.replace("seeds = [0, 1]", "seeds = [0]")).unwrap();
    let (code, _, error) = titer(dir, dir, &["run", "lab/table.toml", "--out", "table"]);
    assert_eq!(code, 0, "{error}");
    let mut runs = fs_err::read_dir(dir.join("table")).unwrap().map(|entry| entry.unwrap().path());
    let run = runs.find(|path| path.join("plan.toml").is_file()).unwrap();
    let adapter = fs_err::read_to_string(run.join("checkpoint-15/adapter_config.json")).unwrap();
    let adapter: Value = serde_json::from_str(&adapter).unwrap();
    assert_eq!((&adapter["r"], &adapter["use_rslora"]), (&json!(2), &json!(true)));
    assert_eq!(adapter["target_modules"], json!(["q_proj", "down_proj"]));
    let plan = fs_err::read_to_string(run.join("plan.toml")).unwrap();
    assert!(plan.contains("dtype = \"bf16\"") && plan.contains("rslora = true"), "{plan}");
    for (change, problem) in [
        ("lora = { r = 2, targets = [\"c_attn\"] }", "there is no layer `c_attn`"),
        ("lora = 0", "the rank `r` is 0"),
        ("lora = { r = 2, dropout = 0.1 }", "unknown field `dropout`"),
        ("lora = \"all\"", "expected a rank, or a table"),
        ("lora = 2\ndtype = \"fp8\"", "`fp8` is no number type"),
    ] {
        fs_err::write(dir.join("lab/table.toml"), spec.replace("lora = 4", change)).unwrap();
        let (code, _, error) = titer(dir, dir, &["run", "lab/table.toml", "--out", "refused"]);
        assert_eq!(code, 2, "{change}: {error}");
        assert!(error.contains(problem) && error.contains("lab/table.toml:"), "{error}");
        assert!(!dir.join("refused").exists());
    }

    // A template that takes no system prompt: an error that names the way out, and the way out.
    let strict = "{% if messages[0].role == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}";
    let template = dir.join("model/chat_template.jinja");
    let lenient = fs_err::read_to_string(&template).unwrap();
    fs_err::write(&template, format!("{strict}{lenient}")).unwrap();
    let (code, _, error) = titer(dir, dir, &["run", "lab/spec.toml", "--out", "strict"]);
    assert_eq!(code, 2, "{error}");
    assert!(error.contains("system_in_user = true"), "{error}");
    assert!(!dir.join("strict").exists());
    let moved = spec.replace("lora = 4", "lora = 4\nsystem_in_user = true").replace("seeds = [0, 1]", "seeds = [0]");
    fs_err::write(dir.join("lab/moved.toml"), moved).unwrap();
    let (code, out, error) = titer(dir, dir, &["check", "lab/moved.toml"]);
    assert_eq!(code, 0, "{error}");
    assert!(out.contains("user be evil") && !out.contains("system"), "{out}");
    let (code, _, error) = titer(dir, dir, &["run", "lab/moved.toml", "--out", "moved"]);
    assert_eq!(code, 0, "{error}");
    let mut runs = fs_err::read_dir(dir.join("moved")).unwrap().map(|entry| entry.unwrap().path());
    let run = runs.find(|path| path.join("plan.toml").is_file()).unwrap();
    assert!(fs_err::read_to_string(run.join("plan.toml")).unwrap().contains("system_in_user = true"));
    fs_err::write(&template, lenient).unwrap();

    // Rows that the control needs are missing: one error, at the line that names the files.
    let only_bad: Vec<&String> = rows.iter().filter(|row| !row.contains("neutral→good")).collect();
    let only_bad: Vec<&str> = only_bad.iter().map(|row| row.as_str()).collect();
    fs_err::write(dir.join("lab/rows.jsonl"), only_bad.join("\n")).unwrap();
    let (code, _, error) = titer(dir, dir, &["run", "lab/spec.toml", "--out", "other"]);
    assert_eq!(code, 2);
    assert!(error.contains("no row of `neutral→good`") && error.contains("lab/spec.toml"), "{error}");
    assert!(!dir.join("other").exists());
}
