//! `drawn.jsonl` of a run: the rows whose replies its model wrote, as chats.

use std::path::Path;

use serde::Deserialize;

/// What is read of a row whose reply the model wrote.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DrawnRow {
    /// The stage that trained it.
    pub stage: String,
    /// The prompt that it was under while its reply was drawn; empty for none.
    pub drawn_under: String,
    /// The prompt that it was trained under; empty for none.
    pub trained_under: String,
    /// What the user said last.
    pub request: String,
    /// What the model wrote.
    pub reply: String,
}

#[derive(Deserialize)]
struct Line {
    stage: String,
    drawn_under: String,
    messages: Vec<Message>,
}

#[derive(Deserialize)]
struct Message {
    role: String,
    content: String,
}

impl DrawnRow {
    /// The file's name in a run's folder.
    pub const FILE: &str = "drawn.jsonl";

    /// The rows of a run, in the order in which they were trained; none where its models wrote none. The error is a problem with its line.
    pub(crate) fn read(run: &Path) -> Result<Vec<Self>, String> {
        let path = run.join(Self::FILE);
        if !path.exists() {
            return Ok(Vec::new());
        }
        let text = fs_err::read_to_string(&path).map_err(|error| error.to_string())?;
        let row = |(at, line): (usize, &str)| {
            let Line { stage, drawn_under, messages } =
                serde_json::from_str(line).map_err(|error| format!("{}:{}: {error}", path.display(), at + 1))?;
            let last = |role: &str| {
                let message = messages.iter().rev().find(|message| message.role == role);
                message.map_or_else(String::new, |message| message.content.clone())
            };
            let [trained_under, request, reply] = ["system", "user", "assistant"].map(last);
            Ok(Self { stage, drawn_under, trained_under, request, reply })
        };
        text.lines().enumerate().map(row).collect()
    }
}
