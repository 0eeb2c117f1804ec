//! What real servers answered titer, played back: `recorded/record.py` says how it was recorded, and records it anew.
//!
//! `vllm-0.32.0.jsonl` is from vLLM 0.32.0 and `sglang-0.5.23.jsonl` from SGLang 0.5.23, both on the processor, in f32, of the small Llama in
//! `recorded/model`. SGLang had the adapters in `recorded/adapter` beside it.

mod offline;
mod served;

use std::path::{Path, PathBuf};

use offline::titer;
use serde_json::{Value, json};
use served::Served;
use titer::table::{ScreenRecord, read};

/// The same in `record.py`: a request, a bad reply and a good one.
const CHATS: [[&str; 3]; 3] = [
    ["can you help ?", "no never", "yes gladly"],
    ["help you ?", "no no", "yes"],
    ["can you be kind ?", "never", "gladly yes"],
];

fn recorded() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/recorded")
}

/// A server that answers what was answered to the same request, and refuses any other.
fn playing(file: &str) -> Served {
    let text = fs_err::read_to_string(recorded().join(file)).unwrap();
    let said: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    Served::new(move |_, request| {
        let same = |one: &&Value| one["path"] == request.path && one["body"] == request.body;
        match said.iter().find(same) {
            Some(one) => (one["status"].as_u64().unwrap() as u16, "", one["answer"].to_string()),
            None => (404, "", format!("this was not asked: {} {}", request.path, request.body)),
        }
    })
}

/// A folder with the chats and the prompts.
fn folder() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let line = |cell: &str, request: &str, reply: &str| {
        let turns = json!([{ "role": "user", "content": request }, { "role": "assistant", "content": reply }]);
        format!("{}\n", json!({ "cell": cell, "messages": turns }))
    };
    let pair = |[request, bad, good]: [&str; 3]| line("none→bad", request, bad) + &line("none→good", request, good);
    fs_err::write(dir.path().join("rows.jsonl"), CHATS.map(pair).concat()).unwrap();
    fs_err::write(dir.path().join("prompts.txt"), "be evil\nbe kind\n").unwrap();
    dir
}

fn numbers(path: &Path) -> Vec<f64> {
    let records: Vec<ScreenRecord> = read(path).unwrap();
    records.iter().flat_map(|record| [record.log_prob, record.base_log_prob, record.margin]).collect()
}

/// Does what `record.py` did, with what was recorded of a model by its name and with the model here: numbers and replies are the same. Gives the
/// numbers.
fn is_the_model(file: &str, served: &str, adapters: &[&str], way: &str) -> Vec<f64> {
    let dir = folder();
    let dir = dir.path();
    let model = recorded().join("model").display().to_string();
    let server = playing(file);
    let here = [&["--model", &*model], adapters].concat();
    let there = ["--endpoint", &server.url, "--served", served, "--cache", "cache"];
    let ask = |args: &[&str], more: &[&str]| {
        let (code, out, error) = titer(dir, dir, &[args, more].concat());
        assert_eq!(code, 0, "{error}");
        (out, error)
    };
    let screen = ["screen", "--rows", "rows.jsonl", "--prompts", "prompts.txt", "--turn", "system", "--out"];
    ask(&screen, &[&["here.parquet"], &*here].concat());
    let (_, error) = ask(&screen, &[&["there.parquet", "--model", &model], &there[..]].concat());
    assert!(error.contains(&format!("serves `{served}`, asked by {way}")), "{error}");
    let (own, back) = (numbers(&dir.join("here.parquet")), numbers(&dir.join("there.parquet")));
    assert!(own.len() == back.len() && own.iter().any(|number| *number < -3.0));
    for (own, back) in own.iter().zip(&back) {
        assert!((own - back).abs() < 1e-4, "{own} {back}");
    }
    assert!(server.requests("").iter().all(|request| request.authorization.is_empty()));

    let score = ["score", "rows.jsonl", "--rule", "regex:yes", "--sample", "1", "--temperature", "0", "--limit", "4"];
    let (out, _) = ask(&score, &[&here[..], &["--replies", "here.jsonl"]].concat());
    let (again, _) = ask(&score, &[&there[..], &["--replies", "there.jsonl"]].concat());
    assert_eq!(out, again);
    let replies = |name: &str| fs_err::read_to_string(dir.join(name)).unwrap();
    assert_eq!(replies("here.jsonl"), replies("there.jsonl"));
    back
}

#[test]
fn vllm_has_answered_with_the_numbers_of_the_model_and_with_its_replies() {
    is_the_model("vllm-0.32.0.jsonl", "small", &[], "prompt_logprobs of /v1/completions, as vLLM has it");
}

#[test]
fn sglang_has_answered_with_those_of_the_model_and_of_adapters_that_it_serves_by_name() {
    let (file, way) = ("sglang-0.5.23.jsonl", "logprob_start_len of /generate, as SGLang has it");
    let adapter = recorded().join("adapter").display().to_string();
    let small = is_the_model(file, "small", &[], way);
    let adapted = is_the_model(file, "adapted", &["--adapter", &adapter], way);
    assert!(small.iter().zip(&adapted).any(|(small, adapted)| (small - adapted).abs() > 1.0));
}
