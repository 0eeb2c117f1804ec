//! Metadata that tells groups of rows apart.

use std::collections::{BTreeMap, BTreeSet};

use crate::chat::Row;

/// Values of one key beyond this many name rows rather than kinds of rows.
const KINDS: usize = 50;

/// Metadata whose value alone guesses a row's group right in at least three quarters of both groups' rows, and better
/// than the larger group's share by a tenth.
pub(super) fn telling(first: &[&Row], second: &[&Row]) -> Vec<(String, f64)> {
    let keys: BTreeSet<&String> = first.iter().chain(second).flat_map(|row| row.metadata.keys()).collect();
    let total = (first.len() + second.len()) as f64;
    let chance = first.len().max(second.len()) as f64 / total;
    let guessed = |key: &String| {
        let mut counts: BTreeMap<String, [usize; 2]> = BTreeMap::new();
        for (side, rows) in [first, second].into_iter().enumerate() {
            for row in rows {
                let value = row.metadata.get(key).map(ToString::to_string).unwrap_or_default();
                counts.entry(value).or_default()[side] += 1;
            }
        }
        let right: usize = counts.values().map(|sides| sides[0].max(sides[1])).sum();
        (counts.len() <= KINDS).then_some(right as f64 / total)
    };
    let shares = keys.into_iter().filter_map(|key| Some((key.clone(), guessed(key)?)));
    shares.filter(|(_, share)| *share >= 0.75 && *share >= chance + 0.1).collect()
}
