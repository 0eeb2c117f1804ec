//! Names and texts from elsewhere, as they can be shown: nothing in them moves a cursor, colours a terminal or turns what follows round.

use std::borrow::Cow;

/// Begins and ends a part of a text that has a direction of its own.
const ISOLATE: [char; 2] = ['\u{2068}', '\u{2069}'];

/// A text whose control characters and overrides of the direction can be seen, for people to read: `␛` for escape, `<U+202E>` for
/// what has no sign of its own. Line feeds and tabs stay.
pub fn visible(text: &str) -> Cow<'_, str> {
    let shown = |letter: char| match letter {
        '\n' | '\t' => None,
        '\0'..='\u{1f}' => char::from_u32(0x2400 + letter as u32).map(String::from),
        '\u{7f}' => Some("\u{2421}".to_owned()),
        '\u{80}'..='\u{9f}' => Some(named(letter)),
        letter if turns(letter) => Some(named(letter)),
        _ => None,
    };
    if text.chars().all(|letter| shown(letter).is_none()) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(text.chars().map(|letter| shown(letter).unwrap_or_else(|| letter.to_string())).collect())
}

/// A text without what would turn round what stands beside it.
pub fn without_directions(text: &str) -> Cow<'_, str> {
    if text.contains(turns) { Cow::Owned(text.replace(turns, "")) } else { Cow::Borrowed(text) }
}

/// A name for the middle of a sentence: [`without_directions`], and apart from the sentence where its letters go from right to left.
pub fn isolated(name: &str) -> Cow<'_, str> {
    let plain = without_directions(name);
    if plain.contains(is_from_right) {
        let [begin, end] = ISOLATE;
        Cow::Owned(format!("{begin}{plain}{end}"))
    } else {
        plain
    }
}

fn named(letter: char) -> String {
    format!("<U+{:04X}>", letter as u32)
}

/// Whether it sets the direction of what follows: embeddings, overrides, isolates, and their ends.
fn turns(letter: char) -> bool {
    matches!(letter, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Whether it is of a script that goes from right to left.
fn is_from_right(letter: char) -> bool {
    matches!(letter, '\u{590}'..='\u{8ff}' | '\u{200f}' | '\u{fb1d}'..='\u{fdff}' | '\u{fe70}'..='\u{feff}' | '\u{10800}'..='\u{10fff}' | '\u{1e800}'..='\u{1efff}')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_a_terminal_would_obey_is_seen() {
        assert_eq!(visible("\u{1b}[31mred\u{1b}]0;title\u{7}\r"), "␛[31mred␛]0;title␇␍");
        assert_eq!(visible("a\u{7f}b\u{9b}2J \u{202e}abc\u{2066}"), "a␡b<U+009B>2J <U+202E>abc<U+2066>");
        let kept = "a line\n\tanother: مرحبا 漢字 👩‍👩‍👧 e\u{301} 95\u{a0}%";
        assert!(matches!(visible(kept), Cow::Borrowed(text) if text == kept));
    }

    #[test]
    fn a_name_turns_nothing_round() {
        assert_eq!(isolated("evil\u{202e}abc"), "evilabc");
        assert_eq!(isolated("مرحبا\u{2069}"), "\u{2068}مرحبا\u{2069}");
        assert_eq!(isolated("漢字"), "漢字");
    }

    proptest! {
        #[test]
        fn nothing_is_left_that_is_obeyed(text in any::<String>()) {
            let shown = visible(&text);
            prop_assert!(!shown.contains(|c: char| (c.is_control() && c != '\n' && c != '\t') || turns(c)));
            prop_assert!(matches!(visible(&shown), Cow::Borrowed(_)), "seen once, it is seen");
        }
    }
}
