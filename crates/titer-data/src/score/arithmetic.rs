//! Rules that know the right answer: from the row's metadata, or from the numbers in the request.

use std::sync::LazyLock;

use regex::Regex;

use super::scorer::{Scorer, Unscored, reply, whether};
use crate::{
    chat::{Role, Row},
    keys::value,
};

/// Whether a reply has the value of a metadata key as a word of its own.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) name: String,
    pub(super) key: String,
}

impl Scorer for Answer {
    fn name(&self) -> &str {
        &self.name
    }

    fn key(&self) -> Option<&str> {
        Some(&self.key)
    }

    fn score(&self, row: &Row) -> Result<f64, Unscored> {
        let answer = value(row, &self.key);
        if answer.is_empty() {
            return Err(Unscored::NoMetadata(self.key.clone()));
        }
        Ok(whether(has_word(reply(row)?, &answer)))
    }
}

/// Whether a reply has the greatest common divisor of the two numbers in the request.
#[derive(Debug)]
pub(super) struct Gcd {
    pub(super) name: String,
    /// Whether it must be the last number.
    pub(super) last: bool,
}

impl Scorer for Gcd {
    fn name(&self) -> &str {
        &self.name
    }

    fn score(&self, row: &Row) -> Result<f64, Unscored> {
        static ASKED: LazyLock<Regex> = LazyLock::new(|| {
            let asked = r"(?i)\b(?:gcd|greatest common divisor)\s*(?:\(|of\b)\s*(\d+)\s*(?:,|and\b)\s*(\d+)";
            Regex::new(asked).expect("it is a regular expression")
        });
        let asked = row.split().0.iter().rev().find(|message| message.role == Role::User);
        let Some(numbers) = asked.and_then(|message| ASKED.captures(&message.content)) else {
            return Err(Unscored::NoDivisorAsked);
        };
        let number = |text: &str| text.parse().map_err(|_| Unscored::LongNumber);
        let divisor = gcd(number(&numbers[1])?, number(&numbers[2])?).to_string();
        let reply = reply(row)?;
        Ok(whether(if self.last { last_number(reply) == Some(&divisor) } else { has_word(reply, &divisor) }))
    }
}

/// The greatest common divisor, by Euclid; of a number and 0, the number.
fn gcd(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { gcd(b, a % b) }
}

/// Whether `word` stands in a text with no letter, digit or underscore beside it.
fn has_word(text: &str, word: &str) -> bool {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let beside = |at: usize| (text[..at].chars().next_back(), text[at + word.len()..].chars().next());
    !word.is_empty()
        && text.match_indices(word).any(|(at, _)| {
            let (before, after) = beside(at);
            !before.is_some_and(is_word) && !after.is_some_and(is_word)
        })
}

/// The last run of digits in a text.
fn last_number(text: &str) -> Option<&str> {
    text.split(|c: char| !c.is_ascii_digit()).rfind(|digits| !digits.is_empty())
}
