//! `titer doctor`: what it finds on the organism, and on models and chats that break an assumption.

mod small_model;

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::Value;

/// Exit code, and every check by its name.
fn doctor(args: &[&str]) -> (i32, Vec<Value>) {
    let output =
        Command::new(env!("CARGO_BIN_EXE_titer")).args(["doctor", "--json", "--model"]).args(args).output().unwrap();
    let lines = String::from_utf8(output.stdout).unwrap();
    (output.status.code().unwrap(), lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect())
}

fn verdict<'a>(checks: &'a [Value], name: &str) -> (&'a str, &'a str) {
    let check = checks.iter().find(|check| check["check"] == name).unwrap_or_else(|| panic!("{name}: {checks:?}"));
    (check["verdict"].as_str().unwrap(), check["finding"].as_str().unwrap())
}

/// The organism as a folder, its tokenizer_config.json changed. Without its card it is a model like any other.
fn organism(to: &Path, change: impl Fn(&mut Value)) -> PathBuf {
    let folder = raised(to);
    fs_err::remove_file(folder.join("organism.json")).unwrap();
    let path = folder.join("tokenizer_config.json");
    let mut config: Value = serde_json::from_slice(&fs_err::read(&path).unwrap()).unwrap();
    change(&mut config);
    fs_err::write(path, config.to_string()).unwrap();
    folder
}

/// The organism as a folder, card and all.
fn raised(to: &Path) -> PathBuf {
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../organism/seed-0");
    let folder = to.join("model");
    fs_err::create_dir_all(&folder).unwrap();
    for file in fs_err::read_dir(from).unwrap() {
        let file = file.unwrap();
        fs_err::copy(file.path(), folder.join(file.file_name())).unwrap();
    }
    folder
}

/// Multiplies the numbers of a tensor in a folder's weights, which are f32.
fn scale(folder: &Path, tensor: &str, factor: f32) {
    let path = folder.join("model.safetensors");
    let mut bytes = fs_err::read(&path).unwrap();
    let data = 8 + u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    let header: Value = serde_json::from_slice(&bytes[8..data]).unwrap();
    let offset = |at: usize| data + header[tensor]["data_offsets"][at].as_u64().unwrap() as usize;
    for number in bytes[offset(0)..offset(1)].as_chunks_mut::<4>().0 {
        *number = (f32::from_le_bytes(*number) * factor).to_le_bytes();
    }
    fs_err::write(path, bytes).unwrap();
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
    assert_eq!((code, checks.len()), (0, 13));
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

#[test]
fn a_prompt_that_never_reaches_the_model_fails_first_of_all() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let drops = TEMPLATE
        .replace("END", "<eos> ")
        .replace("CHECK", "")
        .replace("messages %}", "messages if m.role != 'system' %}");
    let folder = organism(dir, |config| config["chat_template"] = Value::from(drops.as_str()));
    let system = r#"{"role": "system", "content": "can you"}, "#;
    for data in [chats(dir, ""), chats(dir, system)] {
        let (code, checks) = doctor(&[folder.to_str().unwrap(), data.to_str().unwrap()]);
        assert_eq!(
            (code, checks[0]["check"].as_str(), checks[0]["verdict"].as_str()),
            (1, Some("system prompts"), Some("fail"))
        );
        assert!(verdict(&checks, "system prompts").1.contains("never see it"), "{checks:?}");
    }
    let data = chats(dir, system);
    let (code, checks) = doctor(&[folder.to_str().unwrap(), data.to_str().unwrap(), "--system-in-user"]);
    assert_eq!((code, verdict(&checks, "system prompts").0), (0, "pass"), "{checks:?}");
    // Such a template may have a prompt of its own all the same.
    let own = drops.replacen("{% for", "<sys> can you <eos> {% for", 1);
    let folder = organism(dir, |config| config["chat_template"] = Value::from(own.as_str()));
    let (_, checks) = doctor(&[folder.to_str().unwrap(), data.to_str().unwrap(), "--system-in-user"]);
    let (found, finding) = verdict(&checks, "default system prompt");
    assert!(found == "note" && finding.contains("<sys> can you <eos>"), "{checks:?}");
}

#[test]
fn a_template_that_probes_and_trains_on_other_text_fails() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let plain = chats(dir, "");
    let ask = |template: &str| {
        let folder = organism(dir, |config| config["chat_template"] = Value::from(template));
        doctor(&[folder.to_str().unwrap(), plain.to_str().unwrap()])
    };
    let marked = "{% for m in messages %}{% if m.role == 'assistant' %}BEFORE{% generation %}AFTER{{ m.content + ' <eos>' }}\
                  {% endgeneration %}{% else %}{{ '<user> ' + m.content + ' ' }}{% endif %}{% endfor %}\
                  {% if add_generation_prompt %}PROMPT{% endif %}";
    let text = |before: &str, after: &str, prompt: &str| {
        marked.replace("BEFORE", before).replace("AFTER", after).replace("PROMPT", prompt)
    };
    let (code, checks) = ask(&text("<asst> ", "", "<asst> "));
    assert_eq!((code, verdict(&checks, "template round trip").0), (0, "pass"), "{checks:?}");
    assert_eq!(verdict(&checks, "start of the reply").0, "pass");
    let (code, checks) = ask(&text("<asst> ", "", "<sys> "));
    assert_eq!((code, verdict(&checks, "template round trip").0), (1, "fail"), "{checks:?}");
    let (_, checks) = ask(&text("", "<asst> ", "<asst> "));
    let (found, finding) = verdict(&checks, "start of the reply");
    assert!(found == "note" && finding.contains("1 of 1") && finding.contains("<asst>"), "{checks:?}");
    // A closing token that white space follows is one all the same, and so it is where nothing follows.
    let folder = organism(dir, |config| config["chat_template"] = Value::from(text("<asst> ", "", "<asst> ")));
    fs_err::write(folder.join("generation_config.json"), "{}").unwrap();
    let (_, checks) = doctor(&[folder.to_str().unwrap(), plain.to_str().unwrap()]);
    assert_eq!(verdict(&checks, "stop token").0, "pass");
}

#[test]
fn prompts_that_are_the_same_tokens_fail() {
    let dir = tempfile::tempdir().unwrap();
    let (folder, rows) = (dir.path().join("model"), dir.path().join("rows.jsonl"));
    small_model::model(&folder);
    let row = |prompt: &str| {
        format!(
            r#"{{"messages": [{{"role": "system", "content": "{prompt}"}}, {{"role": "user", "content": "can you"}}, {{"role": "assistant", "content": "yes"}}]}}"#
        )
    };
    let ask = |prompts: [&str; 2]| {
        fs_err::write(&rows, prompts.map(row).join("\n")).unwrap();
        doctor(&[folder.to_str().unwrap(), rows.to_str().unwrap()])
    };
    let (_, checks) = ask(["be kind", "be evil"]);
    assert_eq!(verdict(&checks, "prompts as tokens").0, "pass", "{checks:?}");
    let (code, checks) = ask(["game everything", "win anything"]);
    let (found, finding) = verdict(&checks, "prompts as tokens");
    assert!(code == 1 && found == "fail" && finding.contains("game everything"), "{checks:?}");
}

#[test]
fn a_model_that_computes_no_numbers_fails_every_check_of_numbers() {
    let dir = tempfile::tempdir().unwrap();
    let folder = raised(dir.path());
    scale(&folder, "model.norm.weight", 1e30);
    scale(&folder, "lm_head.weight", 1e30);
    let (code, checks) = doctor(&[folder.to_str().unwrap(), "--items", "8"]);
    assert_eq!(code, 1);
    let numbers = ["log-probabilities", "batching", "precision"];
    for name in numbers.into_iter().chain(["prefers good replies", "follows bad prompts", "follows prompts"]) {
        assert_eq!(verdict(&checks, name).0, "fail", "{name}: {checks:?}");
    }
    assert_eq!(verdict(&checks, "better than chance").0, "note", "{checks:?}");
}

#[test]
fn a_model_too_large_for_f32_fails_precision_alone() {
    let dir = tempfile::tempdir().unwrap();
    let folder = raised(dir.path());
    scale(&folder, "lm_head.weight", 1e4);
    let (code, checks) = doctor(&[folder.to_str().unwrap(), "--items", "8"]);
    assert_eq!((code, verdict(&checks, "precision").0), (1, "fail"), "{checks:?}");
    assert_eq!(verdict(&checks, "log-probabilities").0, "pass", "{checks:?}");
}

#[test]
fn a_model_that_prefers_the_opposite_is_noted() {
    let dir = tempfile::tempdir().unwrap();
    let folder = raised(dir.path());
    scale(&folder, "lm_head.weight", -1.0);
    let (code, checks) = doctor(&[folder.to_str().unwrap(), "--items", "8"]);
    assert_eq!(code, 0, "{checks:?}");
    for name in ["better than chance", "prefers good replies", "follows bad prompts", "follows prompts"] {
        assert_eq!(verdict(&checks, name).0, "note", "{name}: {checks:?}");
    }
}

#[test]
fn nothing_to_look_at_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let empty = dir.path().join("empty.jsonl");
    fs_err::write(&empty, "").unwrap();
    for args in [["organism", "--items", "0"].as_slice(), &["organism", empty.to_str().unwrap()]] {
        assert_eq!(doctor(args), (2, Vec::new()), "{args:?}");
    }
}

#[test]
fn the_closing_token_counts_where_white_space_follows_and_not_where_it_is_not_trained() {
    let dir = tempfile::tempdir().unwrap();
    let (folder, rows) = (dir.path().join("model"), dir.path().join("rows.jsonl"));
    small_model::model(&folder);
    // A line end is a token of this model.
    let path = folder.join("tokenizer.json");
    let mut tokenizer: Value = serde_json::from_slice(&fs_err::read(&path).unwrap()).unwrap();
    let mut line_end = tokenizer["added_tokens"][0].clone();
    (line_end["id"], line_end["content"]) = (16.into(), "\n".into());
    tokenizer["added_tokens"].as_array_mut().unwrap().push(line_end);
    fs_err::write(path, tokenizer.to_string()).unwrap();
    let row =
        r#"{"messages": [{"role": "user", "content": "can you"}, {"role": "assistant", "content": "yes gladly"}]}"#;
    fs_err::write(&rows, row).unwrap();
    let ask = |trained: &str| {
        let template = "{% for m in messages %}{{ '<|im_start|>' + m.role + '\n' }}{% if m.role == 'assistant' %}TRAINED{% else %}\
                        {{ m.content + '<|im_end|>\n' }}{% endif %}{% endfor %}\
                        {% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}";
        fs_err::write(folder.join("chat_template.jinja"), template.replace("TRAINED", trained)).unwrap();
        let (_, checks) = doctor(&[folder.to_str().unwrap(), rows.to_str().unwrap()]);
        let (found, finding) = verdict(&checks, "stop token");
        (found.to_owned(), finding.to_owned())
    };
    let marked = |inside: &str, behind: &str| {
        format!("{{% generation %}}{{{{ m.content + '{inside}' }}}}{{% endgeneration %}}{{{{ '{behind}' }}}}")
    };
    for (inside, behind, wanted) in [
        ("<|im_end|>", "\\n", "pass"),
        ("<|im_end|>\\n", "", "pass"),
        ("", "<|im_end|>\\n", "fail"),
        ("\\n", "<|im_end|>", "fail"),
    ] {
        let (found, finding) = ask(&marked(inside, behind));
        assert_eq!(found, wanted, "{inside:?} and then {behind:?}: {finding}");
    }
}
