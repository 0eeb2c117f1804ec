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

/// The hashes of the claims that the spec made when the run started; `None` where that was not written down, as by an older titer.
/// The error is a problem with its line.
pub(super) fn claims(run: &Path) -> Result<Option<Vec<String>>, String> {
    let path = run.join(FILE);
    // What was measured does not depend on events, so a run without them is whole.
    if !path.exists() {
        return Ok(None);
    }
    let text = fs_err::read_to_string(&path).map_err(|error| error.to_string())?;
    let mut found = None;
    for (at, line) in text.lines().enumerate() {
        let problem = |problem: String| format!("{}:{}: {problem}", path.display(), at + 1);
        let event: Value = serde_json::from_str(line).map_err(|error| problem(error.to_string()))?;
        let Some(claims) = event.get("claims").filter(|_| event["event"] == "start") else { continue };
        let hashes = claims.as_array().map(|hashes| hashes.iter().map(|hash| hash.as_str().map(str::to_owned)));
        let hashes = hashes.and_then(Iterator::collect);
        found = Some(hashes.ok_or_else(|| problem("`claims` is no list of hashes".to_owned()))?);
    }
    Ok(found)
}
