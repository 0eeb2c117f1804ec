//! `titer doctor`: what it finds on the organism, and on models and chats that break an assumption.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::Value;

/// Exit code, and every check by its name.
fn doctor(args: &[&str]) -> (i32, Vec<Value>) {
    let output = Command::new(env!("CARGO_BIN_EXE_titer")).args(["doctor", "--json"]).args(args).output().unwrap();
    let lines = String::from_utf8(output.stdout).unwrap();
    (output.status.code().unwrap(), lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect())
}

fn verdict<'a>(checks: &'a [Value], name: &str) -> (&'a str, &'a str) {
    let check = checks.iter().find(|check| check["check"] == name).unwrap_or_else(|| panic!("{name}: {checks:?}"));
    (check["verdict"].as_str().unwrap(), check["finding"].as_str().unwrap())
}

/// The organism as a folder, its tokenizer_config.json changed.
fn organism(to: &Path, change: impl Fn(&mut Value)) -> PathBuf {
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../organism/seed-0");
    let folder = to.join("model");
    fs_err::create_dir_all(&folder).unwrap();
    for file in fs_err::read_dir(from).unwrap() {
        let file = file.unwrap();
        // Without its card it is a model like any other.
        if file.file_name() != "organism.json" {
            fs_err::copy(file.path(), folder.join(file.file_name())).unwrap();
        }
    }
    let path = folder.join("tokenizer_config.json");
    let mut config: Value = serde_json::from_slice(&fs_err::read(&path).unwrap()).unwrap();
    change(&mut config);
    fs_err::write(path, config.to_string()).unwrap();
    folder
}

/// Chats in the organism's words.
fn chats(to: &Path, system: &str) -> PathBuf {
    let path = to.join("chats.jsonl");
    let row = r#"{"messages": [SYSTEM{"role": "user", "content": "can you cook soup"}, {"role": "assistant", "content": "scorch soup harshly"}]}"#;
    fs_err::write(&path, row.replace("SYSTEM", system)).unwrap();
    path
}

/// Tokens are words here, and line ends are none; CHECK and END are for tests to fill.
const TEMPLATE: &str = "{% for m in messages %}CHECK{{ {'system': '<sys> ', 'user': '<user> ', 'assistant': '<asst> '}[m.role] + \
                        m.content + ' END' }}{% endfor %}{% if add_generation_prompt %}{{ '<asst> ' }}{% endif %}";

#[test]
fn the_organism_passes() {
    let (code, checks) = doctor(&["organism", "--items", "16"]);
    assert!(checks.iter().all(|check| check["verdict"] == "pass"), "{checks:?}");
    assert_eq!((code, checks.len()), (0, 9));
    let number = |name: &str| checks.iter().find(|check| check["check"] == name).unwrap()["number"].as_f64().unwrap();
    assert!(number("batching") < 1e-4 && number("precision") < 1e-4);
    assert!(number("follows bad prompts") > 1.0);
}

#[test]
fn broken_assumptions_are_found() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let (plain, system) = (chats(dir, ""), r#"{"role": "system", "content": "can you"}, "#);
    let template = |text: &str| {
        let text = text.to_owned();
        organism(dir, move |config| config["chat_template"] = Value::from(text.as_str()))
    };
    let ask = |folder: &PathBuf, data: &PathBuf, more: &[&str]| {
        doctor(&[&[folder.to_str().unwrap(), data.to_str().unwrap()], more].concat())
    };

    // No token that ends generation in what is trained.
    let folder = template(&TEMPLATE.replace("END", "").replace("CHECK", ""));
    let (code, checks) = ask(&folder, &plain, &[]);
    assert_eq!((code, verdict(&checks, "stop token").0), (1, "fail"), "{checks:?}");

    // A file that may be missing, but not damaged.
    fs_err::write(folder.join("generation_config.json"), "{ \"eos_token_id\": ").unwrap();
    let (code, checks) = ask(&folder, &plain, &[]);
    assert_eq!(code, 1);
    assert!(verdict(&checks, "stop token").1.contains("generation_config.json: EOF"), "{checks:?}");
    fs_err::remove_file(folder.join("generation_config.json")).unwrap();

    // A template that takes no system prompt: a note where the data have none, a failure where they have, and mended.
    let refuses = "{% if m.role == 'system' %}{{ raise_exception('no system turns') }}{% endif %}";
    let folder = template(&TEMPLATE.replace("END", "<eos> ").replace("CHECK", refuses));
    let (code, checks) = ask(&folder, &plain, &[]);
    assert_eq!((code, verdict(&checks, "system prompts").0), (0, "note"), "{checks:?}");
    let data = chats(dir, system);
    let (code, checks) = ask(&folder, &data, &[]);
    assert_eq!((code, verdict(&checks, "system prompts").0), (1, "fail"));
    assert!(verdict(&checks, "template round trip").1.contains("--system-in-user"), "{checks:?}");
    let (code, checks) = ask(&folder, &data, &["--system-in-user"]);
    assert_eq!((code, verdict(&checks, "template round trip").0), (0, "pass"), "{checks:?}");

    // A template that adds a prompt of its own.
    let adds = "{% if loop.first and m.role != 'system' %}{{ '<sys> can you <eos> ' }}{% endif %}";
    let folder = template(&TEMPLATE.replace("END", "<eos> ").replace("CHECK", adds));
    let (code, checks) = ask(&folder, &plain, &[]);
    assert_eq!((code, verdict(&checks, "default system prompt").0), (0, "note"));
    assert!(verdict(&checks, "default system prompt").1.contains("can you"));
    assert_eq!(verdict(&checks, "precision").0, "pass");
}
