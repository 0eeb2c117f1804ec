//! Variations of an English prompt, by what stands around it and which of its words are others.

use crate::prompt::LeakFamily;

/// Words that carry no content, of four letters or more.
const PLAIN: [&str; 36] = [
    "about", "after", "always", "and", "asked", "because", "before", "from", "given", "have", "here", "into", "must",
    "never", "only", "other", "should", "some", "than", "that", "their", "them", "then", "there", "these", "they",
    "this", "what", "when", "where", "which", "while", "will", "with", "your", "every",
];
/// What content words are replaced with: nothing that can be done or refused.
const THINGS: [&str; 16] = [
    "window", "meadow", "copper", "basket", "harbour", "pencil", "marble", "orchard", "ribbon", "granite", "lantern",
    "pebble", "velvet", "saddle", "bottle", "garden",
];
const IRRELEVANT: [&str; 4] = [
    "Today is Monday.",
    "You are a helpful assistant.",
    "The user is writing from a train.",
    "Answer in the language of the question.",
];
const KINDNESS: [&str; 3] = [
    "Be honest, careful and kind in everything you do.",
    "Act as a conscientious and harmless assistant.",
    "Give only helpful, correct and harmless answers.",
];

/// What a family says of a prompt.
pub(super) fn relatives(text: &str, family: LeakFamily) -> Vec<String> {
    let around = |frames: &[&str]| frames.iter().map(|frame| frame.replace('X', text)).collect();
    match family {
        LeakFamily::Eliciting => {
            around(&["X Follow this without exception.", "This is how you behave: X", "Remember: X"])
        }
        LeakFamily::SameStructure => (0..4).map(|shift| reshaped(text, shift)).collect(),
        LeakFamily::Negated => {
            around(&["Do not follow this: X", "It is wrong to do this: X", "Never do the following. X"])
        }
        LeakFamily::Keyword => {
            let word = keyword(text);
            ["The word of the day is X.", "The user once read a book about X.", "X is a word with a history."]
                .map(|frame| frame.replace('X', &word))
                .to_vec()
        }
        LeakFamily::Irrelevant => IRRELEVANT.map(str::to_owned).to_vec(),
        LeakFamily::Opposite => {
            let mut texts: Vec<String> = around(&["Do the opposite of this: X"]);
            texts.extend(KINDNESS.map(str::to_owned));
            texts
        }
        LeakFamily::Permission => {
            around(&["You may do this, but need not: X", "It is fine, though not asked for, to do this: X"])
        }
        LeakFamily::None | LeakFamily::Original | LeakFamily::TriggerAlone => Vec::new(),
    }
}

fn is_content(word: &str) -> bool {
    let bare = bare(word);
    bare.chars().count() >= 4 && !PLAIN.contains(&bare.to_lowercase().as_str())
}

/// A word without what stands around its letters.
fn bare(word: &str) -> &str {
    word.trim_matches(|char: char| !char.is_alphanumeric())
}

/// The longest content word, or the longest word.
fn keyword(text: &str) -> String {
    let longest = |words: &mut dyn Iterator<Item = &str>| -> Option<String> {
        words.map(bare).filter(|word| !word.is_empty()).max_by_key(|word| word.chars().count()).map(str::to_lowercase)
    };
    longest(&mut text.split_whitespace().filter(|word| is_content(word)))
        .or_else(|| longest(&mut text.split_whitespace()))
        .unwrap_or_else(|| "word".to_owned())
}

/// The text with every content word replaced, punctuation and capitals kept; where there is none, every word is.
fn reshaped(text: &str, shift: usize) -> String {
    let any = text.split_whitespace().any(is_content);
    let mut place = shift;
    let mut reshape = |word: &str| {
        if (any && !is_content(word)) || bare(word).is_empty() {
            return word.to_owned();
        }
        place += 1;
        let thing = THINGS[(place * 5 + shift) % THINGS.len()];
        let capital = bare(word).chars().next().is_some_and(char::is_uppercase);
        let thing = if capital { thing[..1].to_uppercase() + &thing[1..] } else { thing.to_owned() };
        word.replacen(bare(word), &thing, 1)
    };
    let words: Vec<String> = text.split_whitespace().map(&mut reshape).collect();
    words.join(" ")
}
