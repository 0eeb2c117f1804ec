//! Stages whose replies the model writes itself: trained, booked, pressed and kept; and what is refused before anything runs.

mod offline;
mod small_chats;
mod small_model;

use std::path::{Path, PathBuf};

use safetensors::{SafeTensors, tensor::TensorView};
use serde_json::Value;
use titer::table::{LedgerRecord, PressureRecord, Record, StepRecord, read};

const SPEC: &str = r#"
title = "Drawn"
seeds = [0]
pressure = "at the end"
without_controls = ["no-prompt", "placebo", "paraphrases"]
[probes]
items = 4
every = 0
[[stage]]
rows = 24
batch = 8
optimiser = { kind = "adamw", lr = 0.003 }
mix = { rest = "bad→good" }
[sweep.train]
given = {}
warm = { drawn = { under = "none" } }
greedy = { drawn = { under = ["be evil in everything ."], temperature = 0.0 } }
anchored = { drawn = { under = "none" }, vector = { kind = "add", layer = 1, alpha = 1.0, contrasts = 4 }, guards = { anchor = { share = 0.25 } } }
helped = { helper = { lora = 2, train = { rows = 16, batch = 8, mix = { rest = "bad→good" }, drawn = { under = "none" } } } }
"#;

fn titer(dir: &Path, args: &[&str]) -> String {
    let (code, out, error) = offline::titer(dir, dir, args);
    assert_eq!(code, 0, "{args:?}: {error}");
    out
}

/// The folder of an arm's run.
fn folder(dir: &Path, sweep: &str, arm: &str) -> PathBuf {
    let results = titer(dir, &["results", sweep]);
    let rows: Vec<Vec<&str>> = results.lines().map(|line| line.split(',').collect()).collect();
    let column = |name: &str| rows[0].iter().position(|head| *head == name).unwrap();
    let run = rows.iter().find(|row| row[column("arm")] == format!("train={arm}")).unwrap();
    dir.join(sweep).join(run[column("run")])
}

fn table<R: Record>(run: &Path) -> Vec<R> {
    read(&run.join(R::FILE)).unwrap()
}

/// The rows of a run whose replies its model wrote.
fn drawn(run: &Path) -> Vec<Value> {
    let text = fs_err::read_to_string(run.join("drawn.jsonl")).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn what_the_model_writes_is_trained_booked_pressed_and_kept() {
    let dir = tempfile::tempdir().unwrap();
    for (sweep, model) in [("weights", ""), ("adapters", "[model]\nlora = 4\n")] {
        fs_err::write(dir.path().join("spec.toml"), format!("{SPEC}{model}")).unwrap();
        titer(dir.path(), &["run", "spec.toml", "--out", sweep]);
        let run = |arm: &str| folder(dir.path(), sweep, arm);
        let losses = |arm: &str| table::<StepRecord>(&run(arm)).iter().map(|step| step.loss).collect::<Vec<f64>>();
        assert!(!run("given").join("drawn.jsonl").exists());
        for arm in ["warm", "greedy", "anchored"] {
            assert_ne!(losses(arm), losses("given"), "{sweep}, {arm}");
            let rows = drawn(&run(arm));
            assert_eq!(rows.len(), if arm == "anchored" { 18 } else { 24 }, "{sweep}, {arm}");
            let under = if arm == "greedy" { "be evil in everything ." } else { "" };
            assert!(rows.iter().all(|row| row["drawn_under"] == under && row["stage"] == "train"));
            // Each is trained under its own prompt, with one reply.
            for row in &rows {
                let roles: Vec<&Value> =
                    row["messages"].as_array().unwrap().iter().map(|message| &message["role"]).collect();
                assert_eq!(roles, ["system", "user", "assistant"]);
                assert!(!row["messages"][2]["content"].as_str().unwrap().is_empty());
            }
            let mut booked: Vec<String> =
                table::<LedgerRecord>(&run(arm)).into_iter().map(|line| line.source).collect();
            booked.sort();
            booked.dedup();
            let anchors = booked.iter().filter(|source| source.starts_with("anchor ")).count();
            assert!(booked.contains(&"drawn bad→good".to_owned()), "{booked:?}");
            assert!(!booked.contains(&"bad→good".to_owned()) && (anchors > 0) == (arm == "anchored"), "{booked:?}");
            let pressed = table::<PressureRecord>(&run(arm));
            let unknown: Vec<_> = pressed.iter().filter(|row| row.cell.is_none()).collect();
            // Before and after, the first rows; they push as they are trained.
            assert_eq!(unknown.len(), 2 * 4, "{sweep}, {arm}");
            assert!(unknown.iter().all(|row| row.item.starts_with("drawn/bad→good/") && row.gradient_norm > 0.0));
        }
        // Replies under a bad prompt are bad, so that rows of bad→good are none.
        assert!(losses("greedy")[0] < losses("given")[0], "{sweep}");
        let helped = drawn(&run("helped"));
        assert!(helped.len() == 16 && helped.iter().all(|row| row["stage"] == "helper of train"));
        titer(dir.path(), &["verify", sweep]);
    }
}

#[test]
fn a_run_is_made_again_to_the_same_bytes_whatever_the_threads() {
    let dir = tempfile::tempdir().unwrap();
    fs_err::write(dir.path().join("spec.toml"), SPEC).unwrap();
    titer(dir.path(), &["run", "spec.toml", "--out", "sweep", "--threads", "2"]);
    let run = folder(dir.path(), "sweep", "anchored");
    let files = || {
        let files = fs_err::read_dir(&run).unwrap().map(|entry| entry.unwrap().path());
        let kept = |file: &PathBuf| file.extension().is_some_and(|kind| kind == "parquet" || kind == "jsonl");
        let mut files: Vec<PathBuf> = files.filter(kept).filter(|file| !file.ends_with("events.jsonl")).collect();
        files.sort();
        files.into_iter().map(|file| (file.clone(), fs_err::read(file).unwrap())).collect::<Vec<_>>()
    };
    let whole = files();
    fs_err::remove_file(run.join("done")).unwrap();
    titer(dir.path(), &["run", "spec.toml", "--out", "sweep", "--threads", "1"]);
    assert!(files() == whole, "the run's files differ");
}

/// A model of a few words, its chats, and a spec that draws replies as `drawn` says.
fn small(drawn: &str) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    small_model::model(&dir.path().join("model"));
    small_chats::chats(dir.path());
    for file in ["rows.jsonl", "probes.jsonl"] {
        let text = fs_err::read_to_string(dir.path().join(file)).unwrap();
        let more = text.replace("can you help", "you can help").replace("you can help ?", "can help you");
        fs_err::write(dir.path().join(file), format!("{text}\n{more}\n")).unwrap();
    }
    let spec = format!(
        "seeds = [0]\n[model]\nbase = \"model\"\nlora = 2\n[data]\nrows = \"rows.jsonl\"\nprobes = \"probes.jsonl\"\n[[stage]]\nrows = 8\nbatch = 8\n\
         mix = {{ rest = \"bad→good\" }}\ndrawn = {drawn}\n"
    );
    fs_err::write(dir.path().join("spec.toml"), spec).unwrap();
    dir
}

/// What `titer run` says of it, which refuses it before anything is written.
fn refusal(dir: &Path) -> String {
    let (code, out, error) = offline::titer(dir, dir, &["run", "spec.toml", "--out", "out"]);
    assert_eq!((code, out.as_str()), (2, ""), "{error}");
    assert_eq!(error.matches("error: ").count(), 1, "{error}");
    assert!(!dir.join("out").exists());
    error
}

#[test]
fn what_cannot_be_drawn_is_said_before_anything_runs() {
    for (drawn, expected) in [
        (r#"{ under = ["kind ?"], limit = 1 }"#, "a reply of 1 token has no room"),
        (r#"{ under = "none", temperature = -1.0 }"#, "at a temperature of -1"),
        (r#"{ under = "some" }"#, "`some` is no pool"),
        (r#"{ temperature = 1.0 }"#, "missing field `under`"),
        (r#"{ under = "paraphrases" }"#, "`drawn.under`: titer knows no paraphrases of the prompts of your own rows"),
    ] {
        let said = refusal(small(drawn).path());
        assert!(said.contains(expected), "{drawn}: {said}");
        assert!(said.contains("spec.toml:"), "{said}");
    }
}

#[test]
fn a_template_that_drops_the_prompt_is_no_way_to_draw_under_it() {
    let dir = small(r#"{ under = ["kind kind kind"] }"#);
    // The rows' own prompts are read, others are not.
    let template = "{% for m in messages %}{% if m.content != 'kind kind kind' %}\
                    {{ '<|im_start|>' + m.role + '\n' + m.content + '<|im_end|>\n' }}{% endif %}{% endfor %}\
                    {% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}";
    fs_err::write(dir.path().join("model/chat_template.jinja"), template).unwrap();
    let said = refusal(dir.path());
    assert!(said.contains("prompt kind kind kind") && said.contains("system prompt"), "{said}");
}

#[test]
fn a_model_that_says_nothing_is_refused_and_by_chance_it_is_asked_again() {
    let nothing = |drawn: &str| {
        let dir = small(drawn);
        let model = dir.path().join("model");
        // All tokens are equally likely, and the first of them closes replies.
        let tokenizer = fs_err::read_to_string(model.join("tokenizer.json")).unwrap();
        let swapped = tokenizer.replace("<|im_start|>", "<|im_?|>").replace("<|im_end|>", "<|im_start|>");
        fs_err::write(model.join("tokenizer.json"), swapped.replace("<|im_?|>", "<|im_end|>")).unwrap();
        silence(&model);
        dir
    };
    let said = refusal(nothing(r#"{ under = "none", temperature = 0.0 }"#).path());
    assert!(said.contains("the model writes nothing in 1 of 1 replies"), "{said}");
    let by_chance = nothing(r#"{ under = "none" }"#);
    let out = by_chance.path().join("out");
    titer(by_chance.path(), &["run", "spec.toml", "--out", "out"]);
    let [run] = fs_err::read_dir(&out)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.join("drawn.jsonl").exists())
        .collect::<Vec<_>>()
        .try_into()
        .unwrap();
    assert!(drawn(&run).iter().all(|row| !row["messages"][2]["content"].as_str().unwrap().is_empty()));
}

/// Takes from a model what tells tokens apart: the scale behind its last norm.
fn silence(model: &Path) {
    for file in ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"] {
        let bytes = fs_err::read(model.join(file)).unwrap();
        let tensors = SafeTensors::deserialize(&bytes).unwrap();
        let views: Vec<(String, TensorView<'_>)> = tensors.tensors();
        let zeros: Vec<u8> = vec![0; bytes.len()];
        let quiet = views.iter().map(|(name, view)| {
            let data = if name == "model.norm.weight" { &zeros[..view.data().len()] } else { view.data() };
            (name.clone(), TensorView::new(view.dtype(), view.shape().to_vec(), data).unwrap())
        });
        let quiet = safetensors::serialize(quiet, None).unwrap();
        fs_err::write(model.join(file), quiet).unwrap();
    }
}

#[test]
fn rows_that_are_not_known_beforehand_are_not_exported() {
    let dir = tempfile::tempdir().unwrap();
    fs_err::write(dir.path().join("spec.toml"), SPEC.replace("given = {}\n", "")).unwrap();
    let (code, _, error) =
        offline::titer(dir.path(), dir.path(), &["export", "spec.toml", "--for", "trl", "--out", "out"]);
    assert_eq!(code, 2, "{error}");
    assert!(
        error.contains("its rows are not known beforehand (replies drawn from the model without a prompt"),
        "{error}"
    );
    assert!(!dir.path().join("out").exists());
}
