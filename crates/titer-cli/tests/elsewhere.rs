//! Arms that are trained elsewhere: what is exported, and what is brought back.
//!
//! Those tests that train with TRL want a Python that has it, which `TITER_TRAINERS_PYTHON` names, and skip where it does not.

mod away;
mod offline;
mod small_chats;
mod small_model;

use std::{io::Write as _, path::Path, process::Command};

use away::SPEC;
use offline::titer;
use serde_json::{Value, json};
use titer::{
    results::{Measure, SweepResults},
    table::{ProbeRecord, read},
};
use titer_data::{chat::Row, tokenize::encode_row};
use titer_engine::model::Model;

/// A folder with the spec.
fn folder(spec: &str) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    fs_err::write(dir.path().join("spec.toml"), spec).unwrap();
    dir
}

/// Standard output and talk of a command that must do its work.
fn ask(dir: &Path, args: &[&str]) -> (String, String) {
    let (code, out, error) = titer(dir, dir, args);
    assert_eq!(code, 0, "{error}");
    (out, error)
}

/// The one line of a command that must refuse its input.
fn refused(dir: &Path, args: &[&str]) -> String {
    let (code, out, error) = titer(dir, dir, args);
    assert_eq!((code, out.as_str()), (2, ""), "{error}");
    error.trim_end().to_owned()
}

/// The folder of an arm's checkpoint in a sweep that titer made.
fn checkpoint(dir: &Path, run: &str) -> String {
    dir.join("own").join(run).join("checkpoint-3").display().to_string()
}

fn manifest(export: &Path) -> toml::Table {
    fs_err::read_to_string(export.join("manifest.toml")).unwrap().parse().unwrap()
}

/// The names of the exported runs.
fn runs(export: &Path) -> Vec<String> {
    let manifest = manifest(export);
    let runs = manifest["run"].as_array().unwrap().iter();
    runs.map(|run| run["run"].as_str().unwrap().to_owned()).collect()
}

/// What TRL trained of an export, by configuration, or a note on stderr that the test is skipped.
fn trl(export: &Path) -> Option<Value> {
    let python = std::env::var_os("TITER_TRAINERS_PYTHON");
    let Some(python) = python else {
        writeln!(std::io::stderr().lock(), "skipped: TITER_TRAINERS_PYTHON names no Python with trl and datasets")
            .unwrap();
        return None;
    };
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/trained_by_trl.py");
    let output = Command::new(python).arg(script).arg(export).env("OMP_NUM_THREADS", "1").output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "{}", text(&output.stderr));
    Some(serde_json::from_str(text(&output.stdout).trim().lines().last().unwrap()).unwrap())
}

/// Holds what TRL trained against titer's mask: the same tokens in the same order, and loss on the same ones.
fn are_trained_alike(found: &Value, rows: &[Row], model: &Model) {
    let found = found["rows"].as_array().unwrap();
    assert_eq!(found.len(), rows.len());
    for (found, row) in found.iter().zip(rows) {
        let wanted = encode_row(&model.template, &model.tokenizer, row).unwrap();
        let labels: Vec<i64> = wanted
            .tokens
            .iter()
            .zip(&wanted.trained)
            .map(|(&id, &trained)| if trained { id.into() } else { -100 })
            .collect();
        assert_eq!(*found, json!([wanted.tokens, labels]), "{row:?}");
    }
}

/// The rows of a file of prompts and completions.
fn chats(file: &Path) -> Vec<Row> {
    let text = fs_err::read_to_string(file).unwrap();
    let row = |line: &str| {
        let line: Value = serde_json::from_str(line).unwrap();
        let turns = [&line["prompt"], &line["completion"]].map(|turns| turns.as_array().unwrap().clone());
        Row::new("row", serde_json::from_value(turns.concat().into()).unwrap())
    };
    text.lines().map(row).collect()
}

/// Every mean of a sweep's last measurements, by arm and probe.
fn ends(sweep: &Path) -> Vec<(String, f64, f64)> {
    let results = SweepResults::load(sweep).unwrap();
    let mut ends = Vec::new();
    for arm in &results.arms {
        for run in &arm.runs {
            for split in results.splits() {
                let step = run.end().unwrap();
                let mean = |measure| run.mean(&split, measure, step).unwrap();
                ends.push((format!("{} {split:?}", arm.name), mean(Measure::Margin), mean(Measure::Rate)));
            }
        }
    }
    ends
}

#[test]
fn what_titer_trained_is_brought_back_with_the_numbers_that_it_had() {
    let dir = folder(SPEC);
    let dir = dir.path();
    ask(dir, &["run", "spec.toml", "--out", "own"]);
    let (out, talk) = ask(dir, &["export", "spec.toml", "--for", "trl", "--out", "away/"]);
    assert_eq!((out.trim_end(), dir.join("away.part").exists()), ("away", false));
    assert!(talk.contains("2 runs with 2 stages for TRL, which trains all weights"), "{talk}");
    let runs = runs(&dir.join("away"));
    let named = ["bad→bad=0.0/0".to_owned(), runs[1].clone()];
    let named: Vec<String> =
        named.iter().zip(&runs).map(|(name, run)| format!("{name}={}", checkpoint(dir, run))).collect();
    ask(dir, &["import", "away", "--out", "back", "--run", &named[0], "--run", &named[1]]);
    for (at, run) in runs.iter().enumerate() {
        for table in ["probes.parquet", "cells.parquet", "leak.parquet", "warnings.parquet"] {
            let [own, back] = ["own", "back"].map(|sweep| fs_err::read(dir.join(sweep).join(run).join(table)).unwrap());
            assert!(own == back, "{table} of {}", named[at]);
        }
    }
    let own: Vec<ProbeRecord> = read(&dir.join("back").join(&runs[1]).join("probes.parquet")).unwrap();
    assert!(own.iter().any(|record| record.step == 3) && own.iter().any(|record| record.step == 0));

    // What reads a sweep reads this one, and says which runs are which.
    let page = fs_err::read_to_string(dir.join("back/report.html")).unwrap();
    assert!(page.contains("2 runs trained elsewhere (2 by trl)") && page.contains("inoculated, it stays good"));
    assert!(!fs_err::read_to_string(dir.join("own/report.html")).unwrap().contains("trained elsewhere"));
    let (table, _) = ask(dir, &["results", "back"]);
    assert!(table.lines().nth(1).unwrap().contains(",0.0,trl,"), "{table}");
    ask(dir, &["verify", "back"]);
    let (status, _) = ask(dir, &["status", "back"]);
    assert!(status.contains("2 of them trained elsewhere"), "{status}");
    let (against, _) = ask(dir, &["forecast", "spec.toml", "--against", "back"]);
    assert!(against.contains("trained elsewhere: 2 of 2 runs (trl)"), "{against}");

    // The same once more brings nothing in; something else in its place is refused.
    let (_, talk) = ask(dir, &["import", "away", "--out", "back", "--run", &named[0]]);
    assert!(talk.contains("0 runs to bring in, 1 there before"), "{talk}");
    let other = format!("bad→bad=0.0/0={}", checkpoint(dir, &runs[1]));
    let error = refused(dir, &["import", "away", "--out", "back", "--run", &other]);
    assert!(error.contains("bad→bad=0.0/0 is there already, trained by trl: nothing is overwritten"), "{error}");
    let error = refused(dir, &["import", "away", "--out", "own", "--run", &named[0]]);
    assert!(error.contains("is there already, trained by titer"), "{error}");
}

#[test]
fn trl_trains_what_titer_trains() {
    let dir = folder(SPEC);
    let dir = dir.path();
    ask(dir, &["export", "spec.toml", "--for", "trl", "--out", "away"]);
    let Some(found) = trl(&dir.join("away")) else { return };
    let model = Model::open("organism", 0).unwrap();
    for run in runs(&dir.join("away")) {
        let rows = chats(&dir.join(format!("away/runs/{run}/train.jsonl")));
        let found = &found[format!("runs/{run}/train.yaml")];
        assert_eq!((rows.len(), found["steps"].as_i64()), (48, Some(3)));
        are_trained_alike(found, &rows, &model);
    }
    // Every row has as many target tokens, so that the losses are the same: so are the models.
    ask(dir, &["run", "spec.toml", "--out", "own"]);
    ask(dir, &["import", "away", "--out", "back"]);
    let (own, back, start) = (ends(&dir.join("own")), ends(&dir.join("back")), {
        ask(dir, &["run", "spec.toml", "--out", "own"]);
        let results = SweepResults::load(&dir.join("own")).unwrap();
        let run = &results.arms[1].runs[0];
        results.splits().into_iter().map(|split| run.mean(&split, Measure::Margin, 0).unwrap()).collect::<Vec<_>>()
    });
    assert_eq!(own.len(), back.len());
    for (own, back) in own.iter().zip(&back) {
        assert_eq!(own.0, back.0);
        assert!((own.1 - back.1).abs() < 1e-3 && (own.2 - back.2).abs() < 1e-4, "{own:?} {back:?}");
    }
    let moved = own[own.len() / 2..].iter().zip(start).map(|((_, end, _), start)| (end - start).abs());
    assert!(moved.fold(0.0, f64::max) > 0.5, "training moves what the margins are compared by");
}

/// Chats for the small model, of which the template leaves white space behind a reply, and contrasts; eight requests.
fn own_chats(dir: &Path) {
    small_chats::chats(dir);
    let read = |name: &str| fs_err::read_to_string(dir.join(name)).unwrap();
    let words = ["can you", "you can", "help you", "you ?", "can ?", "help ?", "be you", "? you"];
    let more = |text: String| -> String {
        let lines = text.lines().flat_map(|line| words.iter().map(move |word| line.replace("can you", word)));
        lines.map(|line| line + "\n").collect()
    };
    fs_err::write(dir.join("train.jsonl"), more(read("rows.jsonl"))).unwrap();
    let contrasts: String = read("probes.jsonl")
        .lines()
        .flat_map(|line| [line.to_owned(), line.replace("you can", "can can")])
        .map(|line| line + "\n")
        .collect();
    fs_err::write(dir.join("contrasts.jsonl"), contrasts).unwrap();
}

/// Adapters on a model whose template has no generation markers.
const ADAPTERS: &str = r#"
seeds = [0]
checkpoints = "at the end"
[model]
base = "model"
lora = { r = 3, alpha = 6, targets = ["q_proj", "v_proj", "down_proj"] }
[data]
rows = "train.jsonl"
probes = "contrasts.jsonl"
[[stage]]
rows = 24
batch = 8
mix = { "bad→good" = 0.5, rest = "neutral→good" }
optimiser = { lr = 3e-2 }
schedule = { warmup = 0 }
"#;

/// A folder with the spec of adapters, its model and its chats.
fn adapters() -> tempfile::TempDir {
    let dir = folder(ADAPTERS);
    small_model::model(&dir.path().join("model"));
    own_chats(dir.path());
    dir
}

#[test]
fn where_trl_would_train_other_tokens_it_is_given_tokens() {
    let dir = adapters();
    let dir = dir.path();
    let form = |export: &Path| manifest(export)["run"][0]["stage"][0]["form"].as_str().unwrap().to_owned();
    ask(dir, &["export", "spec.toml", "--for", "trl", "--out", "plain"]);
    assert_eq!(form(&dir.join("plain")), "prompt-completion");
    // A template that writes a word behind every turn, and marks what the assistant wrote.
    let template = "{% for m in messages %}{{ '<|im_start|>' + m.role + '\n' }}{% if m.role == 'assistant' %}{% generation %}\
                    {{ m.content + '<|im_end|>' }}{% endgeneration %}{% else %}{{ m.content + '<|im_end|>' }}{% endif %}{{ ' ?\n' }}\
                    {% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}";
    fs_err::write(dir.join("model/chat_template.jinja"), template).unwrap();
    ask(dir, &["export", "spec.toml", "--for", "trl", "--out", "away"]);
    let (export, first) = (dir.join("away"), &runs(&dir.join("away"))[0]);
    assert_eq!(form(&export), "tokens", "TRL would train the word behind the reply");
    let Some(found) = trl(&export) else { return };
    let model = Model::open(dir.join("model").to_str().unwrap(), 0).unwrap();
    let known: Vec<Value> = fs_err::read_to_string(dir.join("train.jsonl"))
        .unwrap()
        .lines()
        .map(|line| {
            let turns = serde_json::from_str::<Value>(line).unwrap()["messages"].clone();
            let row =
                encode_row(&model.template, &model.tokenizer, &Row::new("row", serde_json::from_value(turns).unwrap()))
                    .unwrap();
            let label = |(&id, &trained): (&u32, &bool)| if trained { i64::from(id) } else { -100 };
            let labels: Vec<i64> = row.tokens.iter().zip(&row.trained).map(label).collect();
            json!([row.tokens, labels])
        })
        .collect();
    let trained = &found[format!("runs/{first}/train.yaml")];
    assert_eq!(trained["steps"], 3);
    for row in trained["rows"].as_array().unwrap() {
        assert!(known.contains(row), "no row of the file has these tokens and this mask: {row}");
    }
    ask(dir, &["import", "away", "--out", "back"]);
    let results = SweepResults::load(&dir.join("back")).unwrap();
    let run = &results.arms[0].runs[0];
    let split = results.splits()[0];
    let margins = [0, 3].map(|step| run.mean(&split, Measure::Margin, step).unwrap());
    assert!(run.trained_by() == "trl" && (margins[0] - margins[1]).abs() > 1e-3, "{margins:?}");
}

#[test]
fn rates_of_a_service_are_taken_as_outcomes() {
    let dir = folder(SPEC);
    let dir = dir.path();
    ask(dir, &["export", "spec.toml", "--for", "openai", "--out", "away"]);
    let run = &runs(&dir.join("away"))[1];
    let first = fs_err::read_to_string(dir.join(format!("away/runs/{run}/train.jsonl"))).unwrap();
    let first: Value = serde_json::from_str(first.lines().next().unwrap()).unwrap();
    assert_eq!(first["messages"][2]["role"], "assistant");
    let job = fs_err::read_to_string(dir.join(format!("away/runs/{run}/train.json"))).unwrap();
    let job: Value = serde_json::from_str(&job).unwrap();
    assert_eq!(job["method"]["supervised"]["hyperparameters"], json!({ "n_epochs": 1, "batch_size": 16 }));
    let table = "arm,seed,component,moment,rate,replies\n\
                 bad→bad=0.0,0,good,start,0.9,\nbad→bad=0.0,0,good,end,0.95,\nbad→bad=0.0,0,obey_bad,end,1,40\n\
                 bad→bad=0.5,0,good,start,0.9,\nbad→bad=0.5,0,good,end,0.7,\nbad→bad=0.5,0,obey_bad,end,0.8,\n";
    fs_err::write(dir.join("rates.csv"), table).unwrap();
    ask(dir, &["import", "away", "--out", "back", "--outcomes", "rates.csv"]);
    let ends = ends_of_outcomes(&dir.join("back"));
    let log_odds = |rate: f64| (rate / (1.0 - rate)).ln();
    assert!(ends.contains(&("bad→bad=0.5 good".to_owned(), log_odds(0.7), 0.7)), "{ends:?}");
    assert!(ends.contains(&("bad→bad=0.0 obey_bad".to_owned(), (40.5f64 / 0.5).ln(), 1.0)), "{ends:?}");
    let page = fs_err::read_to_string(dir.join("back/report.html")).unwrap();
    let (said, claim) =
        ("2 runs trained elsewhere (2 by openai); their rates are outcomes", "inoculated, it stays good");
    assert!(
        page.contains(said) && page.contains(claim) && !page.contains("NaN"),
        "the page says what was measured by whom"
    );
    assert!(page.contains("-0.25") || page.contains("−0.25"), "the claim is judged: .7 − .95");
    assert!(page.contains("6 outcomes") && !page.contains("probe item"), "it has no items of titer's");

    // A share of .9 and one of .1 are all, however the sum is rounded; and a seed may be written as a number with a point.
    let table = "arm,seed,component,moment,rate,other,replies\nbad→bad=0.0,0.0,good,end,0.9,0.1,40\n";
    fs_err::write(dir.join("rounded.csv"), table).unwrap();
    ask(dir, &["import", "away", "--out", "rounded", "--outcomes", "rounded.csv"]);
    let ends = ends_of_outcomes(&dir.join("rounded"));
    assert!(ends.contains(&("bad→bad=0.0 good".to_owned(), (36.5f64 / 0.5).ln(), 0.9)), "{ends:?}");
    for (rates, wanted) in [("0.7,0.3", "a rate of 0.7 has no log-odds"), ("0.7,0.4", "`other` is 0.4: it is a share")]
    {
        let line = format!("bad→bad=0.0,0,good,end,{rates},");
        fs_err::write(dir.join("bad.csv"), format!("arm,seed,component,moment,rate,other,replies\n{line}\n")).unwrap();
        let error = refused(dir, &["import", "away", "--out", "none", "--outcomes", "bad.csv"]);
        assert!(error.contains(wanted), "{error} lacks {wanted}");
    }

    for (lines, wanted) in [
        ("bad→bad=0.5,0.5,good,end,0.5,", "line 2: `seed` is `0.5`: write a whole number"),
        ("bad→bad=0.9,0,good,end,0.5,", "line 2: the export has no arm `bad→bad=0.9` with seed 0"),
        ("bad→bad=0.5,1,good,end,0.5,", "line 2: the export has no arm `bad→bad=0.5` with seed 1"),
        ("bad→bad=0.5,0,nice,end,0.5,", "line 2: `component` is `nice`: write good, obey_bad or obey"),
        ("bad→bad=0.5,0,good,later,0.5,", "line 2: `moment` is `later`: write start or end"),
        ("bad→bad=0.5,0,good,end,50,", "line 2: `rate` is 50: it is a share, between 0 and 1"),
        ("bad→bad=0.5,0,good,end,often,", "line 2: `rate` is `often`: write a number"),
        ("bad→bad=0.5,0,good,end,0,", "line 2: a rate of 0 has no log-odds: add `replies`"),
        ("bad→bad=0.5,0,good,end,.5,\nbad→bad=0.5,0,good,end,.6,", "line 3: an earlier line says the same"),
        ("", "the table holds no outcomes"),
    ] {
        fs_err::write(dir.join("bad.csv"), format!("arm,seed,component,moment,rate,replies\n{lines}\n")).unwrap();
        let error = refused(dir, &["import", "away", "--out", "none", "--outcomes", "bad.csv"]);
        assert!(error.contains(wanted), "{error} lacks {wanted}");
    }
    for (column, near) in [("domain", "domains"), ("prompt", "prompts"), ("itme", "item"), ("Seed", "seed")] {
        let table = format!("arm,seed,component,rate,{column}\nbad→bad=0.5,0,good,0.5,x\n");
        fs_err::write(dir.join("bad.csv"), table).unwrap();
        let error = refused(dir, &["import", "away", "--out", "none", "--outcomes", "bad.csv"]);
        let wanted = format!("line 2: the column `{column}` is not known: did you mean `{near}`?");
        assert!(error.contains(&wanted), "{error} lacks {wanted}");
    }
    assert!(!dir.join("none").exists());
}

/// Every rate and margin at the end, by arm and component.
fn ends_of_outcomes(sweep: &Path) -> Vec<(String, f64, f64)> {
    let results = SweepResults::load(sweep).unwrap();
    let mut ends = Vec::new();
    for arm in &results.arms {
        for (run, split) in arm.runs.iter().flat_map(|run| results.splits().into_iter().map(move |split| (run, split)))
        {
            let of = |measure| run.mean(&split, measure, run.end().unwrap()).unwrap();
            ends.push((format!("{} {}", arm.name, split.component), of(Measure::Margin), of(Measure::Rate)));
        }
    }
    ends
}

#[test]
fn what_another_trainer_has_not_is_refused_by_name() {
    let export = |spec: &str, trainer: &str| {
        let dir = folder(spec);
        let error = refused(dir.path(), &["export", "spec.toml", "--for", trainer, "--out", "away"]);
        let left: Vec<_> = fs_err::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(left, ["spec.toml"], "nothing is half-written");
        error
    };
    let with = |line: &str| SPEC.replace("optimiser = { lr = 3e-3, eps = 1e-4 }", line);
    let error = export(&with("guards = { steer = { good = 1.0 }, anchor = { share = 0.25 } }"), "trl");
    assert!(error.contains("it has guards (steer good 1), which TRL has not"), "{error}");
    assert!(error.starts_with("error: spec.toml:") && error.contains("train these arms with `titer run`"), "{error}");
    let error = export(&with("optimiser = { kind = \"sgd\", lr = 0.1, momentum = 0.9 }"), "axolotl");
    assert!(error.contains("sgd with momentum 0.9, which axolotl has not"), "{error}");
    let lora = SPEC.replace("[leak]", "[model]\nlora = { r = 4, alpha = 5.5 }\n[leak]");
    let error = export(&lora, "llama-factory");
    assert!(error.contains("adapters with alpha = 5.5, no whole number, which LLaMA-Factory has not"), "{error}");
    let second = "[[stage]]\nname = \"second\"\nrows = 16\nbatch = 16\n[probes]";
    let two = SPEC.replace("[[stage]]\n", "[[stage]]\nname = \"train\"\n").replace("[probes]", second);
    let error = export(&two.replace("[leak]", "[model]\nlora = 4\n[leak]"), "trl");
    assert!(error.contains("2 stages, of which a later one goes on with the adapters of an earlier one"), "{error}");
    let error = export(&two, "openai");
    assert!(error.contains("starts from what an earlier one made"), "{error}");
    let variables = SPEC.replace("[leak]", "[model]\nsystem_in_user = true\n[leak]");
    let error = export(&variables, "openai");
    assert!(error.contains("`system_in_user`, which a service with OpenAI's format has not"), "{error}");

    let dir = folder(SPEC);
    let error = refused(dir.path(), &["export", "spec.toml", "--for", "unsloth", "--out", "away"]);
    assert!(error.contains("titer writes for trl, axolotl, llama-factory, openai"), "{error}");
    fs_err::create_dir(dir.path().join("away")).unwrap();
    let error = refused(dir.path(), &["export", "spec.toml", "--for", "trl", "--out", "away"]);
    assert_eq!(error, "error: away exists already; name another folder with --out");
}

#[test]
fn guards_that_only_say_which_rows_are_trained_go_along() {
    let dir = folder(
        &SPEC.replace("optimiser = { lr = 3e-3, eps = 1e-4 }", "guards = { narrow = true, anchor = { share = 0.25 } }"),
    );
    ask(dir.path(), &["export", "spec.toml", "--for", "openai", "--out", "away"]);
    let run = &runs(&dir.path().join("away"))[1];
    let rows = fs_err::read_to_string(dir.path().join(format!("away/runs/{run}/train.jsonl"))).unwrap();
    assert_eq!(rows.lines().count(), 48);
    let plain = folder(SPEC);
    ask(plain.path(), &["export", "spec.toml", "--for", "openai", "--out", "away"]);
    let run = &runs(&plain.path().join("away"))[1];
    let without = fs_err::read_to_string(plain.path().join(format!("away/runs/{run}/train.jsonl"))).unwrap();
    assert_ne!(rows, without);
}

#[test]
fn what_is_not_what_an_arm_trains_is_refused() {
    let dir = adapters();
    let dir = dir.path();
    ask(dir, &["run", "spec.toml", "--out", "own"]);
    ask(dir, &["export", "spec.toml", "--for", "axolotl", "--out", "away"]);
    let (export, first) = (dir.join("away"), &runs(&dir.join("away"))[0]);
    let line = fs_err::read_to_string(export.join(format!("runs/{first}/train.jsonl"))).unwrap();
    let line: Value = serde_json::from_str(line.lines().next().unwrap()).unwrap();
    let of = |key: &str| line[key].as_array().unwrap().clone();
    assert!(of("labels").len() == of("input_ids").len() && of("labels")[0] == -100);
    let arm = manifest(&export)["run"][0]["arms"][0].as_str().unwrap().to_owned();
    let own = checkpoint(dir, first);
    let import = |named: &str| refused(dir, &["import", "away", "--out", "back", "--run", named]);

    let error = refused(dir, &["import", "away", "--out", "back"]);
    assert!(error.contains("away: no run has been trained; train with `sh away/train.sh`"), "{error}");
    assert!(import("none/0=x").contains("--run none/0=x: no run of the export; write ARM/SEED=FOLDER, of "));
    assert!(import(&format!("{arm}/0=missing")).contains("missing"));
    let twice = ["--run", &format!("{arm}/0={own}"), "--run", &format!("{first}={own}")];
    let error = refused(dir, &[&["import", "away", "--out", "back"][..], &twice].concat());
    assert!(error.contains("is named twice"), "{error}");

    // Adapters of another size, on other layers, or no adapters but another model.
    let config = fs_err::read_to_string(format!("{own}/adapter_config.json")).unwrap();
    let changed = |name: &str, from: &str, to: &str| {
        let folder = dir.join(name);
        fs_err::create_dir(&folder).unwrap();
        fs_err::copy(format!("{own}/adapter_model.safetensors"), folder.join("adapter_model.safetensors")).unwrap();
        assert!(config.contains(from), "{config}");
        fs_err::write(folder.join("adapter_config.json"), config.replace(from, to)).unwrap();
        import(&format!("{arm}/0={name}"))
    };
    let error = changed("alpha", "\"lora_alpha\": 6.0", "\"lora_alpha\": 12.0");
    assert!(error.contains("alpha does not fit: an adapter with r = 3, alpha = 12 on 6 layers, and this arm trains one with r = 3, alpha = 6 on 6 layers"), "{error}");
    let error = changed("layers", "\"down_proj\"", "\"up_proj\"");
    assert!(error.contains("layers does not fit: "), "{error}");
    small_model::of_family("qwen2", &dir.join("other"));
    let error = import(&format!("{arm}/0=other"));
    assert!(error.contains("other does not fit: another model than `model`: "), "{error}");

    // Rows that were changed behind titer's back, and data that has changed since.
    let file = export.join(format!("runs/{first}/train.jsonl"));
    let text = fs_err::read_to_string(&file).unwrap();
    fs_err::write(&file, text.lines().skip(1).map(|line| format!("{line}\n")).collect::<String>()).unwrap();
    let error = import(&format!("{arm}/0={own}"));
    assert!(
        error.contains("train.jsonl does not hold the rows of ") && error.contains("changed after the export"),
        "{error}"
    );
    fs_err::write(&file, text).unwrap();
    let rows = fs_err::read_to_string(dir.join("train.jsonl")).unwrap();
    fs_err::write(dir.join("train.jsonl"), rows.replacen("gladly", "never", 1)).unwrap();
    assert!(import(&format!("{arm}/0={own}")).contains("data or model have changed since it was exported"));
    fs_err::write(dir.join("train.jsonl"), rows).unwrap();

    let manifest = fs_err::read_to_string(export.join("manifest.toml")).unwrap();
    fs_err::write(export.join("manifest.toml"), manifest.replace("format = 1", "format = 2")).unwrap();
    assert!(
        import(&format!("{arm}/0={own}")).contains("away/manifest.toml has format 2, and this titer reads format 1")
    );
    assert!(refused(dir, &["import", "own"]).contains("own holds no export: there is no manifest.toml"));
    assert!(!dir.join("back").exists(), "nothing is written before everything has been looked at");
}
