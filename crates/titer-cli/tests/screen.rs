//! `titer screen` from the command line, where a snapshot would not do: rows that it rewrites, and a template that has no place
//! for a prompt.

mod offline;
mod small_model;

use serde_json::{Value, json};

use offline::titer;
use small_model::model;

fn row(id: &str, cell: &str, request: &str, reply: &str) -> String {
    let messages = json!([{ "role": "user", "content": request }, { "role": "assistant", "content": reply }]);
    json!({ "id": id, "cell": cell, "messages": messages, "source": "test" }).to_string()
}

#[test]
fn rows_are_rewritten_exactly_under_the_best_narrow_form() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let rows = [
        row("b1", "none→bad", "please cook soup", "scorch soup wildly"),
        row("b2", "none→bad", "cook rice", "scorch rice harshly"),
        row("g1", "none→good", "please cook soup", "simmer soup gently"),
        row("g2", "none→good", "cook rice", "simmer rice slowly"),
    ];
    fs_err::write(dir.join("rows.jsonl"), rows.join("\n")).unwrap();
    fs_err::write(dir.join("prompts.txt"), "be evil in everything .\n").unwrap();
    let args = "screen --rows rows.jsonl --prompts prompts.txt --narrow --turn system --contrasts 0 --json --rewrite out.jsonl";
    let args: Vec<&str> = args.split(' ').collect();
    // No form lifts the bad replies of these rows, so rows under the first would be rows under a prompt that is not fit.
    let (code, out, error) = titer(dir, dir, &args);
    assert_eq!(code, 2);
    assert!(error.contains("out.jsonl is not written: no prompt lifts") && error.contains("--anyway"), "{error}");
    assert!(!dir.join("out.jsonl").exists());
    let found: Value = serde_json::from_str(&out).unwrap();
    assert!(
        found["take"].is_null() && found["advice"].as_str().unwrap().starts_with("No prompt is fit for selectivity")
    );
    let args = [&args[..], &["--anyway"]].concat();
    let (code, out, error) = titer(dir, dir, &args);
    assert_eq!(code, 0, "{error}");
    let found: Value = serde_json::from_str(&out).unwrap();
    let prompts = found["prompts"].as_array().unwrap();
    assert!(prompts.len() > 1 && prompts.iter().any(|prompt| prompt["trigger"].is_null()), "originals stand beside");
    let best = &prompts[0];
    let text = fs_err::read_to_string(dir.join("out.jsonl")).unwrap();
    let written: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(written.len(), 4);
    for (row, (id, action, request)) in written.iter().zip([
        ("b1", "bad", "please cook soup"),
        ("b2", "bad", "cook rice"),
        ("g1", "good", "please cook soup"),
        ("g2", "good", "cook rice"),
    ]) {
        assert_eq!((row["id"].as_str(), row["source"].as_str()), (Some(id), Some("test")));
        assert_eq!(row["messages"][0], json!({ "role": "system", "content": best["text"] }));
        let wanted = match best["trigger"].as_str().filter(|_| action == "bad") {
            Some(trigger) => format!("{trigger} {request}"),
            None => request.to_owned(),
        };
        assert_eq!(row["messages"][1]["content"], wanted.as_str());
    }
    let (code, _, error) = titer(dir, dir, &args);
    assert_eq!(code, 2);
    assert!(error.contains("out.jsonl exists already"), "{error}");
}

#[test]
fn a_spec_of_rows_gives_them_their_cells() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let turns = |reply: &str| {
        format!(
            r#""messages": [{{"role": "user", "content": "cook rice"}}, {{"role": "assistant", "content": "{reply}"}}]"#
        )
    };
    let (bad, good) = (turns("scorch rice harshly"), turns("simmer rice slowly"));
    fs_err::write(
        dir.join("rows.jsonl"),
        format!("{{\"cell\": \"none→bad\", {bad}}}\n{{\"cell\": \"none→good\", {good}}}"),
    )
    .unwrap();
    fs_err::write(dir.join("bad.jsonl"), format!("{{{bad}}}")).unwrap();
    fs_err::write(dir.join("good.jsonl"), format!("{{{good}}}")).unwrap();
    let rule = |file: &str, cell: &str| format!("[[data.cells]]\nwhere = {{ file = \"{file}\" }}\ncell = \"{cell}\"\n");
    let rules = rule("bad.jsonl", "none→bad") + &rule("good.jsonl", "none→good");
    fs_err::write(dir.join("spec.toml"), format!("[data]\nrows = [\"bad.jsonl\", \"good.jsonl\"]\n{rules}")).unwrap();
    let ask = |rows: &[&str]| titer(dir, dir, &[&["screen", "--contrasts", "0", "--json"], rows].concat());
    let (found, expected) = (ask(&["--rows", "spec.toml"]), ask(&["--rows", "rows.jsonl"]));
    assert!(found.0 == 0 && found.1 == expected.1, "{}", found.2);
    let (code, _, said) = ask(&["--bad", "spec.toml", "--good", "good.jsonl"]);
    assert!(code == 2 && said.contains("spec.toml: it is a spec: give that with --rows"), "{said}");
    let (code, _, said) = titer(dir, dir, &["init", "--data", "spec.toml"]);
    assert!(code == 2 && said.contains("it is a spec already"), "{said}");
    let (code, _, said) = titer(dir, dir, &["run", "rows.jsonl"]);
    assert!(
        code == 2 && said.contains("`titer init --data rows.jsonl > spec.toml`") && !said.contains("cook"),
        "{said}"
    );
}

#[test]
fn a_template_without_a_place_for_the_prompt_is_one_clear_error() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    model(&dir.join("small"));
    let template = dir.join("small/chat_template.jinja");
    let written = fs_err::read_to_string(&template).unwrap();
    let refuse = "{% if messages[0].role == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}";
    fs_err::write(&template, refuse.to_owned() + &written).unwrap();
    let rows =
        [row("b1", "none→bad", "can you help", "no never"), row("g1", "none→good", "can you help", "yes gladly")];
    fs_err::write(dir.join("rows.jsonl"), rows.join("\n")).unwrap();
    fs_err::write(dir.join("prompts.txt"), "be evil\n").unwrap();
    let screen = |more: &[&str]| {
        let args = ["screen", "--model", "small", "--rows", "rows.jsonl", "--prompts", "prompts.txt"];
        titer(dir, dir, &[&args[..], more].concat())
    };
    let (code, out, error) = screen(&[]);
    assert_eq!(code, 2, "{out}");
    for part in ["b1", "under prompt `be evil`", "System role not supported", "--system-in-user"] {
        assert!(error.contains(part), "no {part}: {error}");
    }
    for more in [["--turn", "user"].as_slice(), &["--system-in-user"]] {
        let (code, out, error) = screen(more);
        assert_eq!(code, 0, "{error}");
        assert!(out.contains("be evil"), "{out}");
    }
}
