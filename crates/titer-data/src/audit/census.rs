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
    /// Rows that have one and end with another turn, so that their last request has no reply.
    pub rows_without_last_reply: usize,
    /// Rows whose last turn is an empty reply.
    pub rows_with_empty_reply: usize,
    /// Rows with assistant turns, all of weight 0.
    pub untrained_rows: usize,
    /// Rows with a system turn behind another turn.
    pub rows_with_late_system: usize,
    /// What messages and rows say for the chat template to read besides contents, and how many rows do.
    pub template_fields: BTreeMap<String, usize>,
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
            let replies = row.messages.iter().enumerate().filter(|(_, message)| message.role == Role::Assistant);
            let replies: Vec<usize> = replies.map(|(at, _)| at).collect();
            let last = row.messages.last().filter(|message| message.role == Role::Assistant);
            census.rows_without_target += usize::from(replies.is_empty());
            census.rows_without_last_reply += usize::from(!replies.is_empty() && last.is_none());
            census.rows_with_empty_reply +=
                usize::from(last.is_some_and(|reply| reply.content.trim().is_empty() && reply.fields.is_empty()));
            census.untrained_rows +=
                usize::from(!replies.is_empty() && replies.iter().all(|at| row.untrained.contains(at)));
            let late = row.messages.iter().skip(1).any(|message| message.role == Role::System);
            census.rows_with_late_system += usize::from(late);
            let fields = row.messages.iter().flat_map(|message| message.fields.0.keys()).chain(row.variables.0.keys());
            for field in fields.filter(|field| *field != "content").collect::<BTreeSet<_>>() {
                *census.template_fields.entry(field.clone()).or_default() += 1;
            }
        }
        census.system_prompts = prompts.into_iter().map(|(prompt, count)| (prompt.to_owned(), count)).collect();
        census.system_prompts.sort_by_key(|&(_, count)| std::cmp::Reverse(count));
        census.duplicate_ids =
            ids.into_iter().filter(|&(_, count)| count > 1).map(|(id, count)| (id.to_owned(), count)).collect();
        census
    }
}
