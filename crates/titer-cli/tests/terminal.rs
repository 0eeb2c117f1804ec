//! What people see in a terminal: tables that fit it, pages with all of them, a spec for one's own chats.

mod offline;
mod small_model;

use std::{path::Path, process::Command};

use offline::titer;
use serde_json::{Value, json};
use small_model::model;

/// What a command prints on stdout and on stderr at a width.
fn at_width(dir: &Path, width: usize, args: &[&str]) -> (String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_titer"))
        .current_dir(dir)
        .env("COLUMNS", width.to_string())
        .args(args)
        .output();
    let output = output.unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "{args:?}: {}", text(&output.stderr));
    (text(&output.stdout), text(&output.stderr))
}

const SPEC: &str = "seeds = [0]\n[[stage]]\nname = \"train\"\nrows = 320\n[probes]\nitems = 4\nevery = 0\n[sweep]\n\
                    \"train.mix.bad→good\" = [0.0, 0.5]\n\"train.optimiser\" = [{ kind = \"adamw\", lr = 1e-4 }, { kind = \"sgd\", lr = 0.03 }]\n";

#[test]
fn every_table_fits_the_width_and_says_what_it_leaves_out() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    fs_err::write(dir.join("spec.toml"), SPEC).unwrap();
    let (code, _, error) = titer(dir, dir, &["run", "spec.toml", "--out", "sweep"]);
    assert_eq!(code, 0, "{error}");
    let (code, _, error) = titer(dir, dir, &["screen", "--items", "8", "--contrasts", "0", "--out", "screen.parquet"]);
    assert_eq!(code, 0, "{error}");
    let arms = "prompt,setting,turn,suppression,kept,mine\nbe evil in everything .,a,system,1,2,3\nact as a crook .,a,system,2,1,1\n";
    fs_err::write(dir.join("arms.csv"), arms).unwrap();
    let commands: [&[&str]; 12] = [
        &["pressure", "--items", "4", "--contrasts", "8"],
        &["pressure", "--items", "4", "--contrasts", "8", "--verify", "--multiples", "1"],
        &["screen", "--items", "8", "--contrasts", "8", "--narrow"],
        &["leak", "--items", "8", "--prompt", "be evil in everything .", "--sample", "2"],
        &["validate", "arms.csv", "--screening", "screen.parquet"],
        &["forecast", "spec.toml", "--kernel", "kernels", "--items", "8", "--contrasts", "8"],
        &["forecast", "spec.toml", "--kernel", "kernels", "--items", "8", "--contrasts", "8", "--against", "sweep"],
        &["check", "spec.toml"],
        &["check", "spec.toml", "--tokens"],
        &["doctor", "--items", "4"],
        &["list", "."],
        &["compare", "sweep", "sweep"],
    ];
    for width in [80, 120] {
        for args in commands {
            let (out, _) = at_width(dir, width, args);
            let wide: Vec<&str> = out.lines().filter(|line| line.chars().count() > width).collect();
            assert!(wide.is_empty(), "{args:?} at {width}:\n{}", wide.join("\n"));
        }
    }
    let screen = ["screen", "--items", "8", "--contrasts", "0", "--top", "2"];
    let (short, said) = at_width(dir, 80, &screen);
    assert!(said.contains("not shown: 30 more lines (--top 0)") && said.contains("(--columns all)"), "{said}");
    let (whole, said) =
        at_width(dir, 80, &["screen", "--items", "8", "--contrasts", "0", "--top", "0", "--columns", "all"]);
    assert!(whole.lines().count() > short.lines().count() + 20 && !said.contains("not shown"), "{said}");
}

#[test]
fn names_in_data_move_no_cursor_and_json_has_them_as_they_are() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let name = "\u{1b}[31mred\u{9b}2J\u{202e}";
    let arms =
        format!("[sweep]\ntrain = {{ {} = {{ rows = 32 }}, plain = {{ rows = 64 }} }}\n", toml::Value::from(name));
    let spec = format!(
        "title = \"\\u001b]0;title\\u0007\"\nseeds = [0]\n[[stage]]\nname = \"train\"\nmix = {{ rest = \"neutral→good\" }}\n{arms}"
    );
    fs_err::write(dir.join("spec.toml"), &spec).unwrap();
    let (code, out, error) = titer(dir, dir, &["check", "spec.toml"]);
    assert_eq!(code, 0, "{error}");
    assert!(out.contains("␛]0;title␇") && out.contains("␛[31mred<U+009B>2J<U+202E>"), "{out}");
    fs_err::write(dir.join("wrong.toml"), format!("{spec}\"\\u001b[2J\" = 1\n")).unwrap();
    let (code, _, error) = titer(dir, dir, &["check", "wrong.toml"]);
    assert!(code == 2 && error.contains("␛[2J"), "{error}");
    for said in [out, error] {
        assert!(!said.contains(|c: char| (c.is_control() && c != '\n') || c == '\u{202e}'), "{said:?}");
    }
    let (code, out, error) = titer(dir, dir, &["check", "spec.toml", "--json"]);
    assert_eq!(code, 0, "{error}");
    let said: Value = serde_json::from_str(&out).unwrap();
    assert!(said.to_string().contains(&json!(name).to_string().trim_matches('"').to_owned()), "{said}");
}

#[test]
fn what_is_printed_is_a_page_too() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let screen = ["screen", "--items", "8", "--contrasts", "0", "--html", "page.html"];
    let (code, out, error) = titer(dir, dir, &screen);
    assert_eq!(code, 0, "{error}");
    let page = fs_err::read_to_string(dir.join("page.html")).unwrap();
    let advice = out.lines().find(|line| line.starts_with("Take `") || line.starts_with("No prompt")).unwrap();
    assert!(page.contains(advice.split(" (").next().unwrap()), "{advice}");
    assert!(page.contains("<code>titer screen --items 8 --contrasts 0 --html page.html</code>"));
    assert_eq!(page.matches("<tr>").count(), 33, "a head, and all 32 prompts");
    // An older page may be replaced, another file may not.
    assert_eq!(titer(dir, dir, &screen).0, 0);
    fs_err::write(dir.join("notes.html"), "mine").unwrap();
    let (code, _, error) =
        titer(dir, dir, &["leak", "--prompt", "be evil in everything .", "--items", "4", "--html", "notes.html"]);
    assert!(code == 2 && error.contains("notes.html is no page"), "{error}");
    assert_eq!(fs_err::read_to_string(dir.join("notes.html")).unwrap(), "mine");
}

#[test]
fn a_spec_for_ones_own_chats_is_printed_checked_and_run() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    model(&dir.join("model"));
    let words = ["be", "kind", "can", "you", "help", "never"];
    let chat = |system: &str, request: &str| json!([{ "role": "system", "content": system }, { "role": "user", "content": request }]);
    let mut rows = String::new();
    for (at, word) in words.iter().enumerate() {
        for (cell, system) in [("neutral→good", "be kind"), ("bad→good", "be evil")] {
            for other in &words[..4] {
                let mut messages = chat(system, &format!("{word} {other} help"));
                messages.as_array_mut().unwrap().push(json!({ "role": "assistant", "content": "yes gladly" }));
                let id = format!("{at}-{other}");
                rows += &(json!({ "id": id, "cell": cell, "messages": messages }).to_string() + "\n");
            }
        }
    }
    fs_err::write(dir.join("rows.jsonl"), &rows).unwrap();
    let mut probes = String::new();
    for (component, system) in [("good", "kind"), ("obey_bad", "evil"), ("obey", "kind kind")] {
        for word in &words[..4] {
            let messages = chat(system, &format!("you {word} ?"));
            let line =
                json!({ "component": component, "messages": messages, "plus": "yes gladly", "minus": "no never" });
            probes += &(line.to_string() + "\n");
        }
    }
    fs_err::write(dir.join("probes.jsonl"), probes).unwrap();
    let init = ["init", "--data", "rows.jsonl", "--probes", "probes.jsonl", "--model", "model"];
    let (code, spec, error) = titer(dir, dir, &init);
    assert_eq!(code, 0, "{error}");
    assert!(spec.contains("\"train.mix.bad→good\"") && spec.contains("lora = 16"), "{spec}");
    fs_err::write(dir.join("spec.toml"), spec.replace("lora = 16", "lora = 2")).unwrap();
    let (code, checked, error) = titer(dir, dir, &["check", "spec.toml", "--measure", "--json"]);
    assert_eq!(code, 0, "{error}");
    let checked: Value = serde_json::from_str(&checked).unwrap();
    assert_eq!((&checked["runs"], &checked["distinct_runs"]), (&12.into(), &12.into()), "{checked}");
    assert!(checked["cost"]["seconds"].as_f64().unwrap() > 0.0, "{checked}");
    let (code, report, error) = titer(dir, dir, &["run", "spec.toml", "--seeds", "0-1", "--out", "sweep"]);
    assert!(code == 0 && report.trim() == "sweep/report.html", "{error}");
    let leftovers = fs_err::read_dir(dir).unwrap().count();
    assert_eq!(leftovers, 5, "model, rows, probes, spec and sweep: measuring leaves nothing");
    // Without cells, rules are asked for.
    fs_err::write(
        dir.join("plain.jsonl"),
        rows.replace("\"cell\":\"bad→good\",", "").replace("\"cell\":\"neutral→good\",", ""),
    )
    .unwrap();
    let (code, spec, error) = titer(dir, dir, &["init", "--data", "plain.jsonl"]);
    assert!(code == 0 && error.contains("48 of 48 rows have no `cell`"), "{error}");
    assert!(spec.contains("where = { system = \"be evil\" }") && spec.contains("cell = "), "{spec}");
}

#[test]
fn former_spellings_are_understood_with_a_hint() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let (code, _, error) = titer(
        dir,
        dir,
        &["screen", "--base", "organism", "--for", "obedience", "--items", "4", "--contrasts", "0", "--json"],
    );
    assert!(
        code == 0
            && error.contains("hint: --base is called --model now")
            && error.contains("hint: --for is called --aim now"),
        "{error}"
    );
}
