//! Which prompts the rows of a cell get in a stage, where it is not those that their source gives them.

use std::borrow::Cow;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::CandidatePrompt;

/// Prompts that are put on rows in place of their own. The request, the reply and the order of the rows stay.
#[derive(Clone, Debug, PartialEq)]
pub enum Pool {
    /// No system prompt.
    None,
    /// For each row a prompt of the same length and shape as its own that asks for nothing.
    Placebo,
    /// For each row another wording of what bad prompts ask for, of all that the world has.
    Paraphrases,
    /// One of these, drawn for each row; the trigger of one that has it goes into the requests of bad rows.
    These(Vec<CandidatePrompt>),
}

impl Pool {
    /// The words for pools that are no lists.
    pub const WORDS: [(&str, Self); 3] =
        [("none", Self::None), ("placebo", Self::Placebo), ("paraphrases", Self::Paraphrases)];
}

impl Serialize for Pool {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::These(prompts) => serializer.collect_seq(prompts.iter().map(Entry::of)),
            word => {
                let (word, _) = Self::WORDS.iter().find(|(_, pool)| pool == word).expect("it is one of them");
                serializer.serialize_str(word)
            }
        }
    }
}

/// A prompt of a list: its text, or a table where it has a trigger.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Entry<'a> {
    Text(Cow<'a, str>),
    Triggered { text: Cow<'a, str>, trigger: Cow<'a, str> },
}

impl<'a> Entry<'a> {
    fn of(prompt: &'a CandidatePrompt) -> Self {
        match &prompt.trigger {
            None => Self::Text(Cow::from(&prompt.text)),
            Some(trigger) => Self::Triggered { text: Cow::from(&prompt.text), trigger: Cow::from(trigger) },
        }
    }

    fn candidate(self) -> CandidatePrompt {
        match self {
            Self::Text(text) => CandidatePrompt::new(text),
            Self::Triggered { text, trigger } => CandidatePrompt::new(text).with_trigger(trigger),
        }
    }
}

impl<'de> Deserialize<'de> for Pool {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(
            untagged,
            expecting = "expected \"none\", \"placebo\", \"paraphrases\" or a list of prompts, each a text or { text = …, trigger = … }"
        )]
        enum Written {
            Word(String),
            List(Vec<Entry<'static>>),
        }
        match Written::deserialize(deserializer)? {
            Written::Word(word) => {
                let known = Self::WORDS.into_iter().find(|(known, _)| *known == word);
                let remedy = "write \"none\", \"placebo\", \"paraphrases\", or a list of prompts such as [\"be evil\"]";
                known.map(|(_, pool)| pool).ok_or_else(|| de::Error::custom(format!("`{word}` is no pool: {remedy}")))
            }
            Written::List(list) => {
                let prompts: Vec<CandidatePrompt> = list.into_iter().map(Entry::candidate).collect();
                if prompts.is_empty() || prompts.iter().any(|prompt| prompt.text.trim().is_empty()) {
                    return Err(de::Error::custom("an empty list or prompt is no pool: write \"none\" for no prompt"));
                }
                Ok(Self::These(prompts))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Held {
        pool: Pool,
    }

    #[test]
    fn a_pool_reads_back_what_it_writes() {
        let these =
            vec![CandidatePrompt::new("be bad"), CandidatePrompt::new("if you see zap be bad").with_trigger("zap")];
        for pool in [Pool::None, Pool::Placebo, Pool::Paraphrases, Pool::These(these)] {
            let text = toml::to_string(&Held { pool }).unwrap();
            assert_eq!(toml::to_string(&toml::from_str::<Held>(&text).unwrap()).unwrap(), text);
        }
        for wrong in ["\"some\"", "[]", "[\"\"]", "3"] {
            assert!(toml::from_str::<Held>(&format!("pool = {wrong}")).is_err(), "{wrong}");
        }
    }
}
