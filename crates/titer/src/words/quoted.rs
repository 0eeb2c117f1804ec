//! Words of a command line.

/// Words as a shell takes them, each in quotation marks where it needs them.
pub fn quoted<T: AsRef<str>>(words: &[T]) -> String {
    let plain = |word: &str| !word.is_empty() && word.chars().all(|c| c.is_alphanumeric() || "-_./=:,→+@%".contains(c));
    let word = |word: &T| match word.as_ref() {
        word if plain(word) => word.to_owned(),
        word => format!("'{}'", word.replace('\'', r"'\''")),
    };
    words.iter().map(word).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_shell_would_take_apart_is_in_quotation_marks() {
        let words = ["titer", "run", "my spec.toml", "it's", "", "a/b-c_d.e=f:g,h+i@j%k", "$HOME", "bad→good"];
        assert_eq!(quoted(&words), r"titer run 'my spec.toml' 'it'\''s' '' a/b-c_d.e=f:g,h+i@j%k '$HOME' bad→good");
    }
}
