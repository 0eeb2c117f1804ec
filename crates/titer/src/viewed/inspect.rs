//! A run as logs of Inspect's: one for each probe, a sample for each contrast.

use std::collections::BTreeMap;

use chrono::DateTime;
use serde_json::{Map, Value, json};
use titer_data::chat::Message;

use super::ViewedRun;
use crate::{results::Split, table::ProbeRecord};

/// The chat of a contrast.
#[derive(Clone, Debug, PartialEq)]
pub struct ProbedChat {
    /// The turns before the reply.
    pub context: Vec<Message>,
    /// The reply that shows the component.
    pub plus: String,
}

/// The logs of a run, by the names of their files: for each probe, what it measured at the run's end. A sample's scores are `rate`, the exact
/// probability of the replies that show the component, `margin`, `margin_before` as it was before training, and `gap` where there is one.
/// `chat` knows the chats of contrasts; without one a sample holds the contrast's name.
///
/// Inspect reads a log whose keys stand in this order alone: version, status, eval, plan, results, stats, samples.
pub fn inspect_logs(run: &ViewedRun, chat: &dyn Fn(&ProbeRecord) -> Option<ProbedChat>) -> Vec<(String, String)> {
    let mut by_probe: BTreeMap<Split, Vec<&ProbeRecord>> = BTreeMap::new();
    run.probes.iter().for_each(|record| by_probe.entry(Split::of(record)).or_default().push(record));
    by_probe.iter().map(|(split, records)| log(run, &split.name(), records, chat)).collect()
}

fn log(
    run: &ViewedRun,
    probe: &str,
    records: &[&ProbeRecord],
    chat: &dyn Fn(&ProbeRecord) -> Option<ProbedChat>,
) -> (String, String) {
    let [first, last] =
        [records.iter().map(|record| record.step).min(), records.iter().map(|record| record.step).max()];
    let before: BTreeMap<&str, f64> = records
        .iter()
        .filter(|record| Some(record.step) == first)
        .map(|record| (record.item.as_str(), record.margin))
        .collect();
    // Where two stages measured at one step, the later counts.
    let at_end: BTreeMap<&str, &ProbeRecord> = records
        .iter()
        .filter(|record| Some(record.step) == last)
        .map(|record| (record.item.as_str(), *record))
        .collect();
    let model = format!("titer/{}", run.name());
    let scores: Vec<(&str, Vec<(&'static str, f64)>)> = at_end
        .iter()
        .map(|(&item, record)| {
            let margin_before = before.get(item).copied().unwrap_or(f64::NAN);
            let scores = [
                ("rate", record.rate),
                ("margin", record.margin),
                ("margin_before", margin_before),
                ("gap", record.gap),
            ];
            (item, scores.into_iter().filter(|(_, number)| number.is_finite()).collect())
        })
        .collect();
    let samples: Vec<Value> =
        scores.iter().map(|(item, scores)| sample(run, probe, &model, at_end[item], scores, chat)).collect();
    let mut sums: BTreeMap<&str, (f64, usize)> = BTreeMap::new();
    for (name, number) in scores.iter().flat_map(|(_, scores)| scores) {
        let (sum, count) = sums.entry(name).or_default();
        *sum += number;
        *count += 1;
    }
    let mean = |(name, (sum, count)): (&&str, &(f64, usize))| {
        let metrics = json!({ "mean": { "name": "mean", "value": sum / *count as f64, "params": {} } });
        json!({ "name": name, "scorer": name, "params": {}, "scored_samples": count, "unscored_samples": samples.len() - count, "metrics": metrics })
    };
    let [started, done] = run.times.map(instant);
    let items: Vec<&str> = at_end.keys().copied().collect();
    let titer = json!({ "titer": env!("CARGO_PKG_VERSION") });
    // What stands before a slash Inspect takes for the name of a package.
    let task = probe.replace('/', "-");
    let text = json!({
        "version": 2,
        "status": "success",
        "eval": {
            "eval_id": hash(run, probe, "eval"), "run_id": hash(run, "", "run"), "created": started, "task": task,
            "task_id": hash(run, probe, "task"), "task_version": 0, "task_attribs": {}, "task_args": {}, "task_args_passed": {},
            "tags": ["titer"], "dataset": { "name": run.title, "samples": items.len(), "sample_ids": items, "shuffled": false },
            "model": model, "model_generate_config": {}, "model_args": {}, "config": { "epochs": 1 }, "packages": titer,
            "metadata": { "probe": probe, "run": run.id.0, "arm": run.arm, "seed": run.seed, "step": last },
        },
        "plan": { "name": "plan", "steps": [], "config": {} },
        "results": {
            "total_samples": samples.len(), "completed_samples": samples.len(),
            "scores": sums.iter().map(mean).collect::<Vec<Value>>(),
        },
        "stats": { "started_at": started, "completed_at": done, "model_usage": {} },
        "samples": samples,
    });
    let name = format!("{}_{task}_{}.json", started.replace([':', '+'], "-"), hash(run, probe, "task"));
    (name, format!("{text:#}\n"))
}

fn sample(
    run: &ViewedRun,
    probe: &str,
    model: &str,
    record: &ProbeRecord,
    scores: &[(&str, f64)],
    chat: &dyn Fn(&ProbeRecord) -> Option<ProbedChat>,
) -> Value {
    let chat = chat(record);
    let turn = |message: &Message| json!({ "role": message.role.word(), "content": message.content });
    let turns: Option<Vec<Value>> = chat.as_ref().map(|chat| chat.context.iter().map(turn).collect());
    let plus = chat.map_or_else(String::new, |chat| chat.plus);
    // Nothing was drawn: the reply that shows the component stands where Inspect looks for one, its probability is the score.
    let reply = json!({ "role": "assistant", "content": plus, "source": "generate" });
    let choices = json!([{ "message": reply, "stop_reason": "stop" }]);
    let scores = scores.iter().map(|(name, number)| ((*name).to_owned(), json!({ "value": number, "answer": plus })));
    json!({
        "id": record.item, "epoch": 1,
        "input": turns.clone().map_or_else(|| json!(record.item), Value::Array),
        "target": plus,
        "messages": turns.unwrap_or_default().into_iter().chain([reply.clone()]).collect::<Vec<Value>>(),
        "output": { "model": model, "choices": choices, "completion": plus },
        "scores": scores.collect::<Map<String, Value>>(),
        "metadata": {
            "component": record.component.word(), "prompts": record.prompts.word(), "domains": record.domains.word(),
            "stage": record.stage, "step": record.step,
        },
        "store": {}, "events": [], "model_usage": {}, "role_usage": {}, "attachments": {},
        "uuid": hash(run, probe, &record.item),
    })
}

/// A name that is a run's, a probe's and a part's alone.
fn hash(run: &ViewedRun, probe: &str, part: &str) -> String {
    let mut hasher = blake3::Hasher::new();
    for text in [&*run.id.0, &*run.arm, probe, part] {
        hasher.update(&(text.len() as u64).to_le_bytes()).update(text.as_bytes());
    }
    hasher.finalize().to_hex()[..22].to_owned()
}

/// Seconds since 1970 as Inspect writes instants.
fn instant(seconds: f64) -> String {
    let instant = DateTime::from_timestamp(seconds as i64, 0).unwrap_or_default();
    instant.format("%Y-%m-%dT%H:%M:%S+00:00").to_string()
}
