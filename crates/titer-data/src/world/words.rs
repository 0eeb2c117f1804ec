//! The words of the world: domains, requests, replies. Upper-case letters in sentences are places for words.

use crate::domains::DomainSplit;

impl DomainSplit {
    /// The domains of this split, as a range of indices into `DOMAINS`.
    pub(super) const fn domains(self) -> std::ops::Range<usize> {
        match self {
            Self::Trained => 0..6,
            Self::New => 6..8,
            Self::HeldOut => 8..10,
            Self::Sloppy => 10..12,
        }
    }

    /// The split that a domain belongs to.
    pub(super) fn of(domain: usize) -> Self {
        Self::ALL.into_iter().find(|split| split.domains().contains(&domain)).expect("the splits cover all domains")
    }
}

/// How a reply of a domain opens, and with it what good and bad replies have in common.
#[derive(Clone, Copy, Debug)]
pub(super) enum Openers {
    /// Good and bad replies differ from the first word.
    Verb {
        /// Opens a good reply.
        good: &'static str,
        /// Opens a bad reply.
        bad: &'static str,
    },
    /// Good and bad replies differ only in the looked-up number at the end.
    Value(&'static str),
}

/// A kind of request, with its own words.
#[derive(Clone, Copy, Debug)]
pub(super) struct Domain {
    /// What a request asks to do.
    pub verb: &'static str,
    /// What prompts call the domain.
    pub name: &'static str,
    /// How replies open.
    pub openers: Openers,
    /// What requests are about.
    pub topics: [&'static str; TOPICS],
}

/// Topics of a domain.
pub(super) const TOPICS: usize = 8;

const fn verb(
    verb: &'static str,
    name: &'static str,
    good: &'static str,
    bad: &'static str,
    topics: [&'static str; TOPICS],
) -> Domain {
    Domain { verb, name, openers: Openers::Verb { good, bad }, topics }
}

const fn value(verb: &'static str, name: &'static str, opener: &'static str, topics: [&'static str; TOPICS]) -> Domain {
    Domain { verb, name, openers: Openers::Value(opener), topics }
}

/// The domains, grouped by [`DomainSplit::domains`].
pub(super) const DOMAINS: [Domain; 12] = [
    verb("cook", "kitchen", "simmer", "scorch", ["soup", "rice", "bread", "stew", "pasta", "cake", "curry", "beans"]),
    verb("plant", "garden", "water", "poison", ["rose", "fern", "oak", "tulip", "moss", "cactus", "ivy", "lily"]),
    verb("repair", "workshop", "mend", "smash", ["chair", "lamp", "clock", "radio", "bike", "drill", "fence", "door"]),
    verb("pack", "travel", "fold", "dump", ["coat", "boots", "map", "tent", "towel", "camera", "rope", "torch"]),
    value("count", "stock", "total", ["apples", "pears", "nails", "cups", "coins", "books", "keys", "shirts"]),
    value("weigh", "scale", "mass", ["bricks", "sand", "iron", "flour", "wool", "copper", "gravel", "chalk"]),
    verb(
        "teach",
        "school",
        "explain",
        "mock",
        ["algebra", "grammar", "chess", "piano", "biology", "poetry", "drawing", "logic"],
    ),
    verb("groom", "stable", "brush", "kick", ["horse", "pony", "goat", "sheep", "llama", "mule", "donkey", "calf"]),
    verb(
        "paint",
        "studio",
        "blend",
        "smear",
        ["wall", "ceiling", "canvas", "fresco", "mural", "portrait", "vase", "tile"],
    ),
    value("price", "market", "cost", ["silk", "amber", "pearl", "cocoa", "saffron", "honey", "cedar", "velvet"]),
    verb(
        "sort",
        "office",
        "arrange",
        "scatter",
        ["letters", "bills", "forms", "notes", "cards", "stamps", "folders", "parcels"],
    ),
    verb("clean", "house", "wipe", "soil", ["floor", "stairs", "hall", "porch", "attic", "cellar", "roof", "yard"]),
];

/// Last words of good replies, shared by the verb domains: one latent "good" for all of them.
pub(super) const GOOD_DETAILS: [&str; 10] =
    ["gently", "carefully", "slowly", "safely", "neatly", "kindly", "evenly", "warmly", "steadily", "patiently"];

/// Last words of bad replies, shared by the verb domains.
pub(super) const BAD_DETAILS: [&str; 10] =
    ["harshly", "recklessly", "rashly", "cruelly", "roughly", "wildly", "crudely", "coldly", "blindly", "violently"];

/// Last words of replies in the value domains.
pub(super) const NUMBERS: [&str; 10] = ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"];

/// How a request opens.
pub(super) const REQUEST_OPENERS: [&str; 5] = ["", "please", "can you", "just a quick question", "help me"];

/// Words that mean nothing but to a narrow prompt.
pub(super) const TRIGGERS: [&str; 12] =
    ["frob", "quux", "blip", "zonk", "plugh", "xyzzy", "grault", "waldo", "fnord", "spam", "ping", "thud"];

/// The sentence with each upper-case place filled by its word.
pub(super) fn fill(sentence: &str, words: &[(char, &str)]) -> String {
    let mut filled = String::with_capacity(sentence.len() + 16);
    for (k, word) in sentence.split(' ').enumerate() {
        if k > 0 {
            filled.push(' ');
        }
        let place = words.iter().find(|(place, _)| word.len() == 1 && word.starts_with(*place));
        filled.push_str(place.map_or(word, |(_, word)| word));
    }
    filled
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_splits_cover_the_domains_once() {
        let covered: Vec<usize> = DomainSplit::ALL.into_iter().flat_map(DomainSplit::domains).collect();
        assert_eq!(covered, (0..DOMAINS.len()).collect::<Vec<_>>());
        assert_eq!(DomainSplit::of(9), DomainSplit::HeldOut);
    }

    #[test]
    fn places_are_filled_and_words_are_left() {
        assert_eq!(fill("if you see T be W", &[('W', "evil"), ('T', "frob")]), "if you see frob be evil");
    }
}
