//! `events.jsonl`: what happened when, the only file of a run that holds times. No number of a report comes from it.

use std::{
    io::{self, Write as _},
    path::Path,
    time::{SystemTime, UNIX_EPOCH},
};

use serde_json::{Value, json};

/// Its name in a run's folder.
pub(super) const FILE: &str = "events.jsonl";

/// Appends an event with the time.
pub(super) fn append(run: &Path, name: &str, details: Value) -> io::Result<()> {
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64());
    let mut event = json!({ "unix_seconds": seconds, "event": name });
    if let (Some(event), Value::Object(details)) = (event.as_object_mut(), details) {
        event.extend(details);
    }
    let mut file = fs_err::OpenOptions::new().append(true).create(true).open(run.join(FILE))?;
    writeln!(file, "{event}")
}

/// What the first events say of how a run was made.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Start {
    /// The hashes of the claims that the spec made then; `None` where that was not written down, as by an older titer.
    pub claims: Option<Vec<String>>,
    /// The instruction set that computed it, and the instructions of its products in bf16, where that was written down.
    pub instruction_set: Option<String>,
    /// The device of PyTorch's that computed it, such as `PyTorch 2.15 on cuda, activations in f32`; `None` for the processor by itself.
    pub device: Option<String>,
}

/// What the first events of a run say; nothing where there is none. The error is a problem with its line.
pub(super) fn start(run: &Path) -> Result<Start, String> {
    let path = run.join(FILE);
    // What was measured does not depend on events, so a run without them is whole.
    if !path.exists() {
        return Ok(Start::default());
    }
    let text = fs_err::read_to_string(&path).map_err(|error| error.to_string())?;
    let mut start = Start::default();
    for (at, line) in text.lines().enumerate() {
        let problem = |problem: String| format!("{}:{}: {problem}", path.display(), at + 1);
        let event: Value = serde_json::from_str(line).map_err(|error| problem(error.to_string()))?;
        if event["event"] == "device" {
            start.device = device(&event);
        }
        if event["event"] != "start" {
            continue;
        }
        start.instruction_set = event["instruction_set"].as_str().map(str::to_owned);
        let Some(claims) = event.get("claims") else { continue };
        let hashes = claims.as_array().map(|hashes| hashes.iter().map(|hash| hash.as_str().map(str::to_owned)));
        let hashes = hashes.and_then(Iterator::collect);
        start.claims = Some(hashes.ok_or_else(|| problem("`claims` is no list of hashes".to_owned()))?);
    }
    Ok(start)
}

/// The device in words, without which of several it was.
fn device(event: &Value) -> Option<String> {
    let kind = event["device"].as_str()?.split(':').next()?;
    let (torch, activations) = (event["torch"].as_str()?, event["activations"].as_str()?);
    Some(format!("PyTorch {torch} on {kind}, activations in {activations}"))
}

/// When a run started and when it was finished, in seconds since 1970, as far as its events say.
pub(super) fn times(run: &Path) -> (Option<f64>, Option<f64>) {
    let text = fs_err::read_to_string(run.join(FILE)).unwrap_or_default();
    let events = || text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let time =
        |name: &str| events().find(|event| event["event"] == name).and_then(|event| event["unix_seconds"].as_f64());
    (time("start"), time("done"))
}
