//! What a chat template is given besides the turns, from the command line and from rows: it reaches the text that the model sees,
//! or is refused.

mod offline;
mod small_model;

use std::path::Path;

use serde_json::{Value, json};

use offline::titer;
use small_model::model;

/// A model in `dir/small` whose template begins with what `first` prints.
fn small(dir: &Path, first: &str) {
    model(&dir.join("small"));
    let path = dir.join("small/chat_template.jinja");
    let template = fs_err::read_to_string(&path).unwrap();
    fs_err::write(path, first.to_owned() + &template).unwrap();
}

fn write_rows(dir: &Path, rows: &[Value]) {
    let lines: Vec<String> = rows.iter().map(Value::to_string).collect();
    fs_err::write(dir.join("rows.jsonl"), lines.join("\n")).unwrap();
}

fn row(cell: &str, turns: Value, reply: &str) -> Value {
    let mut messages = turns;
    messages.as_array_mut().unwrap().push(json!({ "role": "assistant", "content": reply }));
    json!({ "id": cell, "cell": cell, "messages": messages })
}

/// A row for each action.
fn pair(turns: &Value) -> [Value; 2] {
    [row("none→bad", turns.clone(), "no never"), row("none→good", turns.clone(), "yes gladly")]
}

fn asks() -> Value {
    json!([{ "role": "user", "content": "can you help" }])
}

/// Exit code, stdout and stderr.
fn screen(dir: &Path, more: &str) -> (i32, String, String) {
    fs_err::write(dir.join("prompts.txt"), "be evil\n").unwrap();
    let args = format!("screen --model small --rows rows.jsonl --prompts prompts.txt --turn system --json {more}");
    titer(dir, dir, &args.split_whitespace().collect::<Vec<_>>())
}

/// The lift of the bad reply under the first prompt.
fn lift(found: &(i32, String, String)) -> f64 {
    assert_eq!(found.0, 0, "{}", found.2);
    let found: Value = serde_json::from_str(&found.1).unwrap();
    found["prompts"][0]["places"][0]["lift"]["mean"].as_f64().unwrap_or_else(|| panic!("{found}"))
}

#[test]
fn variables_reach_the_template_and_what_it_does_not_read_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    small(dir, "{% if mood %}{{ mood + ' ' }}{% endif %}");
    write_rows(dir, &pair(&asks()));
    let plain = lift(&screen(dir, ""));
    let set = lift(&screen(dir, "--template-variable mood=kind"));
    assert!((plain - set).abs() > 1e-9);
    // The same said by the rows, which go before.
    let with_mood = |mood: &str| {
        pair(&asks()).map(|mut row| {
            row["chat_template_kwargs"] = json!({ "mood": mood });
            row
        })
    };
    write_rows(dir, &with_mood("kind"));
    for more in ["", "--template-variable mood=evil"] {
        assert_eq!(lift(&screen(dir, more)), set);
    }
    let leak = ["leak", "--model", "small", "--rows", "rows.jsonl", "--prompt", "be evil"];
    let (code, kind, error) = titer(dir, dir, &leak);
    assert_eq!(code, 0, "{error}");
    write_rows(dir, &with_mood("evil"));
    assert_ne!(titer(dir, dir, &leak).1, kind);
    // Rewritten rows and drawn replies keep it.
    let (code, _, error) = screen(dir, "--rewrite new.jsonl --anyway --sample 1 --replies drawn.jsonl");
    assert_eq!(code, 0, "{error}");
    for file in ["new.jsonl", "drawn.jsonl"] {
        let text = fs_err::read_to_string(dir.join(file)).unwrap();
        let line: Value = serde_json::from_str(text.lines().next().unwrap()).unwrap();
        assert_eq!(line["chat_template_kwargs"], json!({ "mood": "evil" }), "{file}");
    }
    let (code, _, error) = screen(dir, "--template-variable modo=kind");
    assert_eq!(code, 2);
    assert!(error.contains("`modo`"), "{error}");
    let (code, _, error) = screen(dir, "--template-variable mood");
    assert_eq!(code, 2);
    assert!(error.contains("NAME=VALUE"), "{error}");
}

#[test]
fn the_day_is_set_where_the_template_prints_it() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    small(dir, "{{ 'be ' if strftime_now('%Y') == '2030' else '' }}");
    write_rows(dir, &pair(&asks()));
    assert_ne!(lift(&screen(dir, "")), lift(&screen(dir, "--template-date 2030-01-01")));
    let (code, _, error) = screen(dir, "--template-date 2030-13-01");
    assert_eq!(code, 2);
    assert!(error.contains("--template-date"), "{error}");
    small(dir, "");
    let (code, _, error) = screen(dir, "--template-date 2030-01-01");
    assert_eq!(code, 2);
    assert!(error.contains("prints no date"), "{error}");
}

#[test]
fn rows_with_tools_and_all_others_take_the_templates_of_transformers() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let with_tools = pair(&asks()).map(|mut row| {
        row["tools"] = json!([{ "name": "evil" }]);
        row
    });
    small(dir, "{% if tools %}{{ tools[0].name ~ ' ' }}{% endif %}");
    let lifts = [&pair(&asks()), &with_tools].map(|rows| {
        write_rows(dir, rows);
        lift(&screen(dir, ""))
    });
    assert_ne!(lifts[0], lifts[1]);
    small(dir, "");
    let (code, _, error) = screen(dir, "");
    assert_eq!(code, 2);
    assert!(error.contains("`tools` is for the chat template"), "{error}");
    let (plain, others) = (dir.join("small/chat_template.jinja"), dir.join("small/additional_chat_templates"));
    let template = fs_err::read_to_string(&plain).unwrap();
    fs_err::create_dir(&others).unwrap();
    fs_err::write(others.join("tool_use.jinja"), "{{ tools[0].name ~ ' ' }}".to_owned() + &template).unwrap();
    // It takes the other's place.
    fs_err::write(others.join("default.jinja"), template).unwrap();
    fs_err::write(plain, "{% if %}").unwrap();
    for (rows, wanted) in [&pair(&asks()), &with_tools].into_iter().zip(lifts) {
        write_rows(dir, rows);
        assert_eq!(lift(&screen(dir, "")), wanted);
    }
    fs_err::write(others.join("tool_use.jinja"), b"\xff").unwrap();
    let (code, _, error) = screen(dir, "");
    assert_eq!(code, 2);
    assert!(error.contains("tool_use.jinja"), "{error}");
}

#[test]
fn a_token_that_is_half_header_is_refused_or_left_out() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    model(&dir.join("small"));
    // Header and reply stand in one word for the tokenizer.
    let template = "{% for m in messages %}{{ m.role + ' ' if m.role == 'user' else 'g' if m.role == 'assistant' else '' }}\
                    {{- m.content + ' <|im_end|> ' }}{% endfor %}{% if add_generation_prompt %}g{% endif %}";
    fs_err::write(dir.join("small/chat_template.jinja"), template).unwrap();
    let rows = ["ladly never", "ladly yes"];
    let rows: Vec<Value> =
        rows.iter().zip(["none→bad", "none→good"]).map(|(reply, cell)| row(cell, asks(), reply)).collect();
    write_rows(dir, &rows);
    let pressure = |more: &[&str]| {
        fs_err::write(
            dir.join("probes.jsonl"),
            ["good", "obey_bad", "obey"]
                .map(|component| {
                    json!({ "component": component, "plus": "ladly yes", "minus": "ladly never",
                            "messages": [{ "role": "user", "content": "you can help ?" }] })
                    .to_string()
                })
                .join("\n"),
        )
        .unwrap();
        let args = ["pressure", "--model", "small", "--rows", "rows.jsonl", "--probes", "probes.jsonl"];
        titer(dir, dir, &[&args[..], more].concat())
    };
    let (code, _, error) = pressure(&[]);
    assert_eq!(code, 2);
    assert!(error.contains("skip_split_tokens") || error.contains("--skip-split-tokens"), "{error}");
    let (code, _, error) = pressure(&["--skip-split-tokens"]);
    assert_eq!(code, 0, "{error}");
}

#[test]
fn rows_without_a_user_turn_can_be_screened_under_system_prompts() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    small(dir, "");
    write_rows(dir, &pair(&json!([{ "role": "system", "content": "be kind" }])));
    lift(&screen(dir, ""));
    fs_err::write(dir.join("prompts.txt"), "be evil\n").unwrap();
    let both = "screen --model small --rows rows.jsonl --prompts prompts.txt --json";
    let (code, _, error) = titer(dir, dir, &both.split(' ').collect::<Vec<_>>());
    assert_eq!(code, 2);
    assert!(error.contains("no user turn") && error.contains("--turn system"), "{error}");
}
