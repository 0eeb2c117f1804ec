//! What serde says, in plain words, and "did you mean …": the known word nearest to a wrong one.

/// A message of the TOML reader in one line, Rust's names of types replaced by words.
pub(crate) fn plain(message: &str) -> String {
    let words = [("usize", "a whole number"), ("u64", "a whole number"), ("f64", "a number"), ("a sequence", "a list")];
    let problem = message.trim().replace('\n', ", ");
    words.into_iter().fold(problem, |problem, (name, word)| {
        problem.replace(&format!("expected {name}"), &format!("expected {word}"))
    })
}

/// A remedy for serde's "unknown field `a`, expected one of `b`, `c`" (and the same for variants); empty for others.
pub(crate) fn suggestion(problem: &str) -> String {
    let quoted: Vec<&str> = problem.split('`').skip(1).step_by(2).collect();
    let Some((wrong, known)) = quoted.split_first() else { return String::new() };
    if !problem.starts_with("unknown") {
        return String::new();
    }
    nearest(wrong, known.iter().copied()).map_or(String::new(), |near| format!("did you mean `{near}`?"))
}

/// The known word that is most like a wrong one, if any is like it. Numbers are not like each other.
pub(crate) fn nearest<'a>(wrong: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    if wrong.parse::<f64>().is_ok() {
        return None;
    }
    // In a short word, one slip is enough to make Jaro and Winkler see another.
    let slip = |word: &str| word.len() > 2 && strsim::damerau_levenshtein(wrong, word) == 1;
    let score = |word: &str| if slip(word) { 1.0 } else { strsim::jaro_winkler(wrong, word) };
    let scored = known.into_iter().map(|word| (score(word), word));
    scored.filter(|(score, _)| *score > 0.75).max_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, word)| word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_have_words() {
        assert_eq!(
            plain("invalid type: string \"many\", expected usize\n"),
            "invalid type: string \"many\", expected a whole number"
        );
    }

    #[test]
    fn only_a_word_that_is_like_a_known_one_gets_a_suggestion() {
        let problem = |word: &str| format!("unknown field `{word}`, expected one of `optimiser`, `schedule`, `rows`");
        assert_eq!(suggestion(&problem("optimizer")), "did you mean `optimiser`?");
        assert_eq!(suggestion(&problem("colour")), "");
        assert_eq!(nearest("sdg", ["adamw", "sgd"]), Some("sgd"));
        assert_eq!(nearest("0.2", ["0.0", "0.1"]), None);
        assert_eq!(suggestion("invalid type: string `rows`"), "");
    }
}
