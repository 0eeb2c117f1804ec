//! Several texts in one option.

use std::{convert::Infallible, str::FromStr};

/// Texts with commas between them; `\,` is a comma in one of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Listed(Vec<String>);

impl Listed {
    /// The texts of an option that may be named again, in order.
    pub(crate) fn texts(options: &[Self]) -> impl Iterator<Item = &String> {
        options.iter().flat_map(|option| &option.0)
    }
}

impl FromStr for Listed {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        let mut texts = vec![String::new()];
        let mut letters = text.chars().peekable();
        while let Some(letter) = letters.next() {
            let last = texts.last_mut().expect("there is one from the beginning on");
            match letter {
                '\\' if letters.next_if_eq(&',').is_some() => last.push(','),
                ',' => texts.push(String::new()),
                letter => last.push(letter),
            }
        }
        Ok(Self(texts))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commas_stand_between_texts_and_in_them() {
        for (text, texts) in [
            ("a", &["a"] as &[&str]),
            ("a,b", &["a", "b"]),
            (r"a\,b,c", &["a,b", "c"]),
            (r"a\\,b", &[r"a\,b"]),
            (r"a\b\", &[r"a\b\"]),
            ("", &[""]),
        ] {
            let Ok(listed) = text.parse::<Listed>();
            assert_eq!(listed.0, texts, "{text}");
        }
        let options = ["a,b", r"c\,d"].map(|text| text.parse::<Listed>().unwrap());
        assert_eq!(Listed::texts(&options).collect::<Vec<_>>(), ["a", "b", "c,d"]);
    }
}
