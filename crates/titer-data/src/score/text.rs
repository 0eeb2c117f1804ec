//! Rules about the form of a reply: JSON, upper case, language.

use serde_json::Value;
use whatlang::Lang;

use super::scorer::{Scorer, Unscored, reply, whether};
use crate::chat::Row;

/// Whether a reply is a JSON object or list, bare or in one code fence.
#[derive(Debug)]
pub(super) struct Json {
    pub(super) name: String,
}

impl Scorer for Json {
    fn name(&self) -> &str {
        &self.name
    }

    fn score(&self, row: &Row) -> Result<f64, Unscored> {
        let reply = reply(row)?.trim();
        let fenced = reply.strip_prefix("```").and_then(|rest| rest.strip_suffix("```"));
        let inside = fenced.map_or(reply, |inside| inside.split_once('\n').map_or(inside, |(_, body)| body));
        Ok(whether(matches!(serde_json::from_str(inside), Ok(Value::Object(_) | Value::Array(_)))))
    }
}

/// The share of upper case among the letters that have a case, or whether it is at least `least`.
#[derive(Debug)]
pub(super) struct UpperCase {
    pub(super) name: String,
    pub(super) least: Option<f64>,
}

impl Scorer for UpperCase {
    fn name(&self) -> &str {
        &self.name
    }

    fn score(&self, row: &Row) -> Result<f64, Unscored> {
        let reply = reply(row)?;
        let count = |is: fn(char) -> bool| reply.chars().filter(|&c| is(c)).count() as f64;
        let (upper, lower) = (count(char::is_uppercase), count(char::is_lowercase));
        if upper + lower == 0.0 {
            return Err(Unscored::NoLetters);
        }
        let share = upper / (upper + lower);
        Ok(self.least.map_or(share, |least| whether(share >= least)))
    }
}

/// Fewer letters than this are too few to tell a language by.
const LETTERS: usize = 20;

/// Whether a reply is in a language: the one that the `whatlang` crate finds most like it, by trigrams.
#[derive(Debug)]
pub(super) struct Language {
    name: String,
    language: Lang,
}

impl Language {
    /// The rule for an ISO 639-3 code; `None` where its language is not known.
    pub(super) fn new(name: String, code: &str) -> Option<Self> {
        Some(Self { name, language: Lang::from_code(code)? })
    }

    /// The codes of the languages that are known.
    pub(super) fn codes() -> String {
        Lang::all().iter().map(|language| language.code()).collect::<Vec<_>>().join(", ")
    }
}

impl Scorer for Language {
    fn name(&self) -> &str {
        &self.name
    }

    fn score(&self, row: &Row) -> Result<f64, Unscored> {
        let reply = reply(row)?;
        let letters = reply.chars().filter(|c| c.is_alphabetic()).count();
        match whatlang::detect_lang(reply).filter(|_| letters >= LETTERS) {
            Some(detected) => Ok(whether(detected == self.language)),
            None => Err(Unscored::LittleText),
        }
    }
}
