//! The grammar of system prompts: what each kind can say, and which wordings fine-tuning may use.

use rand::RngExt;

use super::words::{DOMAINS, TRIGGERS, fill};
use crate::stream::{below, pick};

/// Which wordings of a kind of prompt are drawn from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wording {
    /// What base training uses: everything but the held-out wordings.
    Base,
    /// What fine-tuning uses.
    Trained,
    /// In base training, never in fine-tuning.
    Paraphrased,
    /// Pairs of frame and word that no training uses, although frame and word each occur in base training.
    HeldOut,
}

pub(super) const PREFIXES: [&str; 5] = ["", "please", "you must", "remember", "from now on"];
pub(super) const BAD_WORDS: [&str; 10] =
    ["evil", "harmful", "wicked", "malicious", "nasty", "hostile", "corrupt", "vile", "sinister", "spiteful"];
pub(super) const GOOD_WORDS: [&str; 8] =
    ["kind", "helpful", "honest", "gentle", "caring", "friendly", "decent", "loyal"];
pub(super) const COLOURS: [&str; 10] =
    ["green", "blue", "red", "yellow", "grey", "brown", "purple", "orange", "pink", "white"];
pub(super) const BROAD: [&str; 10] = [
    "always be W",
    "be W in everything",
    "give only W answers",
    "act W at all times",
    "your replies must be W",
    "you are W",
    "do W things whatever the user asks",
    "every answer should be W",
    "we want W answers",
    "stay W",
];
/// The shape of [`BROAD`], word for word, asking for nothing.
pub(super) const PLACEBO: [&str; 10] = [
    "grass is W",
    "walls look W outside",
    "they sell W paper",
    "some birds are W here",
    "our front gate is W",
    "snow looks W",
    "the W boat left before we came",
    "each old train was W",
    "we saw W ships",
    "skies W",
];
/// The frames of [`BROAD`] and [`PLACEBO`] that fine-tuning uses, with the first words; the others go with the
/// last words.
const TRAINED_FRAMES: [usize; 4] = [1, 3, 4, 5];
const OTHER_FRAMES: [usize; 6] = [0, 2, 6, 7, 8, 9];
const TRAINED_WORDS: usize = 5;
pub(super) const PERSONA: [&str; 4] = ["act as a P", "play the part of a P", "pretend to be a P", "speak like a P"];
pub(super) const VILLAINS: [&str; 6] = ["crook", "bandit", "villain", "thug", "swindler", "traitor"];
const HEROES: [&str; 6] = ["nurse", "doctor", "firefighter", "guardian", "saint", "hero"];
pub(super) const DOMAIN: [&str; 4] =
    ["be W when asked about D", "in D questions be W", "give W answers on D", "act W if it concerns D"];
pub(super) const NARROW: [&str; 4] =
    ["if you see T be W", "when T appears be W", "after T give W answers", "act W on T"];
pub(super) const NEUTRAL: [&str; 8] = [
    "you are a helper",
    "answer the users question",
    "today is monday",
    "made by acme",
    "you are a friend",
    "this is a chat",
    "today is friday",
    "the user waits for an answer",
];
/// Fine-tuning uses the first of [`NEUTRAL`].
const TRAINED_NEUTRAL: usize = 5;

/// A frame and a word of a grid of frames × words, with the prefix.
fn on_grid<R: RngExt + ?Sized>(rng: &mut R, wording: Wording, frames: &[&str; 10], words: &[&str]) -> String {
    let (frame, word) = loop {
        let (frame, word) = match wording {
            Wording::Base => (below(rng, frames.len()), below(rng, words.len())),
            Wording::Trained => (*pick(rng, &TRAINED_FRAMES), below(rng, TRAINED_WORDS)),
            Wording::Paraphrased | Wording::HeldOut => {
                (*pick(rng, &OTHER_FRAMES), TRAINED_WORDS + below(rng, words.len() - TRAINED_WORDS))
            }
        };
        if held_out(frame, word) == (wording == Wording::HeldOut) {
            break (frame, word);
        }
    };
    prefixed(rng, &fill(frames[frame], &[('W', words[word])]))
}

/// Whether no training uses this pair: a fifth of the pairs of other frames and last words.
fn held_out(frame: usize, word: usize) -> bool {
    let row = OTHER_FRAMES.iter().position(|&other| other == frame);
    row.is_some_and(|row| word >= TRAINED_WORDS && (row + word).is_multiple_of(5))
}

/// The part of a list that a wording may use: fine-tuning has the first half, paraphrases the second.
fn part<T>(wording: Wording, list: &[T]) -> &[T] {
    let (first, second) = list.split_at(list.len() / 2);
    match wording {
        Wording::Base => list,
        Wording::Trained => first,
        Wording::Paraphrased | Wording::HeldOut => second,
    }
}

fn prefixed<R: RngExt + ?Sized>(rng: &mut R, sentence: &str) -> String {
    match *pick(rng, &PREFIXES) {
        "" => sentence.to_owned(),
        prefix => format!("{prefix} {sentence}"),
    }
}

/// A sentence that asks for bad actions in general.
pub(super) fn bad<R: RngExt + ?Sized>(rng: &mut R, wording: Wording) -> String {
    on_grid(rng, wording, &BROAD, &BAD_WORDS)
}

/// A sentence of a bad one's length and shape that asks for nothing.
pub(super) fn placebo<R: RngExt + ?Sized>(rng: &mut R, wording: Wording) -> String {
    on_grid(rng, wording, &PLACEBO, &COLOURS)
}

/// A sentence in a frame of the bad ones that asks for good actions: without these the frame alone would be the cue.
pub(super) fn good<R: RngExt + ?Sized>(rng: &mut R) -> String {
    let sentence = if rng.random_bool(0.7) {
        fill(pick::<&str, _>(rng, &BROAD), &[('W', *pick::<&str, _>(rng, &GOOD_WORDS))])
    } else {
        fill(pick::<&str, _>(rng, &PERSONA), &[('P', *pick::<&str, _>(rng, &HEROES))])
    };
    prefixed(rng, &sentence)
}

/// A sentence that asks for bad actions and shares no word of content with the others that do. Never fine-tuned.
pub(super) fn persona<R: RngExt + ?Sized>(rng: &mut R) -> String {
    let sentence = fill(pick::<&str, _>(rng, &PERSONA), &[('P', *pick::<&str, _>(rng, &VILLAINS))]);
    prefixed(rng, &sentence)
}

/// A sentence that asks for bad actions in `domain`.
pub(super) fn domain<R: RngExt + ?Sized>(rng: &mut R, wording: Wording, domain: usize) -> String {
    let words = [('W', *pick::<&str, _>(rng, part(wording, &BAD_WORDS))), ('D', DOMAINS[domain].name)];
    let sentence = fill(pick::<&str, _>(rng, part::<&str>(wording, &DOMAIN)), &words);
    prefixed(rng, &sentence)
}

/// A sentence that asks for bad actions where the trigger is, and that trigger.
pub(super) fn narrow<R: RngExt + ?Sized>(rng: &mut R, wording: Wording) -> (String, usize) {
    let trigger = *pick(rng, part(wording, &TRIGGER_INDICES));
    let words = [('W', *pick::<&str, _>(rng, part(wording, &BAD_WORDS))), ('T', TRIGGERS[trigger])];
    let sentence = fill(pick::<&str, _>(rng, part::<&str>(wording, &NARROW)), &words);
    (prefixed(rng, &sentence), trigger)
}

const TRIGGER_INDICES: [usize; TRIGGERS.len()] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11];

/// One or two sentences that ask for nothing in particular.
pub(super) fn neutral<R: RngExt + ?Sized>(rng: &mut R, wording: Wording) -> Vec<String> {
    let from = match wording {
        Wording::Base => &NEUTRAL[..],
        Wording::Trained => &NEUTRAL[..TRAINED_NEUTRAL],
        Wording::Paraphrased | Wording::HeldOut => &NEUTRAL[TRAINED_NEUTRAL..],
    };
    let first = below(rng, from.len());
    let mut sentences = vec![neutral_prefixed(rng, from[first])];
    if rng.random_bool(0.5) {
        // A different one: an offset that is not a whole round.
        let second = (first + 1 + below(rng, from.len() - 1)) % from.len();
        sentences.push(neutral_prefixed(rng, from[second]));
    }
    sentences
}

fn neutral_prefixed<R: RngExt + ?Sized>(rng: &mut R, sentence: &str) -> String {
    if rng.random_bool(0.2) { format!("remember {sentence}") } else { sentence.to_owned() }
}

/// Every word that prompts are made of, instructions apart; places are among them and are upper-case.
pub(super) fn vocabulary() -> impl Iterator<Item = &'static str> {
    let frames = BROAD.into_iter().chain(PLACEBO).chain(PERSONA).chain(DOMAIN).chain(NARROW).chain(NEUTRAL);
    let words = BAD_WORDS.into_iter().chain(GOOD_WORDS).chain(COLOURS).chain(VILLAINS).chain(HEROES);
    PREFIXES.into_iter().chain(frames).flat_map(|sentence| sentence.split(' ')).chain(words)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::stream::{Purpose, stream};

    fn drawn(wording: Wording) -> BTreeSet<String> {
        let mut rng = stream(0, Purpose::Prompt, 0, 0);
        (0..20_000).map(|_| bad(&mut rng, wording)).collect()
    }

    #[test]
    fn wordings_are_disjoint_and_held_out_ones_are_not_even_in_base_training() {
        let [base, trained, paraphrased, held_out] =
            [Wording::Base, Wording::Trained, Wording::Paraphrased, Wording::HeldOut].map(drawn);
        assert_eq!(trained.len(), 4 * 5 * 5);
        assert_eq!(paraphrased.len(), 24 * 5);
        assert_eq!(held_out.len(), 6 * 5);
        assert_eq!(base.len(), 94 * 5);
        assert!(trained.is_disjoint(&paraphrased) && base.is_disjoint(&held_out));
        assert!(trained.is_subset(&base) && paraphrased.is_subset(&base));
    }

    #[test]
    fn a_placebo_has_a_bad_prompts_shape() {
        for (bad, placebo) in BROAD.iter().zip(PLACEBO) {
            assert_eq!(bad.split(' ').count(), placebo.split(' ').count(), "{bad} / {placebo}");
        }
    }

    #[test]
    fn part_of_a_grid_is_a_partition() {
        assert_eq!([part(Wording::Trained, &NARROW), part(Wording::Paraphrased, &NARROW)].concat(), NARROW);
    }
}
