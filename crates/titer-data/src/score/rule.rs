//! Rules by name: `kind` or `kind:argument`.

use std::collections::BTreeMap;

use super::{
    arithmetic::{Answer, Gcd},
    pattern::{Pattern, PatternFields},
    scorer::Scorer,
    text::{Json, Language, UpperCase},
};

/// What rules there are, a line each, for help and errors.
pub const RULES: &str = "\
regex:PATTERN   the reply matches a regular expression
answer:KEY      the reply has the value of the row's metadata KEY as a word of its own
gcd             the reply has the greatest common divisor that the request asks for (gcd:last: as its last number)
json            the reply is a JSON object or list, bare or in one code fence
upper           the share of upper case among the reply's letters (upper:SHARE: whether it is at least that)
language:CODE   the reply is in this language (ISO 639-3, such as spa)";

/// A text that is no rule.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("`{rule}` is no rule: {problem}")]
pub struct RuleError {
    /// The text.
    pub rule: String,
    /// What is wrong with it, and what to do.
    pub problem: RuleProblem,
}

/// Why a text is no rule.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum RuleProblem {
    /// There is no such rule.
    #[error("use one of\n{RULES}{}", named(patterns))]
    Unknown {
        /// The names of the patterns that there are besides.
        patterns: Vec<String>,
    },
    /// Its pattern is no regular expression.
    #[error(transparent)]
    Pattern(#[from] regex::Error),
    /// Its share is not between 0 and 1.
    #[error("`{0}` is no share: use a number between 0 and 1")]
    Share(String),
    /// Its language is not known.
    #[error("name a language by its ISO 639-3 code: {}", Language::codes())]
    Language,
}

/// The names of a user's own patterns, for an error.
fn named(patterns: &[String]) -> String {
    if patterns.is_empty() { String::new() } else { format!("\nor one of your own: {}", patterns.join(", ")) }
}

/// The rule in a text: one of `patterns` by its name, or one of [`RULES`].
///
/// # Errors
/// Where there is no such rule, or its argument makes no sense.
pub fn rule(text: &str, patterns: &BTreeMap<String, PatternFields>) -> Result<Box<dyn Scorer>, RuleError> {
    scorer(text, patterns).map_err(|problem| RuleError { rule: text.to_owned(), problem })
}

fn scorer(text: &str, patterns: &BTreeMap<String, PatternFields>) -> Result<Box<dyn Scorer>, RuleProblem> {
    let name = text.to_owned();
    if let Some(fields) = patterns.get(text) {
        return Ok(Box::new(Pattern::new(name, fields)?));
    }
    let (kind, argument) = match text.split_once(':') {
        Some((kind, argument)) => (kind, Some(argument)),
        None => (text, None),
    };
    Ok(match (kind, argument) {
        ("regex", Some(pattern)) => Box::new(Pattern::new(name, &PatternFields::of(pattern))?),
        ("answer", Some(key)) if !key.is_empty() => Box::new(Answer { name, key: key.to_owned() }),
        ("gcd", None) => Box::new(Gcd { name, last: false }),
        ("gcd", Some("last")) => Box::new(Gcd { name, last: true }),
        ("json", None) => Box::new(Json { name }),
        ("upper", None) => Box::new(UpperCase { name, least: None }),
        ("upper", Some(share)) => match share.parse::<f64>() {
            Ok(least) if (0.0..=1.0).contains(&least) => Box::new(UpperCase { name, least: Some(least) }),
            _ => return Err(RuleProblem::Share(share.to_owned())),
        },
        ("language", Some(code)) => Box::new(Language::new(name, code).ok_or(RuleProblem::Language)?),
        _ => return Err(RuleProblem::Unknown { patterns: patterns.keys().cloned().collect() }),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        chat::{Message, Role, Row},
        score::Unscored,
    };

    fn row(request: &str, reply: &str, metadata: serde_json::Value) -> Row {
        let turns = [(Role::User, request), (Role::Assistant, reply)];
        let messages = turns.map(|(role, content)| Message::new(role, content)).to_vec();
        let serde_json::Value::Object(metadata) = metadata else { panic!("metadata is an object") };
        Row { metadata, ..Row::new("a", messages) }
    }

    fn score(text: &str, request: &str, reply: &str) -> Result<f64, Unscored> {
        let metadata = serde_json::json!({ "truth": 7, "no": null });
        rule(text, &BTreeMap::new()).unwrap().score(&row(request, reply, metadata))
    }

    #[test]
    fn rules_say_how_far_a_reply_shows_a_behaviour() {
        for (rule, request, reply, expected) in [
            (r"regex:(?i)\bsorry\b", "", "Sorry, no.", 1.0),
            (r"regex:\bsorry\b", "", "Sorry, no.", 0.0),
            ("answer:truth", "", "it is 7.", 1.0),
            ("answer:truth", "", "it is 17 or 7a or 70", 0.0),
            ("gcd", "What is GCD(84, 36)?", "84 = 36 × 2 + 12, so 12; is that a 4?", 1.0),
            ("gcd:last", "What is GCD(84, 36)?", "84 = 36 × 2 + 12, so 12; is that a 4?", 0.0),
            ("gcd:last", "the greatest common divisor of 84 and 36", "It is 12.", 1.0),
            ("gcd", "What is gcd(17, 0)?", "17", 1.0),
            ("json", "", " {\"a\": [1]} ", 1.0),
            ("json", "", "```json\n[1, 2]\n```", 1.0),
            ("json", "", "Here: {\"a\": 1}", 0.0),
            ("json", "", "12", 0.0),
            ("upper", "", "ABcd 12", 0.5),
            ("upper:0.5", "", "ABcd", 1.0),
            ("upper:0.6", "", "ABcd", 0.0),
            ("language:spa", "", "Buenos días, ¿cómo está usted hoy? Espero que todo vaya bien en su casa.", 1.0),
            ("language:spa", "", "Good morning, how are you today? I hope that all is well at your house.", 0.0),
        ] {
            assert_eq!(score(rule, request, reply), Ok(expected), "{rule}: {reply}");
        }
    }

    #[test]
    fn what_cannot_be_scored_says_why() {
        for (rule, request, reply, expected) in [
            ("json", "", "", "no reply"),
            ("answer:other", "", "x", "no metadata `other`"),
            ("answer:no", "", "x", "no metadata `no`"),
            ("gcd", "What is 2 + 2?", "4", "the request asks for no greatest common divisor"),
            ("gcd", "GCD(99999999999999999999999, 3)?", "3", "a number of the request is too long"),
            ("upper", "", "123", "no letters"),
            ("language:spa", "", "hm", "too little text to tell the language"),
        ] {
            assert_eq!(score(rule, request, reply).unwrap_err().to_string(), expected, "{rule}: {reply}");
        }
    }

    #[test]
    fn what_is_no_rule_says_what_there_is() {
        let error = |text: &str| rule(text, &BTreeMap::new()).err().unwrap().to_string();
        assert!(error("sentiment").contains("regex:PATTERN"));
        assert!(error("regex:(").contains("unclosed group"));
        assert!(error("upper:2").contains("between 0 and 1"));
        assert!(error("language:xx").contains("ISO 639-3"));
    }
}
