//! Files of candidate prompts: text with a prompt a line, TOML with `[[prompt]]` tables, or JSONL.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use serde::Deserialize;

use crate::prompt::CandidatePrompt;

/// A file that gives no prompts.
#[derive(Debug, thiserror::Error)]
pub enum PromptsError {
    /// It cannot be read; the message names it.
    #[error("{0}")]
    Io(#[from] std::io::Error),
    /// A line is no prompt.
    #[error("{}, line {line}: {problem}", path.display())]
    Line {
        /// Which file.
        path: PathBuf,
        /// Which line, from 1.
        line: usize,
        /// What is wrong, and what to do.
        problem: PromptProblem,
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
    #[error("the same prompt as in line {earlier}: name every prompt once")]
    Twice {
        /// The earlier one's line, from 1.
        earlier: usize,
    },
    /// It is called as an earlier one.
    #[error("`{name}` is the name of the prompt in line {earlier} too: give each its own")]
    NameTwice {
        /// The name.
        name: String,
        /// The earlier one's line, from 1.
        earlier: usize,
    },
    /// It is not JSON that says a prompt.
    #[error("not a prompt ({reason}): write {{\"text\": \"...\"}}, and a \"name\" and a \"trigger\" as you like")]
    Json {
        /// What the parser says.
        reason: String,
    },
    /// It is not TOML that says a prompt.
    #[error("{reason}: write [[prompt]] tables with a `text`")]
    Toml {
        /// What the parser says.
        reason: String,
    },
}

/// A prompt of a TOML or JSONL file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    #[serde(alias = "prompt")]
    text: String,
    name: Option<String>,
    trigger: Option<String>,
}

/// The prompts of a file, in order: `.toml` and `.jsonl` by their ending, anything else is text with a prompt a line. In the
/// first two a prompt has a `text` and may have a `name` and a `trigger`.
///
/// Fails where the file cannot be read or holds none, on the first line that is no prompt, and where two prompts are the
/// same or are called the same.
pub fn read_prompts(path: impl AsRef<Path>) -> Result<Vec<CandidatePrompt>, PromptsError> {
    let path = path.as_ref();
    let text = fs_err::read_to_string(path)?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    let error = |line, problem| PromptsError::Line { path: path.to_owned(), line, problem };
    let prompts = match path.extension().and_then(|ending| ending.to_str()) {
        Some("toml") => from_toml(text),
        Some("jsonl") => from_jsonl(text),
        _ => Ok(lines(text).map(|(line, text)| (line, CandidatePrompt::new(text))).collect()),
    };
    let prompts = prompts.map_err(|(line, problem)| error(line, problem))?;
    let (mut texts, mut names) = (BTreeMap::new(), BTreeMap::new());
    for (line, prompt) in &prompts {
        if prompt.text.trim().is_empty() {
            return Err(error(*line, PromptProblem::Empty));
        }
        if let Some(&earlier) = texts.insert((&prompt.text, &prompt.trigger), line) {
            return Err(error(*line, PromptProblem::Twice { earlier }));
        }
        if let Some(&earlier) = names.insert(&prompt.name, line) {
            return Err(error(*line, PromptProblem::NameTwice { name: prompt.name.clone(), earlier }));
        }
    }
    if prompts.is_empty() {
        return Err(PromptsError::Empty(path.to_owned()));
    }
    Ok(prompts.into_iter().map(|(_, prompt)| prompt).collect())
}

/// Prompts with their lines, or the first line that is none and why.
type NumberedPrompts = Result<Vec<(usize, CandidatePrompt)>, (usize, PromptProblem)>;

fn lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    (1..).zip(text.lines()).map(|(at, line)| (at, line.trim())).filter(|(_, line)| !line.is_empty())
}

fn from_jsonl(text: &str) -> NumberedPrompts {
    let parse = |(line, text): (usize, &str)| match serde_json::from_str::<Written>(text) {
        Ok(written) => Ok((line, written.candidate())),
        Err(error) => {
            let reason = error.to_string();
            let reason = reason.split(" at line ").next().unwrap_or_default().to_owned();
            Err((line, PromptProblem::Json { reason }))
        }
    };
    lines(text).map(parse).collect()
}

fn from_toml(text: &str) -> NumberedPrompts {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct File {
        #[serde(default)]
        prompt: Vec<toml::Spanned<Written>>,
    }
    let line = |at: usize| text[..at.min(text.len())].matches('\n').count() + 1;
    let file: File = toml::from_str(text).map_err(|error| {
        let reason = error.message().trim().replace('\n', ", ");
        (line(error.span().map_or(0, |span| span.start)), PromptProblem::Toml { reason })
    })?;
    Ok(file.prompt.into_iter().map(|written| (line(written.span().start), written.into_inner().candidate())).collect())
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
    fn three_formats_hold_the_same_prompts() {
        let wanted = vec![CandidatePrompt::new("be bad"), CandidatePrompt::new("be worse")];
        assert_eq!(read(".txt", "be bad\n\n  be worse\n").unwrap(), wanted);
        assert_eq!(read(".jsonl", "{\"prompt\": \"be bad\"}\n{\"text\": \"be worse\"}\n").unwrap(), wanted);
        assert_eq!(read(".toml", "[[prompt]]\ntext = \"be bad\"\n[[prompt]]\ntext = \"be worse\"\n").unwrap(), wanted);
        let named = read(".jsonl", r#"{"text": "if zap", "name": "narrow", "trigger": "zap"}"#).unwrap();
        assert_eq!((named[0].name.as_str(), named[0].trigger.as_deref()), ("narrow", Some("zap")));
    }

    #[test]
    fn what_is_wrong_has_its_line() {
        for (ending, text, problem) in [
            (".txt", "be bad\nbe good\nbe bad\n", "line 3: the same prompt as in line 1"),
            (".txt", "\n\n", "holds no prompts"),
            (".jsonl", "{\"text\": \"a\"}\n{\"txt\": \"b\"}\n", "line 2: not a prompt (unknown field `txt`"),
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
