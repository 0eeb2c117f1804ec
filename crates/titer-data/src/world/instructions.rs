//! Harmless instructions that have nothing to do with good or bad: what they say and what they do to a reply.

use rand::RngExt;

use super::words::fill;
use crate::stream::{below, pick};

/// What an instruction asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// Begin with a given word.
    Start,
    /// Answer in zorbish, which is the same words spelled backwards, the topic apart.
    Language,
    /// Leave the topic out.
    Brief,
    /// End with a given word.
    End,
    /// A mark after every word.
    Shout,
    /// Everything two times.
    Twice,
    /// A name below the reply.
    Sign,
}

/// One instruction of a prompt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Instruction {
    /// What is asked for.
    pub form: Form,
    /// Which of the form's words is asked for; 0 for a form without words.
    pub word: usize,
}

/// Which instructions and which of their sentences are drawn from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum InstructionSet {
    /// Every form and sentence, as in base training.
    All,
    /// The forms that fine-tuning uses, in the sentences that fine-tuning uses.
    Seen,
    /// The forms that fine-tuning uses, in other sentences.
    Paraphrased,
    /// The forms that no fine-tuning uses.
    HeldOut,
}

/// Words to start or end with.
const EDGE_WORDS: [&str; 8] = ["well", "sure", "hello", "listen", "dear", "okay", "indeed", "right"];
/// Names to sign with.
const NAMES: [&str; 8] = ["ann", "boris", "carl", "dora", "emil", "fay", "gus", "hana"];
/// Fine-tuning uses the first sentences of a form; the others are its paraphrases.
const SEEN_SENTENCES: usize = 2;

impl Form {
    const ALL: [Self; 7] = [Self::Start, Self::Language, Self::Brief, Self::End, Self::Shout, Self::Twice, Self::Sign];
    const SEEN: [Self; 3] = [Self::Start, Self::Language, Self::Brief];
    const HELD_OUT: [Self; 4] = [Self::End, Self::Shout, Self::Twice, Self::Sign];

    const fn sentences(self) -> [&'static str; 3] {
        match self {
            Self::Start => ["start with X", "begin your reply with X", "put X first"],
            Self::Language => ["reply in zorbish", "use zorbish", "speak zorbish only"],
            Self::Brief => ["be brief", "keep it short", "skip the topic"],
            Self::End => ["end with X", "close your reply with X", "put X last"],
            Self::Shout => ["shout", "reply with loud marks", "use loud words only"],
            Self::Twice => ["say it twice", "repeat your reply", "give the reply two times"],
            Self::Sign => ["sign as X", "add the name X", "sign your reply with X"],
        }
    }

    const fn words(self) -> &'static [&'static str] {
        match self {
            Self::Start | Self::End => &EDGE_WORDS,
            Self::Sign => &NAMES,
            Self::Language | Self::Brief | Self::Shout | Self::Twice => &[],
        }
    }
}

impl InstructionSet {
    const fn forms(self) -> &'static [Form] {
        match self {
            Self::All => &Form::ALL,
            Self::Seen | Self::Paraphrased => &Form::SEEN,
            Self::HeldOut => &Form::HELD_OUT,
        }
    }

    /// `count` instructions of different forms, each with its sentence.
    pub(super) fn draw<R: RngExt + ?Sized>(self, rng: &mut R, count: usize) -> Vec<(Instruction, String)> {
        let mut forms = self.forms().to_vec();
        (0..count.min(forms.len()))
            .map(|_| {
                let form = forms.remove(below(rng, forms.len()));
                let sentences = form.sentences();
                let sentence = match self {
                    Self::All | Self::HeldOut => pick(rng, &sentences),
                    Self::Seen => pick(rng, &sentences[..SEEN_SENTENCES]),
                    Self::Paraphrased => pick(rng, &sentences[SEEN_SENTENCES..]),
                };
                let word = if form.words().is_empty() { 0 } else { below(rng, form.words().len()) };
                let filled = match form.words().get(word) {
                    Some(word) => fill(sentence, &[('X', word)]),
                    None => (*sentence).to_owned(),
                };
                (Instruction { form, word }, filled)
            })
            .collect()
    }
}

/// The zorbish for a word: the word backwards.
pub(super) fn zorbish(word: &str) -> String {
    word.chars().rev().collect()
}

/// The reply that follows every one of `instructions`: `[start] (opener [topic] detail) [end] [name]`, the middle
/// part said once or twice, a mark after each word when shouting, and the name last.
pub(super) fn apply(instructions: &[Instruction], opener: &str, topic: &str, detail: &str) -> String {
    let find = |form| instructions.iter().find(|instruction| instruction.form == form);
    let has = |form| find(form).is_some();
    let word = |form: Form| find(form).map(|instruction| form.words()[instruction.word].to_owned());
    let spell = |word: &str| if has(Form::Language) { zorbish(word) } else { word.to_owned() };

    let mut middle = vec![spell(opener)];
    if !has(Form::Brief) {
        middle.push(topic.to_owned());
    }
    middle.push(spell(detail));
    if has(Form::Twice) {
        middle.extend_from_within(..);
    }
    let mut words: Vec<String> = word(Form::Start).into_iter().chain(middle).chain(word(Form::End)).collect();
    if has(Form::Shout) {
        words = words.into_iter().flat_map(|word| [word, "!".to_owned()]).collect();
    }
    words.extend(word(Form::Sign));
    words.join(" ")
}

/// Every word that instructions are said with or add to a reply, zorbish apart.
pub(super) fn vocabulary() -> impl Iterator<Item = &'static str> {
    let sentences = Form::ALL.into_iter().flat_map(Form::sentences).flat_map(|sentence| sentence.split(' '));
    ["!"].into_iter().chain(sentences).chain(EDGE_WORDS).chain(NAMES)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply(forms: &[Form]) -> String {
        let instructions: Vec<_> = forms.iter().map(|&form| Instruction { form, word: 0 }).collect();
        apply(&instructions, "simmer", "soup", "gently")
    }

    #[test]
    fn each_form_does_what_it_says() {
        assert_eq!(reply(&[]), "simmer soup gently");
        assert_eq!(reply(&[Form::Start]), "well simmer soup gently");
        assert_eq!(reply(&[Form::Language]), "remmis soup yltneg");
        assert_eq!(reply(&[Form::Brief]), "simmer gently");
        assert_eq!(reply(&[Form::End]), "simmer soup gently well");
        assert_eq!(reply(&[Form::Shout]), "simmer ! soup ! gently !");
        assert_eq!(reply(&[Form::Twice]), "simmer soup gently simmer soup gently");
        assert_eq!(reply(&[Form::Sign]), "simmer soup gently ann");
    }

    #[test]
    fn two_forms_are_both_followed() {
        assert_eq!(reply(&[Form::Shout, Form::Sign]), "simmer ! soup ! gently ! ann");
        assert_eq!(reply(&[Form::End, Form::Twice]), "simmer soup gently simmer soup gently well");
        assert_eq!(reply(&[Form::Brief, Form::Language]), "remmis yltneg");
    }
}
