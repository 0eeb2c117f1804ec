//! Words: what the values of a small set are called in specs, tables, files and on the command line.

/// A text that is none of the known words.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not {kind}: it is one of {}", known.join(", "))]
pub struct UnknownWord {
    text: String,
    kind: &'static str,
    known: &'static [&'static str],
}

impl UnknownWord {
    /// This text, where one of these words for a kind was due.
    pub(crate) fn new(text: &str, kind: &'static str, known: &'static [&'static str]) -> Self {
        Self { text: text.to_owned(), kind, known }
    }
}

/// Gives the variants of an enum their words, both ways: `word()`, `Display`, `FromStr`, serde and JSON schema.
macro_rules! words {
    ($name:ident, $kind:literal { $($variant:ident = $word:literal,)+ }) => {
        impl $name {
            /// Its word in specs, tables and on the command line.
            pub const fn word(self) -> &'static str {
                match self {
                    $(Self::$variant => $word,)+
                }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.word())
            }
        }

        impl std::str::FromStr for $name {
            type Err = $crate::word::UnknownWord;

            fn from_str(text: &str) -> Result<Self, $crate::word::UnknownWord> {
                match text {
                    $($word => Ok(Self::$variant),)+
                    _ => Err($crate::word::UnknownWord::new(text, $kind, &[$($word),+])),
                }
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.word())
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = <std::borrow::Cow<'de, str> as serde::Deserialize>::deserialize(deserializer)?;
                text.parse().map_err(|_| serde::de::Error::unknown_variant(&text, &[$($word),+]))
            }
        }

        impl schemars::JsonSchema for $name {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({ "description": concat!("The word for ", $kind), "enum": [$($word),+] })
            }
        }
    };
}

pub(crate) use words;

#[cfg(test)]
mod tests {
    use crate::{domains::DomainSplit, probe::Component};

    #[test]
    fn words_read_back_and_others_are_told_what_is_known() {
        for split in DomainSplit::ALL {
            assert_eq!(split.word().parse::<DomainSplit>().unwrap(), split);
            assert_eq!(serde_json::from_str::<DomainSplit>(&serde_json::to_string(&split).unwrap()).unwrap(), split);
        }
        let error = "obeys".parse::<Component>().unwrap_err().to_string();
        assert_eq!(error, "`obeys` is not a component: it is one of good, obey_bad, obey");
    }
}
