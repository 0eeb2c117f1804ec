//! What a chat template may read besides roles and contents: JSON values by name.

use std::{cmp::Ordering, sync::LazyLock};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// JSON values by name, in the order in which they were given.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Variables(pub Map<String, Value>);

impl Variables {
    /// Those of a chat that has none.
    pub fn none() -> &'static Self {
        static NONE: LazyLock<Variables> = LazyLock::new(Variables::default);
        &NONE
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Ord for Variables {
    fn cmp(&self, other: &Self) -> Ordering {
        let texts = |variables: &Self| -> Vec<(String, String)> {
            variables.0.iter().map(|(name, value)| (name.clone(), value.to_string())).collect()
        };
        texts(self).cmp(&texts(other))
    }
}

impl PartialOrd for Variables {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
