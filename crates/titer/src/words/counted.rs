//! Counts with their nouns.

/// A count with its noun, such as `1 seed`, `3 seeds` or `2 replies`.
pub fn counted(count: usize, noun: &str) -> String {
    match noun.strip_suffix('y') {
        _ if count == 1 => format!("1 {noun}"),
        Some(stem) if !stem.ends_with(['a', 'e', 'o', 'u']) => format!("{count} {stem}ies"),
        _ => format!("{count} {noun}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_is_one_thing_and_others_are_several() {
        let said = [(1, "seed"), (0, "seed"), (3, "run"), (1, "reply"), (2, "reply"), (2, "day")];
        let said = said.map(|(count, noun)| counted(count, noun));
        assert_eq!(said, ["1 seed", "0 seeds", "3 runs", "1 reply", "2 replies", "2 days"]);
    }
}
