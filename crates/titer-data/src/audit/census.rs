//! What a file of chats holds, in numbers.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    cell::Cell,
    chat::{Role, Row},
};

/// Counts over the rows of a source.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Census {
    /// Rows.
    pub rows: usize,
    /// Messages of each role.
    pub roles: BTreeMap<Role, usize>,
    /// Rows with at least one system message.
    pub rows_with_system: usize,
    /// Every distinct system message and in how many rows it is, most frequent first, ties in alphabetical order.
    pub system_prompts: Vec<(String, usize)>,
    /// How many rows have how many messages.
    pub turns: BTreeMap<usize, usize>,
    /// Every key of the metadata and how many rows have it.
    pub metadata_keys: BTreeMap<String, usize>,
    /// How many rows are labelled with which cell.
    pub cells: BTreeMap<Cell, usize>,
    /// Rows without an assistant turn, which cannot be trained on.
    pub rows_without_target: usize,
    /// Every id that more than one row has, and how many have it, in alphabetical order.
    pub duplicate_ids: Vec<(String, usize)>,
}

impl Census {
    /// The counts over `rows`.
    pub fn of(rows: &[Row]) -> Self {
        let mut census = Self { rows: rows.len(), ..Self::default() };
        let mut prompts: BTreeMap<&str, usize> = BTreeMap::new();
        let mut ids: BTreeMap<&str, usize> = BTreeMap::new();
        for row in rows {
            *ids.entry(&row.id).or_default() += 1;
            *census.turns.entry(row.messages.len()).or_default() += 1;
            if let Some(cell) = row.cell {
                *census.cells.entry(cell).or_default() += 1;
            }
            for key in row.metadata.keys() {
                *census.metadata_keys.entry(key.clone()).or_default() += 1;
            }
            for message in &row.messages {
                *census.roles.entry(message.role).or_default() += 1;
            }
            let systems: BTreeSet<&str> = row
                .messages
                .iter()
                .filter(|message| message.role == Role::System)
                .map(|message| message.content.as_str())
                .collect();
            census.rows_with_system += usize::from(!systems.is_empty());
            for prompt in systems {
                *prompts.entry(prompt).or_default() += 1;
            }
            let has_target = row.messages.iter().any(|message| message.role == Role::Assistant);
            census.rows_without_target += usize::from(!has_target);
        }
        census.system_prompts = prompts.into_iter().map(|(prompt, count)| (prompt.to_owned(), count)).collect();
        census.system_prompts.sort_by_key(|&(_, count)| std::cmp::Reverse(count));
        census.duplicate_ids =
            ids.into_iter().filter(|&(_, count)| count > 1).map(|(id, count)| (id.to_owned(), count)).collect();
        census
    }
}
