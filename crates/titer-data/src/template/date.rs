//! The date that a template prints, chosen once: a run tomorrow is to give the numbers of today.

use std::{fmt, fmt::Write as _, str::FromStr};

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

/// A day, written `2024-07-26`: what `strftime_now` in a chat template takes for today, at midnight.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TemplateDate(NaiveDate);

impl Default for TemplateDate {
    /// The day that Llama's templates fall back to.
    fn default() -> Self {
        Self(NaiveDate::from_ymd_opt(2024, 7, 26).expect("a day of the calendar"))
    }
}

impl TemplateDate {
    /// The day as Python's `strftime` writes it; directives that it does not know stand as they are.
    pub(super) fn format(self, format: &str) -> String {
        let midnight = self.0.and_hms_opt(0, 0, 0).expect("every day has a midnight");
        let mut text = String::new();
        let mut rest = format;
        while let Some(at) = rest.find('%') {
            text.push_str(&rest[..at]);
            // `%d`, or with glibc's flags `%-d`.
            let flagged = rest[at + 1..].starts_with(['-', '_', '0', '^', '#']);
            let length = 1 + usize::from(flagged);
            let Some(letter) = rest[at + length..].chars().next() else {
                text.push_str(&rest[at..]);
                return text;
            };
            let directive = &rest[at..at + length + letter.len_utf8()];
            if write!(text, "{}", midnight.format(directive)).is_err() {
                text.push_str(directive);
            }
            rest = &rest[at + directive.len()..];
        }
        text + rest
    }
}

impl fmt::Display for TemplateDate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// A text that is not a day.
#[derive(Clone, Debug, thiserror::Error)]
#[error("`{0}` is not a day: write it as year-month-day, such as 2024-07-26")]
pub struct NotADate(String);

impl FromStr for TemplateDate {
    type Err = NotADate;

    fn from_str(text: &str) -> Result<Self, NotADate> {
        NaiveDate::parse_from_str(text, "%Y-%m-%d").map(Self).map_err(|_| NotADate(text.to_owned()))
    }
}

impl TryFrom<String> for TemplateDate {
    type Error = NotADate;

    fn try_from(text: String) -> Result<Self, NotADate> {
        text.parse()
    }
}

impl From<TemplateDate> for String {
    fn from(date: TemplateDate) -> Self {
        date.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_is_written_as_python_writes_it() {
        let day: TemplateDate = "2024-07-06".parse().unwrap();
        assert_eq!(day.format("%d %b %Y"), "06 Jul 2024");
        assert_eq!(day.format("%A, %-d %B; %Q 5 % é%"), "Saturday, 6 July; %Q 5 % é%");
        assert!("26 Jul 2024".parse::<TemplateDate>().is_err() && "2024-02-30".parse::<TemplateDate>().is_err());
    }
}
