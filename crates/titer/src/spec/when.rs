//! When something is done along a stage: `"never"`, `"at the end"` or `"every N steps"`.

use std::{borrow::Cow, fmt, num::NonZero};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// When something is done along a stage.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum When {
    /// Not at all.
    #[default]
    Never,
    /// After the last step of every stage.
    AtTheEnd,
    /// After every so many steps of a stage, and after its last.
    Every(NonZero<usize>),
}

impl When {
    /// Whether it is due after `done` of a stage's `steps`.
    pub fn is_due(self, done: usize, steps: usize) -> bool {
        match self {
            Self::Never => false,
            Self::AtTheEnd => done == steps,
            Self::Every(every) => done == steps || (done > 0 && done.is_multiple_of(every.get())),
        }
    }

    /// Whether it never is.
    pub fn is_never(&self) -> bool {
        *self == Self::Never
    }
}

impl fmt::Display for When {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Never => f.write_str("never"),
            Self::AtTheEnd => f.write_str("at the end"),
            Self::Every(every) => write!(f, "every {every} steps"),
        }
    }
}

impl Serialize for When {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for When {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<'de, str>::deserialize(deserializer)?;
        let words: Vec<&str> = text.split_whitespace().collect();
        let every = |number: &str| number.parse().map(Self::Every).ok();
        let when = match words.as_slice() {
            ["never"] => Some(Self::Never),
            ["at", "the", "end"] => Some(Self::AtTheEnd),
            ["every", "step"] => Some(Self::Every(NonZero::<usize>::MIN)),
            ["every", number, "step" | "steps"] => every(number),
            _ => None,
        };
        let problem = || format!("`{text}` is no time: write \"never\", \"at the end\" or \"every 10 steps\"");
        when.ok_or_else(|| de::Error::custom(problem()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, Deserialize, Serialize)]
    struct Held {
        when: When,
    }

    #[test]
    fn it_reads_back_what_it_writes() {
        for when in [When::Never, When::AtTheEnd, When::Every(NonZero::new(20).unwrap())] {
            let text = toml::to_string(&Held { when }).unwrap();
            assert_eq!(toml::from_str::<Held>(&text).unwrap().when, when, "{text}");
        }
        for wrong in ["sometimes", "every 0 steps", "every few steps", "10"] {
            assert!(toml::from_str::<Held>(&format!("when = \"{wrong}\"")).is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_last_step_is_always_due() {
        let due = |when: When| (0..=7).filter(|&done| when.is_due(done, 7)).collect::<Vec<_>>();
        assert_eq!(due(When::Every(NonZero::new(3).unwrap())), [3, 6, 7]);
        assert_eq!(due(When::AtTheEnd), [7]);
        assert_eq!(due(When::Never), [0; 0]);
    }
}
