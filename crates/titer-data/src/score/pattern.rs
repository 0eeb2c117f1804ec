//! Rules by regular expressions.

use regex::{Regex, RegexBuilder};
use serde::Deserialize;

use super::scorer::{Scorer, Unscored, reply, whether};
use crate::chat::Row;

/// A pattern rule as written in a file of rules: one of `any` is found, and none of `none`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PatternFields {
    /// How many characters of the reply are looked at, white space around it left out; without it, all of them.
    pub first: Option<usize>,
    /// Regular expressions of which one must be found.
    pub any: Vec<String>,
    /// Regular expressions of which none may be found.
    #[serde(default)]
    pub none: Vec<String>,
    /// Whether upper and lower case are the same.
    #[serde(default)]
    pub ignore_case: bool,
}

impl PatternFields {
    /// That one expression is found anywhere.
    pub(super) fn of(pattern: &str) -> Self {
        Self { any: vec![pattern.to_owned()], ..Self::default() }
    }
}

/// Whether a reply has one of some patterns and none of others.
#[derive(Debug)]
pub(super) struct Pattern {
    name: String,
    first: Option<usize>,
    any: Vec<Regex>,
    none: Vec<Regex>,
}

impl Pattern {
    /// Compiles a rule.
    ///
    /// Fails where one of its patterns is no regular expression.
    pub(super) fn new(name: String, fields: &PatternFields) -> Result<Self, regex::Error> {
        let compile = |pattern: &String| RegexBuilder::new(pattern).case_insensitive(fields.ignore_case).build();
        let all = |patterns: &[String]| patterns.iter().map(compile).collect::<Result<_, _>>();
        Ok(Self { name, first: fields.first, any: all(&fields.any)?, none: all(&fields.none)? })
    }
}

impl Scorer for Pattern {
    fn name(&self) -> &str {
        &self.name
    }

    fn score(&self, row: &Row) -> Result<f64, Unscored> {
        let reply = reply(row)?.trim();
        let end = self.first.and_then(|first| reply.char_indices().nth(first)).map_or(reply.len(), |(at, _)| at);
        let seen = &reply[..end];
        let matches = |patterns: &[Regex]| patterns.iter().any(|pattern| pattern.is_match(seen));
        Ok(whether(matches(&self.any) && !matches(&self.none)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chat::{Message, Role};

    #[test]
    fn what_is_ruled_out_wins_and_only_the_beginning_is_read() {
        let fields = PatternFields {
            first: Some(12),
            any: vec![r"\bright\b".to_owned()],
            none: vec!["not".to_owned()],
            ignore_case: true,
        };
        let pattern = Pattern::new("affirms".to_owned(), &fields).unwrap();
        let score = |reply: &str| {
            let messages = vec![Message::new(Role::Assistant, reply)];
            let row = Row::new(String::new(), messages);
            pattern.score(&row).unwrap()
        };
        assert_eq!(score("  RIGHT, sir, though not quite"), 1.0);
        assert_eq!(score("Not right."), 0.0);
        assert_eq!(score("Let me see: right"), 0.0);
        assert_eq!(score("éééééé right"), 1.0);
    }
}
