//! Which queries go through their keys together.

use titer_machine::Fused;

use crate::{packed::Reach, real::Real};

/// How many queries at most: keys, values and their gradients are read and written once for all of them.
pub(super) const TILE: usize = 4;

/// How many queries go together in this copy of the code. In f64, and on processors without a fused multiply-add, each goes alone: there speed
/// matters less than the size of the program.
#[inline(always)]
pub(super) fn most_together<T: Real>(fused: Fused) -> usize {
    if fused.is_one_instruction() && size_of::<T>() == size_of::<f32>() { TILE } else { 1 }
}

/// Queries that stand one behind the other, each of which reaches the keys of the one before it and one more. Slots behind the last query
/// repeat it, so that loops over slots have a constant length.
pub(super) struct Tile<'a> {
    /// How many queries.
    pub(super) count: usize,
    /// The keys that all of them reach, which are those of the first.
    pub(super) common: &'a Reach,
    /// The keys of the last one.
    pub(super) all: &'a Reach,
    /// The key behind the common ones.
    pub(super) next_key: usize,
    /// The query in each slot.
    pub(super) query: [usize; TILE],
    /// How many keys it reaches.
    pub(super) keys: [usize; TILE],
    /// How many keys the queries before it reach together.
    pub(super) before: [usize; TILE],
}

impl<'a> Tile<'a> {
    /// The tile of the queries from `first` on, `most` of them at most.
    #[inline(always)]
    pub(super) fn at(reach: &'a [Reach], first: usize, most: usize) -> Self {
        let mut count = 1;
        while count < most
            && reach.get(first + count).is_some_and(|next| next.is_one_key_further(&reach[first + count - 1]))
        {
            count += 1;
        }
        let common = &reach[first];
        let next_key = common.spans().last().map_or(0, |span| (span.start + span.len) as usize);
        let (mut query, mut keys, mut before) = ([first; TILE], [common.keys(); TILE], [0; TILE]);
        for slot in 1..TILE {
            let one = usize::from(slot < count);
            query[slot] = query[slot - 1] + one;
            before[slot] = before[slot - 1] + one * keys[slot - 1];
            keys[slot] = keys[slot - 1] + one;
        }
        Self { count, common, all: &reach[first + count - 1], next_key, query, keys, before }
    }

    /// How many keys its queries reach together.
    pub(super) fn all_keys(&self) -> usize {
        self.before[TILE - 1] + self.keys[TILE - 1]
    }
}

/// The spans of keys of one query, as `(first key, where its weights begin, length)`.
#[inline(always)]
pub(super) fn ranges(reach: &Reach) -> impl Iterator<Item = (usize, usize, usize)> + '_ {
    reach.spans().iter().scan(0, |begin, span| {
        let (first, len) = (span.start as usize, span.len as usize);
        *begin += len;
        Some((first, *begin - len, len))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::packed::Span;

    #[test]
    fn a_tile_ends_with_its_row_and_slots_behind_it_repeat_the_last_query() {
        let row = |start: u32, len: u32| (1..=len).map(move |len| Reach::over(&[Span { start, len }]));
        let reach: Vec<Reach> = row(0, 6).chain(row(6, 3)).collect();
        let (mut first, mut counts) = (0, Vec::new());
        while first < reach.len() {
            let tile = Tile::at(&reach, first, TILE);
            (first, _) = (first + tile.count, counts.push(tile.count));
        }
        assert_eq!(counts, [4, 2, 3]);
        let tile = Tile::at(&reach, 4, TILE);
        assert_eq!((tile.query, tile.keys, tile.before), ([4, 5, 5, 5], [5, 6, 6, 6], [0, 5, 5, 5]));
        assert_eq!((tile.next_key, tile.all_keys()), (5, 11));
    }

    #[test]
    fn a_window_that_has_left_its_beginning_goes_query_by_query() {
        let reach: Vec<Reach> = (0..3).map(|start| Reach::over(&[Span { start, len: 2 }])).collect();
        assert_eq!(Tile::at(&reach, 0, TILE).count, 1);
    }
}
