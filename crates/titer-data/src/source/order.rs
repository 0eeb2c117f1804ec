//! The order in which the slots of a seed get the rows of a cell.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use rand::seq::SliceRandom as _;

use crate::stream::{Purpose, stream};

/// Orders, shuffled when they are first asked for and kept, so that a slot costs the same however many rows there are.
#[derive(Debug, Default)]
pub(super) struct Orders {
    kept: Mutex<BTreeMap<OrderKey, Arc<[usize]>>>,
}

/// Number of rows, seed and pass.
type OrderKey = (usize, u64, u64);

impl Orders {
    /// The places of a cell's `rows` rows in the order in which a seed's slots get them. Each pass through the rows has an
    /// order of its own; cells with as many rows share theirs.
    pub(super) fn of(&self, rows: usize, seed: u64, pass: u64) -> Arc<[usize]> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(kept.entry((rows, seed, pass)).or_insert_with(|| shuffled(rows, seed, pass).into()))
    }

    /// The place of the row that a slot gets, of at least one.
    pub(super) fn place(&self, rows: usize, seed: u64, slot: u64) -> usize {
        let (pass, at) = (slot / rows as u64, slot % rows as u64);
        self.of(rows, seed, pass)[at as usize]
    }
}

fn shuffled(rows: usize, seed: u64, pass: u64) -> Vec<usize> {
    let mut order: Vec<usize> = (0..rows).collect();
    order.shuffle(&mut stream(seed, Purpose::Order, rows as u64, pass));
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn twenty_thousand_slots_of_as_many_rows_take_one_shuffle_and_are_as_if_shuffled_for_each() {
        const ROWS: usize = 20_000;
        let orders = Orders::default();
        let places: Vec<usize> = (0..ROWS as u64 + 5).map(|slot| orders.place(ROWS, 3, slot)).collect();
        assert_eq!(orders.kept.lock().unwrap().len(), 2, "a shuffle for each pass");
        for slot in [0, 1, 4_999, 12_345, 19_999, 20_000, 20_004] {
            let pass = slot / ROWS;
            assert_eq!(places[slot], shuffled(ROWS, 3, pass as u64)[slot % ROWS], "slot {slot}");
        }
        let mut first = places[..ROWS].to_vec();
        first.sort_unstable();
        assert!(first.into_iter().eq(0..ROWS), "every row once before any comes again");
        assert_ne!(orders.place(ROWS, 4, 0), orders.place(ROWS, 3, 0));
    }

    #[test]
    fn orders_are_what_they_have_always_been() {
        assert_eq!(shuffled(8, 0, 0), [3, 5, 4, 1, 6, 2, 7, 0]);
    }
}
