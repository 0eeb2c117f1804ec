//! What real servers answered titer, played back: `recorded/record.py` says how it was recorded, and records it anew.
//!
//! `vllm-0.32.0.jsonl` is from vLLM 0.32.0 on the processor, in f32, of the small Llama in `recorded/model`.

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

#[test]
fn vllm_has_answered_with_the_numbers_of_the_model_and_with_its_replies() {
    let dir = folder();
    let dir = dir.path();
    let model = recorded().join("model").display().to_string();
    let vllm = playing("vllm-0.32.0.jsonl");
    let there = ["--endpoint", &vllm.url, "--served", "small", "--cache", "cache"];
    let ask = |args: &[&str], more: &[&str]| {
        let (code, out, error) = titer(dir, dir, &[args, more].concat());
        assert_eq!(code, 0, "{error}");
        (out, error)
    };
    let screen =
        ["screen", "--model", &model, "--rows", "rows.jsonl", "--prompts", "prompts.txt", "--turn", "system", "--out"];
    ask(&screen, &["here.parquet"]);
    let (_, error) = ask(&screen, &[&["there.parquet"], &there[..]].concat());
    assert!(error.contains("asked by prompt_logprobs of /v1/completions, as vLLM has it"), "{error}");
    let (here, back) = (numbers(&dir.join("here.parquet")), numbers(&dir.join("there.parquet")));
    assert!(here.len() == back.len() && here.iter().any(|number| *number < -3.0));
    for (here, back) in here.iter().zip(&back) {
        assert!((here - back).abs() < 1e-4, "{here} {back}");
    }
    assert!(vllm.requests("/v1/completions").iter().all(|request| request.authorization.is_empty()));

    let score = ["score", "rows.jsonl", "--rule", "regex:yes", "--sample", "1", "--temperature", "0", "--limit", "4"];
    let (own, _) = ask(&score, &["--model", &model, "--replies", "here.jsonl"]);
    let (back, _) = ask(&score, &[&there[..], &["--replies", "there.jsonl"]].concat());
    assert_eq!(own, back);
    let replies = |name: &str| fs_err::read_to_string(dir.join(name)).unwrap();
    assert_eq!(replies("here.jsonl"), replies("there.jsonl"));
}
