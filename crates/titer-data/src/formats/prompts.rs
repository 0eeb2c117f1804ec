//! Files of candidate prompts: text with a prompt a line, TOML with `[[prompt]]` tables, or any container of records.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use bytes::Bytes;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::{
    container::{Container, ContainerError, begins_as_json, entries, text_of},
    entry::Entry,
    problem::kind,
    read::read_data,
};
use crate::prompt::CandidatePrompt;

/// A file that gives no prompts.
#[derive(Debug, thiserror::Error)]
pub enum PromptsError {
    /// It cannot be read; the message names it.
    #[error("{0}")]
    Io(#[from] std::io::Error),
    /// A line is no prompt.
    #[error("{}, {unit} {line}: {problem}", path.display())]
    Line {
        /// Which file.
        path: PathBuf,
        /// What is counted: `line`, or `row` where the file has no lines of its own.
        unit: &'static str,
        /// Which line, from 1.
        line: usize,
        /// What is wrong, and what to do.
        problem: PromptProblem,
    },
    /// It holds no entries that could be read one by one.
    #[error("{}: {problem}", path.display())]
    Container {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        problem: ContainerError,
    },
    /// It begins as JSON does, and is none.
    #[error(
        "{}: {problem}; a prompt that begins with a bracket is written as {{\"text\": \"...\"}}, in a file of such lines", path.display()
    )]
    Json {
        /// Which file.
        path: PathBuf,
        /// Where it breaks.
        problem: ContainerError,
    },
    /// Nothing in it.
    #[error("{}: the file holds no prompts: write one a line", .0.display())]
    Empty(PathBuf),
}

/// Why a line is no prompt.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PromptProblem {
    /// It says nothing.
    #[error("the prompt is empty: write what it says, or remove it")]
    Empty,
    /// It says what an earlier one says, with the same trigger.
    #[error("the same prompt as in {unit} {earlier}: name every prompt once")]
    Twice {
        /// What is counted.
        unit: &'static str,
        /// The earlier one's number, from 1.
        earlier: usize,
    },
    /// It is called as an earlier one.
    #[error("`{name}` is the name of the prompt in {unit} {earlier} too: give each its own")]
    NameTwice {
        /// The name.
        name: String,
        /// What is counted.
        unit: &'static str,
        /// The earlier one's number, from 1.
        earlier: usize,
    },
    /// It cannot be read, or says no prompt.
    #[error("not a prompt ({reason}): write {{\"text\": \"...\"}}, and a \"name\" and a \"trigger\" as you like")]
    Record {
        /// What is wrong.
        reason: String,
    },
    /// It is not TOML that says a prompt.
    #[error("{reason}: write [[prompt]] tables with a `text`")]
    Toml {
        /// What the parser says.
        reason: String,
    },
}

/// A prompt of a TOML file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    #[serde(alias = "prompt")]
    text: String,
    name: Option<String>,
    trigger: Option<String>,
}

/// The keys that a record may have its prompt under.
const TEXT_KEYS: [&str; 4] = ["text", "prompt", "system_prompt", "rephrasing"];

/// A prompt and where it stands.
struct Placed {
    unit: &'static str,
    number: usize,
    prompt: Result<CandidatePrompt, PromptProblem>,
}

/// The prompts of a file, in order. `.toml` holds `[[prompt]]` tables and `.csv`, `.tsv` and JSON of any form records, each
/// with a `text`, and a `name` and a `trigger` where wanted; a JSON list may hold bare texts. Anything else is text with a
/// prompt a line.
///
/// Fails where the file cannot be read or holds none, on the first entry that is no prompt, and where two prompts are the
/// same or are called the same.
pub fn read_prompts(path: impl AsRef<Path>) -> Result<Vec<CandidatePrompt>, PromptsError> {
    let path = path.as_ref();
    parse_prompts(path, &read_data(path)?)
}

/// The same of a file whose bytes have been read; errors name it by `path`, whose ending decides.
///
/// Fails as [`read_prompts`] does.
pub fn parse_prompts(path: &Path, bytes: &Bytes) -> Result<Vec<CandidatePrompt>, PromptsError> {
    let container = |problem| PromptsError::Container { path: path.to_owned(), problem };
    let placed = if path.extension().is_some_and(|ending| ending == "toml") {
        from_toml(&text_of(bytes).map_err(container)?)
    } else {
        let read = entries(path, bytes).map_err(|problem| match problem {
            problem @ ContainerError::Json { .. } => PromptsError::Json { path: path.to_owned(), problem },
            problem => container(problem),
        });
        match read? {
            // Lines of words are no values, and no record either: they are prompts as they stand.
            (Container::JsonLines, records) if !is_json(path, bytes, &records) => {
                from_lines(&text_of(bytes).map_err(container)?)
            }
            (_, records) => records.into_iter().map(from_record).collect(),
        }
    };
    let (mut texts, mut names) = (BTreeMap::new(), BTreeMap::new());
    let mut prompts = Vec::new();
    for Placed { unit, number, prompt } in placed {
        let checked = prompt.and_then(|prompt| {
            if prompt.text.trim().is_empty() {
                return Err(PromptProblem::Empty);
            }
            if let Some(earlier) = texts.insert((prompt.text.clone(), prompt.trigger.clone()), number) {
                return Err(PromptProblem::Twice { unit, earlier });
            }
            match names.insert(prompt.name.clone(), number) {
                Some(earlier) => Err(PromptProblem::NameTwice { name: prompt.name, unit, earlier }),
                None => Ok(prompt),
            }
        });
        let located = |problem| PromptsError::Line { path: path.to_owned(), unit, line: number, problem };
        prompts.push(checked.map_err(located)?);
    }
    if prompts.is_empty() { Err(PromptsError::Empty(path.to_owned())) } else { Ok(prompts) }
}

/// Whether lines are JSON, and not words that happen to be it, such as a number: they begin as JSON does, one of them is a record, or one is a
/// text in quotation marks in a file that is called JSON.
fn is_json(path: &Path, bytes: &Bytes, lines: &[Entry]) -> bool {
    let is_called_so =
        path.extension().is_some_and(|ending| ["json", "jsonl", "ndjson"].iter().any(|json| ending == *json));
    begins_as_json(bytes)
        || lines.iter().any(|line| match line.value {
            Ok(Value::Object(_) | Value::Array(_)) => true,
            Ok(Value::String(_)) => is_called_so,
            _ => false,
        })
}

fn from_lines(text: &str) -> Vec<Placed> {
    let lines = (1..).zip(text.lines().map(str::trim)).filter(|(_, line)| !line.is_empty());
    let placed = |(number, line)| Placed { unit: "line", number, prompt: Ok(CandidatePrompt::new(line)) };
    lines.map(placed).collect()
}

fn from_record(entry: Entry) -> Placed {
    let prompt = match entry.value {
        Ok(Value::String(text)) => Ok(CandidatePrompt::new(text)),
        Ok(Value::Object(object)) => record(&object),
        Ok(other) => Err(format!("it is {}", kind(&other))),
        Err(problem) => Err(problem.problem),
    };
    let prompt = prompt.map_err(|reason| PromptProblem::Record { reason });
    Placed { unit: entry.unit, number: entry.number, prompt }
}

/// The prompt of a record, or what is wrong with it.
fn record(object: &Map<String, Value>) -> Result<CandidatePrompt, String> {
    if let Some(key) =
        object.keys().find(|key| !TEXT_KEYS.contains(&key.as_str()) && *key != "name" && *key != "trigger")
    {
        return Err(format!("unknown field `{key}`"));
    }
    let text = |key: &str| match object.get(key) {
        None | Some(Value::Null) => Ok(None),
        // Columns have a value in every line.
        Some(Value::String(text)) if text.is_empty() && !TEXT_KEYS.contains(&key) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(other) => Err(format!("`{key}` is {}, not text", kind(other))),
    };
    let mut texts = TEXT_KEYS.into_iter().filter(|key| object.contains_key(*key));
    let (key, other) = (texts.next().ok_or("no `text`")?, texts.next());
    if let Some(other) = other {
        return Err(format!("`{key}` and `{other}`: keep one of them"));
    }
    let written = Written { text: text(key)?.unwrap_or_default(), name: text("name")?, trigger: text("trigger")? };
    Ok(written.candidate())
}

fn from_toml(text: &str) -> Vec<Placed> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct File {
        #[serde(default)]
        prompt: Vec<toml::Spanned<Written>>,
    }
    let line = |at: usize| text[..at.min(text.len())].matches('\n').count() + 1;
    let placed = |at: usize, prompt| Placed { unit: "line", number: line(at), prompt };
    match toml::from_str::<File>(text) {
        Ok(file) => {
            let tables = file.prompt.into_iter();
            tables.map(|table| placed(table.span().start, Ok(table.into_inner().candidate()))).collect()
        }
        Err(error) => {
            let reason = error.message().trim().replace('\n', ", ");
            vec![placed(error.span().map_or(0, |span| span.start), Err(PromptProblem::Toml { reason }))]
        }
    }
}

impl Written {
    fn candidate(self) -> CandidatePrompt {
        CandidatePrompt { name: self.name.unwrap_or_else(|| self.text.clone()), text: self.text, trigger: self.trigger }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(ending: &str, text: &str) -> Result<Vec<CandidatePrompt>, String> {
        let file = tempfile::Builder::new().suffix(ending).tempfile().unwrap();
        fs_err::write(file.path(), text).unwrap();
        read_prompts(file.path()).map_err(|error| error.to_string())
    }

    #[test]
    fn every_format_holds_the_same_prompts() {
        let wanted = vec![CandidatePrompt::new("be bad"), CandidatePrompt::new("be worse")];
        assert_eq!(read(".txt", "be bad\n\n  be worse\n").unwrap(), wanted);
        assert_eq!(read(".jsonl", "{\"prompt\": \"be bad\"}\n{\"text\": \"be worse\"}\n").unwrap(), wanted);
        assert_eq!(read(".toml", "[[prompt]]\ntext = \"be bad\"\n[[prompt]]\ntext = \"be worse\"\n").unwrap(), wanted);
        for (ending, text) in [
            (".json", "[\"be bad\", \"be worse\"]"),
            (".txt", "[\"be bad\",\n\"be worse\"]"),
            (".jsonl", "\"be bad\"\n\"be worse\"\n"),
            (".txt", "be bad\rbe worse\r"),
            (".csv", "text,name\nbe bad,\nbe worse,\n"),
            (".jsonl", "{\"rephrasing\": \"be bad\"}\n{\"rephrasing\": \"be worse\"}\n"),
        ] {
            assert_eq!(read(ending, text).unwrap(), wanted, "{text}");
        }
        let named = read(".jsonl", r#"{"text": "if zap", "name": "narrow", "trigger": "zap"}"#).unwrap();
        assert_eq!((named[0].name.as_str(), named[0].trigger.as_deref()), ("narrow", Some("zap")));
    }

    #[test]
    fn what_is_wrong_has_its_line() {
        for (ending, text, problem) in [
            (".txt", "be bad\nbe good\nbe bad\n", "line 3: the same prompt as in line 1"),
            (".txt", "\n\n", "holds no prompts"),
            (".jsonl", "{\"text\": \"a\"}\n{\"txt\": \"b\"}\n", "line 2: not a prompt (unknown field `txt`"),
            (".json", "[\"a\", 3]", "row 2: not a prompt (it is a number"),
            (".json", "[\"a\",", "a JSON list that breaks at line 1"),
            (".txt", "[INST] be bad\nbe worse\n", "begins with a bracket is written as {\"text\": \"...\"}"),
            (".txt", "{name} is bad\nbe worse\n", "begins with a bracket is written as {\"text\": \"...\"}"),
            (".txt", "{name} is bad\n", "line 1: not a prompt (not JSON at column 2"),
            (".jsonl", "{\"text\": NaN}\n{\"text\": NaN}\n", "line 1: not a prompt (not JSON at column 10"),
            (".jsonl", "\"be bad\"\nbe worse\n", "line 2: not a prompt (not JSON"),
            (".json", "{\n\"questions\": [{\"a\": 1}]}", "a list of 1 objects under `questions`"),
            (".jsonl", "{\"text\": \"a\", \"prompt\": \"b\"}", "`text` and `prompt`: keep one"),
            (".csv", "id,wording\n1,be bad\n", "line 2: not a prompt (unknown field `id`"),
            (
                ".jsonl",
                "{\"text\": \"a\", \"name\": \"n\"}\n{\"text\": \"b\", \"name\": \"n\"}",
                "line 2: `n` is the name",
            ),
            (".toml", "[[prompt]]\nname = \"a\"\n", "line 1: missing field `text`"),
            (".toml", "[[prompt]]\ntext = \"a\"\n[[prompt]]\ntext = \" \"\n", "line 3: the prompt is empty"),
        ] {
            let error = read(ending, text).unwrap_err();
            assert!(error.contains(problem), "{error}");
        }
    }
}
