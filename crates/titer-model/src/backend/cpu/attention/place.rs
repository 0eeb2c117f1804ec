//! Where numbers stand.

use super::tile::Tile;
use crate::backend::{Heads, cpu::elementwise::LANES};

/// Where a head's numbers stand in the row of a token.
#[derive(Clone, Copy)]
pub(super) struct HeadPlace {
    /// From one token to the next.
    pub(super) stride: usize,
    pub(super) column: usize,
    /// Of the head.
    pub(super) width: usize,
}

impl HeadPlace {
    /// `N` blocks of the head's numbers of a token, from number `at` on.
    #[inline(always)]
    pub(super) fn blocks<T, const N: usize>(self, x: &[T], token: usize, at: usize) -> &[[T; LANES]; N] {
        let blocks = x[token * self.stride + self.column + at..].as_chunks().0;
        blocks.first_chunk().expect("a head's numbers stand together")
    }

    /// How many whole blocks there are, and where the numbers behind them begin.
    pub(super) fn whole_blocks(self) -> (usize, usize) {
        (self.width / LANES, self.width / LANES * LANES)
    }
}

/// How many numbers are kept for each query, head and key.
pub(super) fn kept(heads: Heads) -> usize {
    if heads.softcap.is_some() { 2 } else { 1 }
}

/// Where the numbers of a query of the tile begin in one head.
#[inline(always)]
pub(super) fn of_query(tile: &Tile, head: usize, slot: usize, heads: Heads) -> usize {
    (tile.query[slot] * heads.queries + head) * heads.width
}

/// Where its weights begin among those of the tile.
#[inline(always)]
pub(super) fn of_weights(tile: &Tile, head: usize, slot: usize, heads: Heads) -> usize {
    kept(heads) * (heads.queries * tile.before[slot] + head * tile.keys[slot])
}

/// Where the numbers of the keys and values stand that a head meets.
#[inline(always)]
pub(super) fn of_keys(head: usize, heads: Heads) -> HeadPlace {
    let column = head * heads.keys / heads.queries * heads.width;
    HeadPlace { stride: heads.keys * heads.width, column, width: heads.width }
}

/// How many keys four rows have, one behind the other from a multiple of four on: the slots of a head, or four heads of one slot.
#[inline(always)]
pub(super) fn keys_of_four<const Q: usize>(tile: &Tile) -> [usize; 4] {
    [tile.keys[0], tile.keys[1 % Q], tile.keys[2 % Q], tile.keys[3 % Q]]
}
