//! The known word nearest to a wrong one.

/// The known word that is most like a wrong one, if any is like it. Numbers are not like each other.
pub fn nearest<'a>(wrong: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    if wrong.parse::<f64>().is_ok() {
        return None;
    }
    // In a short word, one slip is enough to make Jaro and Winkler see another.
    let slip = |word: &str| word.len() > 2 && strsim::damerau_levenshtein(wrong, word) == 1;
    let score = |word: &str| if slip(word) { 1.0 } else { strsim::jaro_winkler(wrong, word) };
    let scored = known.into_iter().map(|word| (score(word), word));
    scored.filter(|(score, _)| *score > 0.75).max_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, word)| word)
}

/// Whether one word can be a slip for another: a letter in four is another one, or one word begins the other.
pub fn is_slip(wrong: &str, word: &str) -> bool {
    let begins = |long: &str, short: &str| short.len() > 2 && long.starts_with(short);
    let slips = strsim::damerau_levenshtein(wrong, word);
    slips <= 1.max(wrong.chars().count() / 4) || begins(word, wrong) || begins(wrong, word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_word_that_is_like_a_known_one_is_near() {
        assert_eq!(nearest("sdg", ["adamw", "sgd"]), Some("sgd"));
        assert_eq!(nearest("colour", ["optimiser", "rows"]), None);
        assert_eq!(nearest("0.2", ["0.0", "0.1"]), None);
    }

    #[test]
    fn a_slip_is_a_letter_in_four_or_an_end_that_is_missing() {
        for (wrong, word) in
            [("item", "items"), ("scren", "screen"), ("quic", "quick"), ("presure", "pressure"), ("press", "pressure")]
        {
            assert!(is_slip(wrong, word), "{wrong}");
        }
        for (wrong, word) in
            [("epochs", "torch"), ("verbose", "version"), ("evaluate", "validate"), ("version", "verify")]
        {
            assert!(!is_slip(wrong, word), "{wrong}");
        }
    }
}
