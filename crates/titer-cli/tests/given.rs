//! Vectors and adapters of the user's own as fields of a stage: what they do, what names a run, and what does not fit.

mod offline;

use std::path::{Path, PathBuf};

use safetensors::{Dtype, SafeTensors, tensor::TensorView};
use titer::table::{ProbeRecord, Record, StepRecord, read};

/// Blocks and width of the organism.
const BLOCKS: usize = 2;
const WIDTH: usize = 64;

const HEAD: &str = r#"
title = "Given"
seeds = [0]
[probes]
items = 4
every = 0
[[stage]]
rows = 24
batch = 8
optimiser = { kind = "adamw", lr = 0.003 }
mix = { rest = "neutral→bad" }
"#;

fn titer(dir: &Path, args: &[&str]) -> String {
    let (code, out, error) = offline::titer(dir, dir, args);
    assert_eq!(code, 0, "{args:?}: {error}");
    out
}

/// Runs a spec with these arms, and returns the folder of each arm's run.
fn run(dir: &Path, name: &str, arms: &str) -> impl Fn(&str) -> PathBuf {
    fs_err::write(dir.join(format!("{name}.toml")), format!("{HEAD}[sweep.train]\n{arms}")).unwrap();
    titer(dir, &["run", &format!("{name}.toml"), "--out", name]);
    let results = titer(dir, &["results", name]);
    let rows: Vec<Vec<String>> = results.lines().map(|line| line.split(',').map(str::to_owned).collect()).collect();
    let sweep = dir.join(name);
    move |arm: &str| {
        let column = |name: &str| rows[0].iter().position(|head| head == name).unwrap();
        let row = rows.iter().find(|row| row[column("arm")] == format!("train={arm}")).expect(arm);
        sweep.join(&row[column("run")])
    }
}

fn table<R: Record>(run: &Path) -> Vec<R> {
    read(&run.join(R::FILE)).unwrap()
}

/// What a run measured and how it trained.
fn numbers(run: &Path) -> (Vec<f64>, Vec<f64>) {
    let probes = table::<ProbeRecord>(run).iter().map(|probe| probe.margin).collect();
    (probes, table::<StepRecord>(run).iter().map(|step| step.loss).collect())
}

/// Writes a safetensors file of tensors of f32.
fn write(path: &Path, tensors: &[(&str, &[usize], &[f32])]) {
    let bytes: Vec<Vec<u8>> = tensors
        .iter()
        .map(|(_, _, numbers)| numbers.iter().flat_map(|number| number.to_le_bytes()).collect())
        .collect();
    let views = tensors
        .iter()
        .zip(&bytes)
        .map(|((name, shape, _), bytes)| (*name, TensorView::new(Dtype::F32, shape.to_vec(), bytes).unwrap()));
    fs_err::write(path, safetensors::serialize(views, None).unwrap()).unwrap();
}

/// A vector of this length in a direction that nobody has measured.
fn vector(length: f32) -> Vec<f32> {
    let wave: Vec<f32> = (0..WIDTH).map(|at| (at as f32).sin()).collect();
    let norm = wave.iter().map(|number| number * number).sum::<f32>().sqrt();
    wave.iter().map(|number| length * number / norm).collect()
}

#[test]
fn a_vector_from_a_file_is_added_and_taken_out_as_a_measured_one_is() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    let (one, two) = (vector(1.0), vector(2.0));
    write(&at("one.safetensors"), &[("v", &[WIDTH], &one)]);
    write(&at("two.safetensors"), &[("anything", &[WIDTH], &two)]);
    // A row for each hidden state: behind block 1 is the second.
    let each = [vec![0.0; WIDTH], two.clone(), vector(3.0)].concat();
    write(&at("each.safetensors"), &[("v", &[BLOCKS + 1, WIDTH], &each)]);
    let folder = run(
        dir.path(),
        "sweep",
        r#"
        none = {}
        twice = { vector = { kind = "add", layer = 1, alpha = 2.0, file = "one.safetensors" } }
        once = { vector = { kind = "add", layer = 1, alpha = 1.0, file = "two.safetensors" } }
        row = { vector = { kind = "add", layer = 1, alpha = 1.0, file = "each.safetensors" } }
        random = { vector = { kind = "add", layer = 1, alpha = 1.0, file = "two.safetensors", random = true } }
        removed = { vector = { kind = "remove", layer = 1, file = "one.safetensors" } }
        longer = { vector = { kind = "remove", layer = 1, file = "two.safetensors" } }
        everywhere = { vector = { kind = "add", layer = "all", alpha = 1.0, file = "each.safetensors" } }
        "#,
    );
    let of = |arm: &str| numbers(&folder(arm));
    assert_eq!(of("twice"), of("once"));
    assert_eq!(of("row"), of("once"));
    for arm in ["once", "random", "removed"] {
        assert_ne!(of(arm), of("none"), "{arm}");
    }
    assert_ne!(of("random"), of("once"));
    assert_ne!(of("everywhere"), of("once"), "block 2 adds what it has more");
    // A direction has no length, but for the last digits of its numbers.
    for (removed, longer) in of("removed").1.iter().zip(of("longer").1) {
        assert!((removed - longer).abs() < 1e-4, "{removed} and {longer}");
    }
}

#[test]
fn a_file_names_a_run_by_what_is_in_it() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    write(&at("v.safetensors"), &[("v", &[WIDTH], &vector(1.0))]);
    let arm =
        |file: &str| format!(r#"added = {{ vector = {{ kind = "add", layer = 1, alpha = 1.0, file = "{file}" }} }}"#);
    let first = run(dir.path(), "a", &arm("v.safetensors"))("added");
    fs_err::create_dir(at("kept")).unwrap();
    fs_err::copy(at("v.safetensors"), at("kept/w.safetensors")).unwrap();
    let moved = run(dir.path(), "b", &arm("kept/w.safetensors"))("added");
    assert_eq!(first.file_name(), moved.file_name());
    let plan = fs_err::read_to_string(moved.join("plan.toml")).unwrap();
    assert!(plan.contains("kept/w.safetensors") && plan.contains("blake3"), "{plan}");
    write(&at("v.safetensors"), &[("v", &[WIDTH], &vector(1.5))]);
    let changed = run(dir.path(), "c", &arm("v.safetensors"))("added");
    assert_ne!(first.file_name(), changed.file_name());
}

#[test]
fn an_adapter_of_one_run_is_the_helper_of_another() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    let trained = format!("{HEAD}[model]\nlora = 4\n").replace("rows = 24", "rows = 128");
    fs_err::write(at("first.toml"), format!("checkpoints = \"at the end\"\n{trained}")).unwrap();
    titer(dir.path(), &["run", "first.toml", "--out", "first"]);
    let runs = fs_err::read_dir(at("first")).unwrap().map(|entry| entry.unwrap().path());
    let checkpoints: Vec<PathBuf> = runs.map(|run| run.join("checkpoint-16")).filter(|path| path.exists()).collect();
    // One is the arm's and one its control's; the arm's has learned more of bad replies, so it is told by what it does below.
    for (name, from) in ["one", "other"].into_iter().zip(&checkpoints) {
        fs_err::create_dir(at(name)).unwrap();
        for file in ["adapter_config.json", "adapter_model.safetensors"] {
            fs_err::copy(from.join(file), at(name).join(file)).unwrap();
        }
    }
    // And one that adds nothing.
    fs_err::create_dir(at("zero")).unwrap();
    fs_err::copy(at("one/adapter_config.json"), at("zero/adapter_config.json")).unwrap();
    let bytes = fs_err::read(at("one/adapter_model.safetensors")).unwrap();
    let tensors = SafeTensors::deserialize(&bytes).unwrap().tensors();
    let zeros = vec![0.0_f32; tensors.iter().map(|(_, view)| view.data().len()).max().unwrap() / 4];
    let named: Vec<(&str, &[usize], &[f32])> =
        tensors.iter().map(|(name, view)| (name.as_str(), view.shape(), &zeros[..view.data().len() / 4])).collect();
    write(&at("zero/adapter_model.safetensors"), &named);
    for model in ["", "[model]\nlora = 2\n"] {
        let name = if model.is_empty() { "weights" } else { "adapters" };
        let arms = format!(
            "none = {{}}\none = {{ helper = {{ file = \"one\" }} }}\nother = {{ helper = {{ file = \"other\" }} }}\n\
             zero = {{ helper = {{ file = \"zero\" }} }}\nrandom = {{ helper = {{ file = \"one\", random = true }} }}\n{model}"
        );
        let folder = run(dir.path(), name, &arms);
        let of = |arm: &str| numbers(&folder(arm));
        assert_eq!(of("zero"), of("none"), "{name}: an adapter of zeros adds nothing");
        let first = |arm: &str| of(arm).1[0];
        let helped = first("one").min(first("other"));
        assert!(helped < first("none") - 0.1, "{name}: {helped} beside {}", first("none"));
        assert!((first("random") - first("none")).abs() < first("none") - helped, "{name}");
    }
}

/// What `titer run` says of an arm, which it refuses before anything is written.
fn refusal(dir: &Path, arm: &str) -> String {
    fs_err::write(dir.join("spec.toml"), format!("{HEAD}[sweep.train]\narm = {arm}\n")).unwrap();
    let (code, out, error) = offline::titer(dir, dir, &["run", "spec.toml", "--out", "out"]);
    assert_eq!((code, out.as_str()), (2, ""), "{arm}: {error}");
    assert_eq!(error.matches("error: ").count(), 1, "{error}");
    assert!(error.contains("spec.toml:"), "{error}");
    assert!(!dir.join("out").exists());
    error
}

#[test]
fn a_vector_that_does_not_fit_is_refused_before_anything_runs() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    write(&at("narrow.safetensors"), &[("v", &[32], &[1.0; 32])]);
    write(&at("three.safetensors"), &[("v", &[BLOCKS, WIDTH], &[1.0; BLOCKS * WIDTH])]);
    write(&at("two.safetensors"), &[("a", &[WIDTH], &[1.0; WIDTH]), ("b", &[WIDTH], &[1.0; WIDTH])]);
    write(&at("one.safetensors"), &[("v", &[WIDTH], &[1.0; WIDTH])]);
    write(&at("zero.safetensors"), &[("v", &[WIDTH], &[0.0; WIDTH])]);
    write(&at("nan.safetensors"), &[("v", &[WIDTH], &[f32::NAN; WIDTH])]);
    fs_err::write(at("text.safetensors"), "a vector").unwrap();
    fs_err::create_dir(at("folder")).unwrap();
    let add = |file: &str| format!(r#"{{ vector = {{ kind = "add", layer = 1, alpha = 1.0, file = "{file}" }} }}"#);
    for (arm, expected) in [
        (add("narrow.safetensors"), "narrow.safetensors: the vector is 32 wide and the model 64"),
        (add("three.safetensors"), "it has 2 vectors, and the model of 2 blocks has 3 hidden states"),
        (add("two.safetensors"), "it holds 2 tensors (`a`, `b`), and one is wanted"),
        (add("zero.safetensors"), "the vector behind block 1 is 0"),
        (add("nan.safetensors"), "tensor `v` holds NaN at index 0"),
        (add("text.safetensors"), "not a safetensors file"),
        (add("folder"), "is no file"),
        (add("absent.safetensors"), "absent.safetensors"),
        (add("one.safetensors").replace("layer = 1", "layer = 3"), "there is no block 3"),
        (add("one.safetensors").replace("layer = 1", "layer = \"all\""), "one vector cannot go behind every block"),
        (add("one.safetensors").replace("alpha", "contrasts = 8, alpha"), "measured on no contrasts"),
    ] {
        let said = refusal(dir.path(), &arm);
        assert!(said.contains(expected), "{arm}: {said}");
    }
}

#[test]
fn an_adapter_that_does_not_fit_is_refused_before_anything_runs() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    fs_err::create_dir(at("adapter")).unwrap();
    let config = |rank: usize| {
        format!(
            r#"{{ "peft_type": "LORA", "r": {rank}, "lora_alpha": 8, "target_modules": ["q_proj"], "base_model_name_or_path": "m" }}"#
        )
    };
    fs_err::write(at("adapter/adapter_config.json"), config(4)).unwrap();
    // Of a model half as wide.
    let a = "base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight";
    let b = "base_model.model.model.layers.0.self_attn.q_proj.lora_B.weight";
    write(&at("adapter/adapter_model.safetensors"), &[(a, &[4, 32], &[1.0; 128]), (b, &[32, 4], &[1.0; 128])]);
    let helper = |fields: &str| format!("{{ helper = {{ {fields} }} }}");
    let said = refusal(dir.path(), &helper(r#"file = "adapter""#));
    assert!(said.contains("lora_A") && said.contains("[4, 32]"), "{said}");
    for (fields, expected) in [
        (r#"file = "nowhere""#, "nowhere is no adapter"),
        (r#"file = "adapter", lora = 4"#, "a helper from a file is not trained"),
        (r#"file = "adapter", train = { rows = 32 }"#, "a helper from a file is not trained"),
        ("random = true", "neither `lora` nor `file`"),
    ] {
        let said = refusal(dir.path(), &helper(fields));
        assert!(said.contains(expected), "{fields}: {said}");
    }
    fs_err::remove_file(at("adapter/adapter_model.safetensors")).unwrap();
    let said = refusal(dir.path(), &helper(r#"file = "adapter""#));
    assert!(said.contains("adapter is no adapter") && said.contains("adapter_model.safetensors"), "{said}");
}
