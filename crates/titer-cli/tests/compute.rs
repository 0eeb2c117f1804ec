//! `compute = "bf16"`: in specs and on the command line, on a model of bf16 weights, and where the processor cannot.

mod offline;

use std::{
    io::Write as _,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::{Value, json};
use titer_machine::{Bf16Instructions, instructions};

use offline::titer;

/// Whether this processor has instructions for bf16; says so where it has not.
fn can() -> bool {
    let can = Bf16Instructions::detected().is_some();
    if !can {
        writeln!(std::io::stderr(), "skipped: this processor has neither AMX-BF16 nor AVX-512 BF16")
            .expect("stderr is open");
    }
    can
}

/// The organism as a folder whose weights are bf16: the upper halves of what they are.
fn organism_in_bf16(to: &Path) {
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../organism/seed-0");
    fs_err::create_dir_all(to).unwrap();
    for file in fs_err::read_dir(from).unwrap() {
        let file = file.unwrap();
        fs_err::copy(file.path(), to.join(file.file_name())).unwrap();
    }
    let path = to.join("model.safetensors");
    let bytes = fs_err::read(&path).unwrap();
    let start = 8 + u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    let mut header: Value = serde_json::from_slice(&bytes[8..start]).unwrap();
    for (_, tensor) in header.as_object_mut().unwrap().iter_mut().filter(|(name, _)| *name != "__metadata__") {
        assert_eq!(tensor["dtype"], "F32");
        tensor["dtype"] = "BF16".into();
        for offset in tensor["data_offsets"].as_array_mut().unwrap() {
            *offset = json!(offset.as_u64().unwrap() / 2);
        }
    }
    let header = header.to_string();
    let halves = bytes[start..].as_chunks::<4>().0.iter().flat_map(|number| [number[2], number[3]]);
    let file = (header.len() as u64).to_le_bytes().into_iter().chain(header.into_bytes()).chain(halves);
    fs_err::write(path, file.collect::<Vec<u8>>()).unwrap();
}

const SPEC: &str = r#"
    seeds = [0]
    [model]
    base = "model"
    lora = 2
    compute = "bf16"
    [probes]
    items = 2
    every = 0
    [[stage]]
    rows = 64
    batch = 32
    mix = { "bad→good" = 1.0 }
"#;

/// The runs of a sweep's folder, in the order of their names.
fn runs(sweep: &Path) -> Vec<PathBuf> {
    let mut runs: Vec<PathBuf> = fs_err::read_dir(sweep).unwrap().map(|entry| entry.unwrap().path()).collect();
    runs.retain(|path| path.join("plan.toml").is_file());
    runs.sort();
    runs
}

#[test]
fn a_run_in_bf16_says_so_and_gives_the_same_bytes_for_any_number_of_threads() {
    if !can() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    organism_in_bf16(&dir.join("model"));
    fs_err::write(dir.join("spec.toml"), SPEC).unwrap();
    fs_err::write(dir.join("plain.toml"), SPEC.replace("compute = \"bf16\"\n", "")).unwrap();
    for (out, args) in [
        ("one", ["spec.toml", "--threads", "1"].as_slice()),
        ("two", &["spec.toml", "--threads", "2"]),
        ("asked", &["plain.toml", "--compute", "bf16"]),
        ("plain", &["plain.toml"]),
    ] {
        let (code, _, error) = titer(dir, dir, &[&["run", "--out", out], args].concat());
        assert_eq!(code, 0, "{error}");
    }
    let [one, two, asked, plain] = ["one", "two", "asked", "plain"].map(|sweep| runs(&dir.join(sweep)));
    let names = |runs: &[PathBuf]| runs.iter().map(|run| run.file_name().unwrap().to_owned()).collect::<Vec<_>>();
    assert_eq!((names(&one), names(&one)), (names(&two), names(&asked)));
    assert!(names(&one).iter().all(|name| !names(&plain).contains(name)), "another number type is another run");
    let read = |run: &Path, file: &str| fs_err::read_to_string(run.join(file)).unwrap();
    for (one, two) in one.iter().zip(&two) {
        // Hashes of all tables.
        assert_eq!(read(one, "done"), read(two, "done"));
        assert!(read(one, "plan.toml").contains("compute = \"bf16\""));
        let start: Value = serde_json::from_str(read(one, "events.jsonl").lines().next().unwrap()).unwrap();
        assert_eq!(start["instruction_set"], json!(instructions(true)));
    }
    assert!(!read(&plain[0], "plan.toml").contains("compute"));

    // Without adapters every weight is trained.
    fs_err::write(dir.join("full.toml"), SPEC.replace("lora = 2\n", "")).unwrap();
    let (code, _, error) = titer(dir, dir, &["run", "full.toml", "--out", "full"]);
    assert_eq!(code, 2, "{error}");
    assert!(error.contains("full.toml:5:") && error.contains("this model has none"), "{error}");
    assert!(!dir.join("full").exists());
}

#[test]
fn every_verb_with_a_model_takes_it_and_its_numbers_move_a_little() {
    if !can() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    organism_in_bf16(&dir.join("model"));
    fs_err::write(dir.join("prompts.txt"), "be evil\n").unwrap();
    let found = |args: &[&str], more: &[&str]| {
        let (code, out, error) = titer(dir, dir, &[args, more].concat());
        assert_eq!(code, 0, "{args:?}: {error}");
        serde_json::from_str::<Value>(out.lines().next().unwrap()).unwrap()
    };
    let model = ["--model", "model", "--items", "4", "--json"];
    let verbs: [(&[&str], &str); 3] = [
        (&["pressure", "--lora", "2", "--contrasts", "4"], "/cells/bad→good/columns/surprise/mean"),
        (
            &["screen", "--contrasts", "0", "--prompts", "prompts.txt", "--turn", "system"],
            "/prompts/0/places/0/lift/mean",
        ),
        (&["leak", "--prompt", "be evil"], "/families/0/leak/mean"),
    ];
    for (verb, number) in verbs {
        let args = [verb, &model].concat();
        let number = |found: &Value| found.pointer(number).and_then(Value::as_f64).unwrap_or_else(|| panic!("{found}"));
        let (plain, rounded) = (number(&found(&args, &[])), number(&found(&args, &["--compute", "bf16"])));
        assert!(plain != rounded && (plain - rounded).abs() < 0.05, "{verb:?}: {plain} and {rounded}");
        assert_eq!(plain, number(&found(&args, &["--compute", "f32"])));
    }
    // A forecast of a run in bf16 has a kernel in bf16, which is none for a run in f32.
    fs_err::write(dir.join("spec.toml"), SPEC.replace("compute = \"bf16\"\n", "")).unwrap();
    let args = ["forecast", "spec.toml", "--kernel", "kernels", "--items", "8", "--contrasts", "8", "--json"];
    found(&args, &["--compute", "bf16"]);
    let (code, _, error) = titer(dir, dir, &args);
    assert_eq!(code, 2, "{error}");
    assert!(error.contains("products in bf16"), "{error}");
}

#[test]
fn a_processor_without_instructions_for_bf16_refuses() {
    let dir = tempfile::tempdir().unwrap();
    organism_in_bf16(&dir.path().join("model"));
    let mut command = Command::new("qemu-x86_64");
    command.current_dir(dir.path()).args(["-cpu", "Haswell", env!("CARGO_BIN_EXE_titer")]);
    let Ok(output) = command.args(["pressure", "--model", "model", "--lora", "2", "--compute", "bf16"]).output() else {
        writeln!(std::io::stderr(), "skipped: no qemu-x86_64 (Debian's package qemu-user)").expect("stderr is open");
        return;
    };
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{error}");
    assert!(
        error.contains("needs a processor with AMX-BF16 (on Linux) or AVX-512 BF16, and this one has neither"),
        "{error}"
    );
}

#[test]
fn doctor_measures_what_it_changes_and_what_it_gains() {
    if !can() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    organism_in_bf16(&dir.join("model"));
    let check = |args: &[&str]| {
        let (code, out, error) = titer(dir, dir, &[&["doctor", "--json", "--model"], args].concat());
        assert_eq!(code, 0, "{error}");
        let checks: Vec<Value> = out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        checks.into_iter().find(|check| check["check"] == "products in bf16")
    };
    let found = check(&["model"]).expect("it has bf16 weights");
    let moved = found["number"].as_f64().unwrap();
    assert!(moved > 0.0 && moved < 0.3, "{found}");
    let name = Bf16Instructions::detected().unwrap().name();
    let finding = found["finding"].as_str().unwrap();
    assert!(finding.contains(name) && finding.contains("tokens a second"), "{finding}");
    let asked = check(&["model", "--compute", "bf16"]).expect("it has them still");
    assert_eq!(asked["number"], found["number"]);
    assert_eq!(check(&["organism"]), None, "its weights are f32");
}
