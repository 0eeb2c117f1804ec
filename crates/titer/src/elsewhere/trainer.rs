//! Trainers that train a spec's arms in titer's place.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// Who trains an arm that titer does not train.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Trainer {
    /// Hugging Face's TRL, by `trl sft`.
    Trl,
    /// axolotl.
    Axolotl,
    /// LLaMA-Factory.
    LlamaFactory,
    /// A service that takes OpenAI's fine-tuning format.
    #[serde(rename = "openai")]
    OpenAi,
}

impl Trainer {
    /// Every trainer.
    pub const ALL: [Self; 4] = [Self::Trl, Self::Axolotl, Self::LlamaFactory, Self::OpenAi];

    /// What command lines and files call it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Trl => "trl",
            Self::Axolotl => "axolotl",
            Self::LlamaFactory => "llama-factory",
            Self::OpenAi => "openai",
        }
    }

    /// What its makers call it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Trl => "TRL",
            Self::Axolotl => "axolotl",
            Self::LlamaFactory => "LLaMA-Factory",
            Self::OpenAi => "a service with OpenAI's format",
        }
    }

    /// Whether it trains on this machine and leaves weights: a service does neither.
    pub const fn leaves_weights(self) -> bool {
        !matches!(self, Self::OpenAi)
    }

    /// The command that trains by a configuration; none where a service is asked.
    pub(super) const fn command(self) -> Option<&'static str> {
        match self {
            Self::Trl => Some("trl sft --config"),
            Self::Axolotl => Some("axolotl train"),
            Self::LlamaFactory => Some("llamafactory-cli train"),
            Self::OpenAi => None,
        }
    }

    /// How the name of a configuration ends.
    pub const fn extension(self) -> &'static str {
        match self {
            Self::Trl | Self::Axolotl | Self::LlamaFactory => "yaml",
            Self::OpenAi => "json",
        }
    }
}

impl fmt::Display for Trainer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Trainer {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, String> {
        let known = Self::ALL.map(Self::word).join(", ");
        let found = Self::ALL.into_iter().find(|trainer| trainer.word() == word);
        found.ok_or_else(|| format!("titer writes for {known}"))
    }
}
