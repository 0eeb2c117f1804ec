//! What programs write that is nearly JSON, named, so that it can be mended where it was written.

use serde_json::error::Category;

use super::problem::Problem;

/// Numbers that Python writes and JSON does not know.
const NUMBERS: [&str; 3] = ["-Infinity", "Infinity", "NaN"];

/// What a line has that the parser stumbles over at a column, counted in bytes from 1; `None` where nothing is known of it.
pub(super) fn slip(line: &str, error: &serde_json::Error) -> Option<Problem> {
    if error.classify() != Category::Syntax {
        return None;
    }
    // The parser has read on as far as it could make sense of it.
    let places = error.column().saturating_sub(2)..=error.column();
    let number =
        places.filter_map(|at| line.get(at..)).find_map(|rest| NUMBERS.into_iter().find(|word| rest.starts_with(word)));
    if let Some(number) = number {
        let problem = format!("`{number}`, which JSON does not have");
        return Some(Problem { problem, remedy: "write null in its place, or leave the value out".to_owned() });
    }
    let text = error.to_string();
    let is_half = ["unexpected end of hex escape", "lone leading surrogate"].iter().any(|half| text.starts_with(half));
    is_half.then(|| Problem {
        problem: "half of a character: a `\\ud…` without its other half".to_owned(),
        remedy: "the text was cut within a character: write the whole one, or none".to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn numbers_of_python_and_halves_of_characters_are_named() {
        for (line, problem) in [
            (r#"{"é": NaN}"#, "`NaN`"),
            (r#"{"a": [1, Infinity]}"#, "`Infinity`"),
            (r#"{"a": -Infinity}"#, "`-Infinity`"),
            (r#"{"a": "\ud83d x"}"#, "half of a character"),
            (r#"{"a": "\ude00"}"#, "half of a character"),
        ] {
            let found = slip(line, &serde_json::from_str::<Value>(line).unwrap_err());
            assert!(found.is_some_and(|found| found.problem.starts_with(problem)), "{line}");
        }
        for line in [r#"{"a": NULL}"#, r#"{"NaN": }"#, r#"{"a": "\x"}"#, r#"{"a": NaN"#] {
            let named = slip(line, &serde_json::from_str::<Value>(line).unwrap_err());
            assert_eq!(named.is_some(), line.contains(": NaN"), "{line}");
        }
    }
}
