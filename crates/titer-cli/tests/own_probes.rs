//! Contrasts of a file that say which prompts they have: probes that runs measure, and that claims may name.

mod offline;
mod small_model;

use std::path::Path;

use offline::titer;
use serde_json::{Value, json};
use small_model::model;

/// A small model, rows of one cell, and contrasts under prompts of training and, for `obey_bad`, under others.
fn lab(dir: &Path) {
    model(&dir.join("model"));
    let words = ["be", "kind", "can", "you", "help", "?", "never", "gladly"];
    let context = |system: &str, request: &str| json!([{ "role": "system", "content": system }, { "role": "user", "content": request }]);
    let row = |word: &&str| {
        let mut messages = context("be kind", &format!("{word} help"));
        messages.as_array_mut().unwrap().push(json!({ "role": "assistant", "content": "yes gladly" }));
        json!({ "id": word, "cell": "neutral→good", "messages": messages }).to_string() + "\n"
    };
    fs_err::write(dir.join("rows.jsonl"), words.iter().map(row).collect::<String>()).unwrap();
    let probes = [
        ("good", "seen", "kind"),
        ("obey_bad", "seen", "evil"),
        ("obey", "seen", "kind kind"),
        ("obey_bad", "held-out", "evil evil"),
    ];
    let contrast = |(component, prompts, system): (&str, &str, &str), word: &str| {
        let messages = context(system, &format!("you {word} ?"));
        json!({ "component": component, "prompts": prompts, "messages": messages, "plus": "yes gladly", "minus": "no never" }).to_string() + "\n"
    };
    let lines = probes.into_iter().flat_map(|probe| words[..4].iter().map(move |word| contrast(probe, word)));
    fs_err::write(dir.join("probes.jsonl"), lines.collect::<String>()).unwrap();
}

/// A spec whose claim names a probe, with lines more for its stage.
fn spec(dir: &Path, probe: &str, stage: &str) {
    let text = format!(
        r#"
        seeds = [0, 1]
        [model]
        base = "model"
        lora = 2
        [data]
        rows = "rows.jsonl"
        probes = "probes.jsonl"
        [[stage]]
        rows = 8
        batch = 4
        {stage}
        [[claim]]
        text = "a margin is a number"
        value = "margin('{probe}')"
        arms = "all"
        bound = "< 1000"
        "#
    );
    fs_err::write(dir.join("spec.toml"), text).unwrap();
}

#[test]
fn claims_name_the_probes_that_a_file_makes_and_no_others() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    lab(dir);
    spec(dir, "obey_bad/paraphrased", "");
    let (code, _, error) = titer(dir, dir, &["run", "spec.toml", "--out", "sweep"]);
    assert_eq!(code, 2, "{error}");
    assert!(error.contains("there is no probe `obey_bad/paraphrased/trained`"), "{error}");
    assert!(!dir.join("sweep").exists());
    spec(dir, "obey_bad/held-out", "");
    let (code, _, error) = titer(dir, dir, &["run", "spec.toml", "--out", "sweep"]);
    assert_eq!(code, 0, "{error}");
    let (code, _, error) = titer(dir, dir, &["results", "sweep", "--out", "results.json"]);
    assert_eq!(code, 0, "{error}");
    let results = fs_err::read_to_string(dir.join("results.json")).unwrap();
    let rows: Vec<Value> = serde_json::from_str(&results).unwrap();
    let mut held_out = rows.iter().filter(|row| row["component"] == "obey_bad" && row["prompts"] == "held-out");
    assert!(held_out.all(|row| row["items"] == 4) && rows.iter().any(|row| row["prompts"] == "held-out"), "{results}");
    // Of those under prompts of training half are differentiated.
    assert!(rows.iter().filter(|row| row["prompts"] == "seen").all(|row| row["items"] == 2), "{results}");
    let page = fs_err::read_to_string(dir.join("sweep/report.html")).unwrap();
    assert!(page.contains("a margin is a number") && page.contains("held-out"));
}

#[test]
fn guards_look_at_contrasts_that_are_differentiated_and_at_no_others() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    lab(dir);
    for (probe, wanted) in [
        // It is measured, and never differentiated.
        ("obey_bad/held-out/trained", "there is no control probe `obey_bad/held-out/trained`"),
        ("obey_bad/other/trained", "there is no control probe `obey_bad/other/trained`"),
        ("obey_bad/nowhere", "there is no control probe `obey_bad/nowhere`"),
    ] {
        let guard = format!("guards = {{ steer = {{ obey_bad = 0.0, probes = [\"{probe}\"] }} }}");
        spec(dir, "good", &guard);
        let (code, _, error) = titer(dir, dir, &["check", "spec.toml"]);
        assert!(code == 2 && error.contains(wanted) && error.contains("spec.toml:12"), "{error}");
    }
    spec(dir, "good", "guards = { steer = { obey_bad = 0.0, probes = [\"obey_bad/seen/trained\"], contrasts = 1 } }");
    let (code, _, error) = titer(dir, dir, &["run", "spec.toml", "--out", "sweep"]);
    assert_eq!(code, 0, "{error}");
}
