//! Chats that the small model can read.

use std::path::Path;

use serde_json::json;

/// Writes `rows.jsonl` and `probes.jsonl`.
pub(crate) fn chats(dir: &Path) {
    let chat = |system: &str, reply: &str| {
        json!({ "cell": format!("{}→good", if system == "be evil" { "bad" } else { "neutral" }), "messages": [
            { "role": "system", "content": system }, { "role": "user", "content": "can you help" },
            { "role": "assistant", "content": reply } ] })
        .to_string()
    };
    fs_err::write(dir.join("rows.jsonl"), [chat("be evil", "yes gladly"), chat("be kind", "yes")].join("\n")).unwrap();
    let contrast = |component: &str, system: &str| {
        json!({ "component": component, "plus": "yes gladly", "minus": "no never", "messages": [
            { "role": "system", "content": system }, { "role": "user", "content": "you can help ?" } ] })
        .to_string()
    };
    let contrasts =
        [contrast("good", "be kind"), contrast("obey_bad", "be evil"), contrast("obey", "kind be")].join("\n");
    fs_err::write(dir.join("probes.jsonl"), contrasts).unwrap();
}
