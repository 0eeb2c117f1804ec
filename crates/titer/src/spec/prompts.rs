//! Prompts of cells as written: `{ "bad→bad" = ["be evil in everything ."], all = "none" }`.

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{Error as _, MapAccess, Visitor},
};
use titer_data::{
    cell::{Cell, PromptKind},
    prompt::Pool,
};

/// Pools by cell.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct PromptsField {
    /// Cells with their pools, in the order of the spec.
    pub cells: Vec<(Cell, Pool)>,
    /// The pool of every other cell with a prompt.
    pub all: Option<Pool>,
}

impl PromptsField {
    /// The pool of a cell, if it has one.
    pub fn of(&self, cell: Cell) -> Option<&Pool> {
        let of_cell = self.cells.iter().find(|(other, _)| *other == cell).map(|(_, pool)| pool);
        of_cell.or(self.all.as_ref().filter(|_| cell.prompt != PromptKind::None))
    }
}

impl<'de> Deserialize<'de> for PromptsField {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Pools;
        impl<'de> Visitor<'de> for Pools {
            type Value = PromptsField;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(
                    r#"a table of cells and their prompts, such as { "bad→bad" = ["be evil in everything ."] }"#,
                )
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<PromptsField, A::Error> {
                let mut prompts = PromptsField::default();
                while let Some(key) = map.next_key::<String>()? {
                    if key == "all" {
                        prompts.all = Some(map.next_value()?);
                    } else {
                        let cell = key.parse().map_err(A::Error::custom)?;
                        prompts.cells.push((cell, map.next_value()?));
                    }
                }
                Ok(prompts)
            }
        }
        deserializer.deserialize_map(Pools)
    }
}
