//! Model folders that must not be computed with, or not so: each ends in one error that names the file, and at once.

mod offline;
mod small_chats;
mod small_model;

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use offline::titer;
use serde_json::{Value, json};
use small_chats::chats;
use small_model::model;
use tempfile::TempDir;

/// A model in `model`, and chats beside it.
fn folder() -> (TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let at = dir.path().join("model");
    model(&at);
    chats(dir.path());
    (dir, at)
}

/// What one command says of the model; it must refuse it with one error and exit code 2.
fn refusal(dir: &Path, args: &[&str]) -> String {
    let (code, out, error) = titer(dir, dir, args);
    assert_eq!((code, out.as_str()), (2, ""), "{args:?}: {error}");
    assert!(error.starts_with("error: ") && error.matches("error: ").count() == 1, "{error}");
    error
}

fn press(dir: &Path) -> String {
    refusal(dir, &["pressure", "--model", "model", "--rows", "rows.jsonl", "--probes", "probes.jsonl"])
}

/// Gives every component the two contrasts that runs need.
fn probe_twice(dir: &Path) {
    let probes = fs_err::read_to_string(dir.join("probes.jsonl")).unwrap();
    let twice = probes.lines().flat_map(|line| [line.to_owned(), line.replace("you can", "can can")]);
    fs_err::write(dir.join("probes.jsonl"), twice.collect::<Vec<_>>().join("\n")).unwrap();
}

fn change(path: &Path, with: impl Fn(&mut Value)) {
    let mut value: Value = serde_json::from_slice(&fs_err::read(path).unwrap()).unwrap();
    with(&mut value);
    fs_err::write(path, value.to_string()).unwrap();
}

fn special(id: usize, content: &str) -> Value {
    json!({ "id": id, "content": content, "special": true, "single_word": false, "lstrip": false, "rstrip": false, "normalized": false })
}

#[test]
fn a_tokenizer_with_a_token_beyond_the_embedding_table_is_refused() {
    let (dir, model) = folder();
    let add = |id: usize, token: &str| {
        change(&model.join("tokenizer.json"), |tokenizer| {
            tokenizer["added_tokens"].as_array_mut().unwrap().push(special(id, token));
        });
    };
    // The table has 64 rows: one more token fits, padded or not.
    add(16, "<|fits|>");
    let (code, _, error) = titer(dir.path(), dir.path(), &["doctor", "--model", "model", "rows.jsonl"]);
    assert!(code != 2, "{error}");
    let (id, token) = (64, "<|new|>");
    change(&model.join("tokenizer.json"), |tokenizer| {
        tokenizer["model"]["vocab"][token] = id.into();
    });
    for error in [press(dir.path()), refusal(dir.path(), &["doctor", "--model", "model"])] {
        assert!(error.contains("no row for the token `<|new|>` (64)"), "{error}");
        assert!(error.contains("model/tokenizer.json") && error.contains("model/config.json"), "{error}");
    }
}

#[test]
fn a_model_with_an_adapter_in_its_folder_is_refused() {
    let (dir, model) = folder();
    fs_err::write(model.join("adapter_config.json"), r#"{"base_model_name_or_path": "lab/base"}"#).unwrap();
    fs_err::write(model.join("adapter_model.safetensors"), "").unwrap();
    fs_err::write(dir.path().join("spec.toml"), "[model]\nbase = \"model\"\n").unwrap();
    let commands: [&[&str]; 4] = [
        &["doctor", "--model", "model"],
        &["check", "spec.toml"],
        &["leak", "--model", "model", "--prompt", "be evil", "--rows", "rows.jsonl"],
        &["pressure", "--model", "model", "--rows", "rows.jsonl", "--probes", "probes.jsonl"],
    ];
    for command in commands {
        let error = refusal(dir.path(), command);
        assert!(error.contains("model holds a model and an adapter (adapter_config.json)"), "{error}");
    }
    for file in ["config.json", "model.safetensors.index.json"] {
        fs_err::remove_file(model.join(file)).unwrap();
    }
    let error = press(dir.path());
    assert!(error.contains("model holds an adapter and no model: name its base model (lab/base)"), "{error}");
}

#[test]
fn files_that_are_no_files_are_refused_at_once() {
    for name in ["config.json", "tokenizer.json", "model.safetensors", "model-00001-of-00002.safetensors"] {
        let (dir, model) = folder();
        let file = model.join(name);
        let _ = fs_err::remove_file(&file);
        let made = Command::new("mkfifo").arg(&file).status();
        if made.is_ok_and(|made| made.success()) {
            let error = press(dir.path());
            assert!(error.contains(name) && error.contains("a pipe or a device"), "{error}");
            fs_err::remove_file(&file).unwrap();
        }
        fs_err::os::unix::fs::symlink("/dev/zero", &file).unwrap();
        let error = press(dir.path());
        assert!(error.contains(name) && error.contains("a pipe or a device"), "{error}");
    }
}

#[test]
fn rows_and_contrasts_in_a_pipe_with_a_name_are_refused_at_once() {
    let (dir, _) = folder();
    fs_err::write(dir.path().join("spec.toml"), "[data]\nrows = \"rows.jsonl\"\n").unwrap();
    for name in ["probes.jsonl", "rows.jsonl"] {
        let file = dir.path().join(name);
        fs_err::remove_file(&file).unwrap();
        if !Command::new("mkfifo").arg(&file).status().is_ok_and(|made| made.success()) {
            return;
        }
        let error = press(dir.path());
        assert!(error.contains(name) && error.contains("a pipe or a device"), "{error}");
    }
    for command in [["check", "rows.jsonl"], ["check", "spec.toml"], ["audit", "rows.jsonl"], ["run", "spec.toml"]] {
        let error = refusal(dir.path(), &command);
        assert!(error.contains("rows.jsonl is no file, but a folder, a pipe or a device"), "{error}");
    }
}

#[test]
fn special_tokens_that_the_tokenizer_does_not_have_are_refused() {
    let map = "special_tokens_map.json";
    let decoder = |token: &Value, id: &str| json!({ "added_tokens_decoder": { id: token } });
    let end = special(1, "<|im_end|>");
    let mut stripped = end.clone();
    stripped["lstrip"] = true.into();
    let lacks = "it names the special token `kind`, which tokenizer.json does not have";
    for (file, said, problem) in [
        ("tokenizer_config.json", json!({ "eos_token": "kind" }), Some(lacks)),
        ("tokenizer_config.json", json!({ "additional_special_tokens": ["kind"] }), Some(lacks)),
        ("tokenizer_config.json", json!({ "extra_special_tokens": { "seen": "kind" } }), Some(lacks)),
        ("tokenizer_config.json", decoder(&special(70, "kind"), "70"), Some(lacks)),
        ("tokenizer_config.json", decoder(&end, "2"), Some("the special token `<|im_end|>` as 2, which is 1")),
        ("tokenizer_config.json", decoder(&stripped, "1"), Some("`lstrip` of `<|im_end|>` is true, and false")),
        ("tokenizer_config.json", json!({ "split_special_tokens": true }), Some("`split_special_tokens` cuts")),
        ("tokenizer_config.json", decoder(&end, "1"), None),
        ("tokenizer_config.json", json!({ "additional_special_tokens": [end], "bos_token": null }), None),
        (map, json!({ "eos_token": { "content": "<|im_start|>" } }), Some("`eos_token` is `<|im_start|>` and in")),
        (
            map,
            json!({ "bos_token": "<|im_start|>" }),
            Some("`bos_token` is `<|im_start|>` and in tokenizer_config.json none"),
        ),
        (map, json!({ "additional_special_tokens": ["kind"] }), Some(lacks)),
        (map, json!({ "eos_token": "<|im_end|>", "additional_special_tokens": ["<|im_end|>"] }), None),
        ("added_tokens.json", json!({ "kind": 70 }), Some(lacks)),
        ("added_tokens.json", json!({ "<|im_end|>": 1 }), None),
    ] {
        let (dir, model) = folder();
        let path = model.join(file);
        if !path.exists() {
            fs_err::write(&path, "{}").unwrap();
        }
        change(&path, |settings| settings.as_object_mut().unwrap().extend(said.as_object().unwrap().clone()));
        let (code, _, error) = titer(dir.path(), dir.path(), &["doctor", "--model", "model", "rows.jsonl"]);
        match problem {
            Some(problem) => assert!(code == 2 && error.contains(file) && error.contains(problem), "{said}: {error}"),
            None => assert!(code != 2, "{said}: {error}"),
        }
    }
}

#[test]
fn text_of_a_model_that_is_not_utf8_is_named_by_file_and_byte() {
    for (file, text) in
        [("chat_template.jinja", &b"{{ 'caf\xe9' }}"[..]), ("tokenizer_config.json", b"{\"a\": \"\xe9\"}")]
    {
        let (dir, model) = folder();
        fs_err::write(model.join(file), text).unwrap();
        let byte = text.iter().position(|byte| *byte == 0xe9).unwrap() + 1;
        let error = press(dir.path());
        assert!(error.contains(&format!("model/{file}: not UTF-8 from byte {byte} on")), "{error}");
    }
}

#[test]
fn an_index_that_leads_out_of_its_folder_is_refused() {
    let (dir, model) = folder();
    let path = model.join("model.safetensors.index.json");
    let shard = "model-00001-of-00002.safetensors";
    fs_err::copy(model.join(shard), dir.path().join(shard)).unwrap();
    for place in
        [format!("../{shard}"), "/dev/zero".to_owned(), "..".to_owned(), String::new(), format!("./../{shard}")]
    {
        change(&path, |index| index["weight_map"]["model.norm.weight"] = place.as_str().into());
        let error = press(dir.path());
        assert!(error.contains("index.json: tensor `model.norm.weight` is said to be in"), "{place}: {error}");
    }
}

#[test]
fn a_tokenizer_file_that_the_library_panics_on_is_one_error() {
    let (dir, model) = folder();
    let path = model.join("tokenizer.json");
    let sound = fs_err::read(&path).unwrap();
    let decoders = [
        "ByteLevel",
        "WordPiece",
        "Metaspace",
        "ByteFallback",
        "Fuse",
        "Strip",
        "BPEDecoder",
        "CTC",
        "Sequence",
        "Replace",
    ];
    let mut refused = 0;
    for part in ["decoder", "pre_tokenizer", "normalizer", "post_processor", "model"] {
        for name in decoders.into_iter().chain(["Precompiled", "Split", "TemplateProcessing", "BPE", "Unigram", ""]) {
            fs_err::write(&path, &sound).unwrap();
            change(&path, |tokenizer| tokenizer[part] = json!({ "type": name }));
            let (code, _, error) = titer(dir.path(), dir.path(), &["doctor", "--model", "model"]);
            assert!(!error.contains("panicked") && code != 101, "{part} {name}: {error}");
            if code == 2 {
                refused += 1;
                assert!(error.contains("model/tokenizer.json"), "{part} {name}: {error}");
                assert_eq!(error.lines().count(), 1, "{error}");
            }
        }
    }
    assert!(refused > 20, "{refused}");
    // Cut short anywhere.
    for at in (0..sound.len()).step_by(sound.len() / 16) {
        fs_err::write(&path, &sound[..at]).unwrap();
        let error = press(dir.path());
        assert!(error.contains("model/tokenizer.json: not a tokenizer.json"), "{error}");
    }
}

#[test]
fn sizes_that_no_machine_has_are_refused() {
    let (dir, model) = folder();
    let path = model.join("config.json");
    for (key, size) in
        [("hidden_size", 1_u64 << 40), ("num_hidden_layers", 1 << 50), ("max_position_embeddings", u64::MAX)]
    {
        let sound = fs_err::read(&path).unwrap();
        change(&path, |config| config[key] = size.into());
        let error = press(dir.path());
        assert!(error.contains("model/config.json") && error.contains(&format!("`{key}` is {size}")), "{error}");
        fs_err::write(&path, sound).unwrap();
    }
    for args in [["doctor", "--items", "18446744073709551615"], ["doctor", "--items", "99999999999"]] {
        let (code, out, error) = titer(dir.path(), dir.path(), &args);
        assert!(code == 2 && out.is_empty() && error.contains("--items"), "{error}");
    }
    fs_err::write(dir.path().join("spec.toml"), "[model]\nlora = 1000000\n").unwrap();
    let error = refusal(dir.path(), &["check", "spec.toml"]);
    assert!(error.contains("spec.toml:2") && error.contains("the rank 1000000 is larger than the width 64"), "{error}");
    let (code, _, error) = titer(dir.path(), dir.path(), &["run", "--threads", "100000", "--out", "never"]);
    assert!(code == 2 && error.contains("use at most 1024") && !dir.path().join("never").exists(), "{error}");
}

/// A template that drops system prompts.
const DROPS: &str = "{% for m in messages if m.role != 'system' %}{{ '<|im_start|>' + m.role + '\\n' + m.content + '<|im_end|>\\n' }}\
                     {% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}";

#[test]
fn prompts_that_never_reach_the_model_are_neither_ranked_nor_trained() {
    let (dir, model) = folder();
    let dir = dir.path();
    fs_err::write(dir.join("prompts.txt"), "be evil\nbe kind\n").unwrap();
    let rows = [("b", "none→bad", "never"), ("g", "none→good", "gladly")].map(|(id, cell, reply)| {
        json!({ "id": id, "cell": cell, "messages": [{ "role": "user", "content": "can you help" }, { "role": "assistant", "content": reply }] })
    });
    fs_err::write(dir.join("plain.jsonl"), rows.map(|row| row.to_string()).join("\n")).unwrap();
    let many = ["can you help", "you can help", "help you", "can you", "you help", "help can you"];
    let trained = many.map(|request| json!({ "id": request, "messages": [{ "role": "user", "content": request }, { "role": "assistant", "content": "yes" }] }));
    fs_err::write(dir.join("train.jsonl"), trained.map(|row| row.to_string()).join("\n")).unwrap();
    let spec = r#"
        seeds = [0]
        [model]
        base = "model"
        [data]
        rows = "train.jsonl"
        probes = "probes.jsonl"
        [[data.cells]]
        cell = "bad→good"
        prompt = "evil be"
        [[data.cells]]
        cell = "neutral→good"
        prompt = "be kind"
        [[stage]]
        rows = 4
        batch = 4
        mix = { "bad→good" = 1.0 }
    "#;
    let of_stage = spec.replace("evil be", "be evil") + "[stage.prompts]\n\"bad→good\" = [\"evil be\"]\n";
    fs_err::write(dir.join("spec.toml"), spec).unwrap();
    fs_err::write(dir.join("of_stage.toml"), of_stage).unwrap();
    probe_twice(dir);
    for spec in ["spec.toml", "of_stage.toml"] {
        let (code, _, error) = titer(dir, dir, &["check", spec]);
        assert_eq!(code, 0, "{error}");
    }
    let screen =
        ["screen", "--model", "model", "--rows", "plain.jsonl", "--prompts", "prompts.txt", "--turn", "system"];
    let leak = ["leak", "--model", "model", "--rows", "plain.jsonl", "--prompt", "be evil"];
    for command in [&screen[..], &leak] {
        let (code, _, error) = titer(dir, dir, command);
        assert_eq!(code, 0, "{error}");
    }
    fs_err::write(model.join("chat_template.jinja"), DROPS).unwrap();
    for command in [&screen[..], &leak] {
        let error = refusal(dir, command);
        assert!(error.contains("the model would never see it") && error.contains("--system-in-user"), "{error}");
        let (code, _, error) = titer(dir, dir, &[command, &["--system-in-user"]].concat());
        assert_eq!(code, 0, "{error}");
    }
    let error = press(dir);
    assert!(error.contains("the model would never see it"), "{error}");
    // A prompt from a rule, and one from a stage, which no contrast has.
    let drops = DROPS.replace("m.role != 'system'", "m.content != 'evil be'");
    fs_err::write(model.join("chat_template.jinja"), drops).unwrap();
    for spec in ["spec.toml", "of_stage.toml"] {
        for command in [&["check", spec][..], &["run", spec, "--out", "never"]] {
            let error = refusal(dir, command);
            assert!(error.contains("the model would never see it"), "{error}");
        }
        assert!(!dir.join("never").exists(), "nothing half-written");
    }
}

#[test]
fn layers_that_stand_in_one_tensor_take_no_fresh_adapter() {
    let (dir, model) = folder();
    let dir = dir.path();
    fs_err::remove_dir_all(&model).unwrap();
    small_model::of_family("phi3", &model);
    probe_twice(dir);
    let spec = |targets: &str| {
        format!(
            "seeds = [0]\n[model]\nbase = \"model\"\n[model.lora]\nr = 2\nalpha = 4\n{targets}[data]\nrows = \"rows.jsonl\"\n\
             probes = \"probes.jsonl\"\n[[stage]]\nrows = 2\nbatch = 2\nmix = {{ \"bad→good\" = 1.0 }}\n"
        )
    };
    let check = |targets: &str| {
        fs_err::write(dir.join("spec.toml"), spec(targets)).unwrap();
        refusal(dir, &["check", "spec.toml"])
    };
    for targets in ["", "targets = [\"q_proj\"]\n", "targets = [\"down_proj\", \"up_proj\"]\n"] {
        let error = check(targets);
        assert!(error.contains("together with other layers") && error.contains("o_proj, down_proj"), "{error}");
    }
}
