//! Stages that train through passes of their own: on all weights and on adapters, made again to the same bytes, measured and saved without
//! what they were trained with.

use std::{path::Path, process::Command};

use safetensors::SafeTensors;

const STAGE: &str = r#"
[[stage]]
rows = 24
batch = 8
optimiser = { kind = "adamw", lr = 0.003 }
mix = { rest = "neutral→bad" }
"#;

const VECTORS: &str = r#"
[sweep.train]
none = {}
add = { vector = { kind = "add", layer = 1, alpha = 2.0 } }
everywhere = { vector = { kind = "add", layer = "all", alpha = 1.0 } }
random = { vector = { kind = "add", layer = 1, alpha = 2.0, random = true } }
remove = { vector = { kind = "remove", layer = 2 } }
guarded = { vector = { kind = "add", layer = 1, alpha = 2.0 }, guards = { anchor = {}, reweight = { obey = { min = 0.0 } } } }
helped = { helper = { lora = 2, train = { rows = 128, batch = 8, optimiser = { lr = 0.01 }, mix = { rest = "neutral→bad" } } } }
"random helper" = { helper = { lora = 2, random = true, train = { rows = 128, batch = 8, optimiser = { lr = 0.01 }, mix = { rest = "neutral→bad" } } } }
"both" = { vector = { kind = "remove", layer = 1 }, helper = { lora = 2, train = { rows = 16, batch = 8, mix = { rest = "neutral→bad" } } } }
[probes]
items = 4
every = 0
"#;

fn titer(dir: &Path, arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_titer")).current_dir(dir).args(arguments).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Margins of every probe in an arm, before (`"0"`) or after its only stage.
fn margins(dir: &Path, sweep: &str, arm: &str, before: bool) -> Vec<String> {
    let results = titer(dir, &["results", sweep]);
    let rows: Vec<Vec<&str>> = results.lines().map(|line| line.split(',').collect()).collect();
    let column = |name: &str| rows[0].iter().position(|head| *head == name).unwrap();
    let wanted = |row: &&Vec<&str>| row[column("arm")] == arm && (row[column("step")] == "0") == before;
    rows[1..].iter().filter(wanted).map(|row| row[column("margin")].to_owned()).collect()
}

/// The folder of an arm's only run.
fn run_folder(dir: &Path, sweep: &str, arm: &str) -> std::path::PathBuf {
    let folders = fs_err::read_dir(dir.join(sweep)).unwrap().map(|entry| entry.unwrap().path());
    let results = titer(dir, &["results", sweep]);
    let rows: Vec<Vec<&str>> = results.lines().map(|line| line.split(',').collect()).collect();
    let column = |name: &str| rows[0].iter().position(|head| *head == name).unwrap();
    let run = rows.iter().find(|row| row[column("arm")] == arm).unwrap()[column("run")].to_owned();
    folders.into_iter().find(|folder| folder.file_name().unwrap().to_string_lossy() == run).unwrap()
}

#[test]
fn vectors_and_helpers_train_all_weights_and_adapters_and_leave_nothing_of_themselves() {
    let dir = tempfile::tempdir().unwrap();
    for (name, model) in [("weights", ""), ("adapters", "[model]\nlora = 4\n")] {
        let head = format!(
            "title = \"Vectors\"\nseeds = [0]\ncheckpoints = \"at the end\"\npressure = \"at the end\"\n{model}"
        );
        fs_err::write(dir.path().join("spec.toml"), format!("{head}{STAGE}{VECTORS}")).unwrap();
        titer(dir.path(), &["run", "spec.toml", "--out", name]);
        let after = |arm: &str| margins(dir.path(), name, &format!("train={arm}"), false);
        let plain = after("none");
        assert!(!plain.is_empty());
        for arm in ["add", "everywhere", "random", "remove", "guarded", "helped", "random helper", "both"] {
            let vector = after(arm);
            assert!(vector.len() == plain.len() && vector != plain, "{name}, {arm}");
            assert_eq!(
                margins(dir.path(), name, &format!("train={arm}"), true),
                margins(dir.path(), name, "train=none", true),
                "what is measured before training is without vector and helper"
            );
        }
        // A checkpoint has the same parts as one without them.
        let file = if model.is_empty() { "model.safetensors" } else { "adapter_model.safetensors" };
        let parts = |arm: &str| {
            let folder = run_folder(dir.path(), name, &format!("train={arm}"));
            let bytes = fs_err::read(folder.join("checkpoint-3").join(file)).unwrap();
            let tensors = SafeTensors::deserialize(&bytes).unwrap();
            let mut shapes: Vec<(String, Vec<usize>)> =
                tensors.iter().map(|(name, tensor)| (name.to_owned(), tensor.shape().to_vec())).collect();
            shapes.sort();
            shapes
        };
        for arm in ["add", "helped"] {
            assert_eq!(parts(arm), parts("none"), "{name}, {arm}");
        }
        helpers_are_told_of(dir.path(), name);
    }
    // Opened again, a checkpoint is the model that was measured where it was saved.
    let folder = run_folder(dir.path(), "weights", "train=helped");
    let spec = format!(
        "title = \"Again\"\nseeds = [0]\n[model]\nbase = \"{}\"\n[[stage]]\nrows = 0\n[probes]\nitems = 4\nevery = 0\n",
        folder.join("checkpoint-3").display()
    );
    fs_err::write(dir.path().join("again.toml"), spec).unwrap();
    titer(dir.path(), &["run", "again.toml", "--out", "again"]);
    let again = titer(dir.path(), &["results", "again"]);
    let arm = again.lines().nth(1).unwrap().split(',').nth(1).unwrap().to_owned();
    assert_eq!(margins(dir.path(), "again", &arm, true), margins(dir.path(), "weights", "train=helped", false));
}

/// The event of a helper says that it shows what it was trained on, and a random one that it is as long and does not.
fn helpers_are_told_of(dir: &Path, sweep: &str) {
    let event = |arm: &str| {
        let events = fs_err::read_to_string(run_folder(dir, sweep, arm).join("events.jsonl")).unwrap();
        let mut events = events.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
        events.find(|event| event["event"] == "helper").unwrap()
    };
    let (helper, random) = (event("train=helped"), event("train=random helper"));
    let good = |event: &serde_json::Value, side: &str| event[side]["good"].as_f64().unwrap();
    let moved = |event: &serde_json::Value| good(event, "margins_with") - good(event, "margins_without");
    assert!(moved(&helper) < -1.0, "{sweep}: {helper}");
    assert!(moved(&random).abs() < 0.5 * moved(&helper).abs(), "{sweep}: {random} beside {helper}");
    let norm = |event: &serde_json::Value| event["norm"].as_f64().unwrap();
    assert!((norm(&random) / norm(&helper) - 1.0).abs() < 1e-3, "{sweep}: {random} beside {helper}");
}

#[test]
fn runs_with_vectors_and_helpers_are_made_again_to_the_same_bytes() {
    let dir = tempfile::tempdir().unwrap();
    let head = "title = \"Vectors\"\nseeds = [0]\npressure = \"at the end\"\n";
    fs_err::write(dir.path().join("spec.toml"), format!("{head}{STAGE}{VECTORS}")).unwrap();
    titer(dir.path(), &["run", "spec.toml", "--out", "whole", "--threads", "2"]);
    let folder = run_folder(dir.path(), "whole", "train=both");
    let tables = || -> Vec<(String, Vec<u8>)> {
        let files = fs_err::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path());
        let mut tables: Vec<_> = files
            .filter(|file| file.extension().is_some_and(|extension| extension == "parquet"))
            .map(|file| (file.display().to_string(), fs_err::read(file).unwrap()))
            .collect();
        tables.sort();
        tables
    };
    let whole = tables();
    assert!(whole.len() >= 5, "{}", whole.len());
    // As if it had been interrupted in its last moment.
    fs_err::remove_file(folder.join("done")).unwrap();
    titer(dir.path(), &["run", "spec.toml", "--out", "whole", "--threads", "1"]);
    assert!(tables() == whole, "the run's tables differ");
}

#[test]
fn the_steps_of_a_helper_s_training_are_counted() {
    let dir = tempfile::tempdir().unwrap();
    let helper = "{ helper = { lora = 2, train = { rows = 32, batch = 16, mix = { rest = \"neutral→bad\" } } } }";
    let arms = format!("[sweep.train]\nplain = {{}}\nhelped = {helper}\nskipped = {{ rows = 0, {}\n", &helper[2..]);
    let spec = format!("title = \"Counted\"\nseeds = [0]\n{STAGE}{arms}[probes]\nitems = 4\nevery = 0\n");
    fs_err::write(dir.path().join("spec.toml"), spec).unwrap();
    let said = titer(dir.path(), &["check", "spec.toml", "--measure", "--json"]);
    let said: serde_json::Value = serde_json::from_str(&said).unwrap();
    // Two arms and their control train 24 rows in batches of 8, and a helper 32 in batches of 16; a stage that is skipped has none.
    assert_eq!((said["steps"].as_i64(), said["rows"].as_i64()), (Some(3 * 3 + 2), Some(3 * 24 + 32)), "{said}");
    assert!(said["cost"]["seconds"].as_f64().unwrap() > 0.0, "{said}");
}

#[test]
fn what_other_trainers_have_not_is_not_exported() {
    let dir = tempfile::tempdir().unwrap();
    fs_err::write(dir.path().join("spec.toml"), format!("title = \"Vectors\"\nseeds = [0]\n{STAGE}{VECTORS}")).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_titer"))
        .current_dir(dir.path())
        .args(["export", "spec.toml", "--for", "trl", "--out", "out"])
        .output()
        .unwrap();
    let talk = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{talk}");
    assert!(talk.contains("it has a vector (2 × the vector towards the bad action added behind block 1)"), "{talk}");
    assert!(!dir.path().join("out").exists());
}
