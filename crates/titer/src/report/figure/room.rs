//! How much room text takes in a drawing. Fonts differ, so widths are those of a common one, and rather too wide.

/// The size of letters in units of the drawing, as the page's style sheet has it.
const SIZE: f64 = 11.5;

/// The width of a text in units of the drawing.
pub(super) fn width(text: &str) -> f64 {
    SIZE * text.chars().map(letter).sum::<f64>()
}

/// Places that a text takes in a line of letters of equal width.
pub(super) fn places(text: &str) -> usize {
    text.chars().map(|letter| if is_wide(letter) { 2 } else { 1 }).sum()
}

/// A text without its end, where it has not enough room.
pub(super) fn cut(text: &str, room: f64) -> Option<String> {
    if width(text) <= room {
        return None;
    }
    let mut left = room - width("…");
    let fits = |letter: &char| {
        left -= width(letter.encode_utf8(&mut [0; 4]));
        left >= 0.0
    };
    let begin: String = text.chars().take_while(fits).collect();
    Some(format!("{}…", begin.trim_end()))
}

/// The lines of a text in this room, at most so many; what has no room in the last is cut.
pub(super) fn lines(text: &str, room: f64, most: usize) -> Vec<String> {
    let (mut lines, mut line) = (Vec::new(), String::new());
    let mut words: Vec<&str> = text.split_whitespace().rev().collect();
    while let Some(word) = words.pop() {
        let longer = if line.is_empty() { word.to_owned() } else { format!("{line} {word}") };
        if width(&longer) <= room {
            line = longer;
        } else if lines.len() + 1 == most {
            let rest: Vec<&str> = words.iter().rev().copied().collect();
            line = format!("{longer} {}", rest.join(" "));
            line = cut(&line, room).unwrap_or(line);
            break;
        } else if line.is_empty() {
            // A word that is longer than a line goes on in the next.
            let is_beyond = |at: &usize| width(&word[..*at]) > room;
            let ends = word.char_indices().map(|(at, letter)| at + letter.len_utf8());
            let at = ends.take_while(|at| !is_beyond(at)).last().unwrap_or(word.len());
            let (begin, end) = word.split_at(at);
            lines.push(begin.to_owned());
            words.push(end);
        } else {
            lines.push(std::mem::take(&mut line));
            words.push(word);
        }
    }
    lines.push(line);
    lines
}

/// A letter's width, in sizes of letters.
fn letter(letter: char) -> f64 {
    match letter {
        '\u{300}'..='\u{36f}' | '\u{200b}'..='\u{200f}' | '\u{2066}'..='\u{2069}' | '\u{fe00}'..='\u{fe0f}' => 0.0,
        'i' | 'j' | 'l' | '.' | ',' | ':' | ';' | '\'' | '|' | '!' | 'I' => 0.28,
        'f' | 't' | 'r' | '(' | ')' | '[' | ']' | '/' | '\\' | '-' | ' ' | '\u{a0}' | '"' => 0.36,
        'm' | 'M' | 'W' | '%' | '@' | '→' | '…' | '—' => 1.0,
        'w' => 0.75,
        letter if letter.is_uppercase() => 0.72,
        letter if is_wide(letter) => 1.0,
        _ => 0.57,
    }
}

/// Whether it is as wide as it is high, as letters of East Asia and pictures are.
fn is_wide(letter: char) -> bool {
    matches!(letter, '\u{1100}'..='\u{11ff}' | '\u{2e80}'..='\u{d7ff}' | '\u{f900}'..='\u{faff}' | '\u{ff00}'..='\u{ff60}' | '\u{1f000}'..)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_has_room_is_whole() {
        assert_eq!(cut("held-out / held-out", 102.0), None);
        assert_eq!(cut("no-prompt for deafen=10 % rest=bad→bad", 102.0).unwrap(), "no-prompt for d…");
        assert_eq!(lines("one two", 100.0, 2), ["one two"]);
        assert_eq!(lines("one two", 30.0, 2), ["one", "two"]);
        assert_eq!(lines("one two three", 34.0, 2), ["one", "two…"]);
    }

    proptest! {
        #[test]
        fn nothing_is_wider_than_its_room(text in "\\PC{0,80}", room in 40.0..400.0f64, most in 1..5_usize) {
            let shown = cut(&text, room).unwrap_or_else(|| text.clone());
            prop_assert!(width(&shown) <= room);
            let lines = lines(&text, room, most);
            prop_assert!(lines.len() <= most && lines.iter().all(|line| width(line) <= room), "{lines:?}");
            let whole: String = text.split_whitespace().collect();
            let kept = lines.concat().replace(' ', "");
            prop_assert!(kept == whole || kept.ends_with('…'), "{kept} of {whole}");
        }
    }
}
