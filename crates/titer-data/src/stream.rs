//! One random stream per purpose, all derived from a seed.
//!
//! ChaCha is keyed by 256 bits, which is four 64-bit words: the seed, the purpose and two indices. Streams that
//! differ in any of them are independent, so that drawing more from one never moves another.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// What a stream is used for. The numbers are part of what makes a run repeatable: add, never renumber.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// The lookup tables of a world.
    Tables = 1,
    /// The request of a fine-tuning slot.
    Request = 2,
    /// The prompt wording of a fine-tuning slot.
    Prompt = 3,
    /// The contexts of a probe.
    Probe = 4,
    /// Held-out rows of a cell.
    CellRow = 5,
    /// Which slots a cell of a mix takes.
    Mix = 6,
    /// The order of rows from a file.
    Order = 7,
    /// The request of an anchor.
    AnchorRequest = 8,
    /// The prompt wording of an anchor.
    AnchorPrompt = 9,
    /// Which prompt of a pool a fine-tuning slot gets.
    Pool = 10,
}

/// The stream of `seed` for `purpose`, with two indices to tell its uses apart.
pub(crate) fn stream(seed: u64, purpose: Purpose, first: u64, second: u64) -> ChaCha8Rng {
    let mut key = [0; 32];
    for (word, value) in key.chunks_exact_mut(8).zip([seed, purpose as u64, first, second]) {
        word.copy_from_slice(&value.to_le_bytes());
    }
    ChaCha8Rng::from_seed(key)
}

/// FNV-1a over texts, a line each, mixed once more so that the high bits depend on every byte.
pub(crate) fn hash<'a>(texts: impl IntoIterator<Item = &'a str>) -> u64 {
    const PRIME: u64 = 0x0000_0100_0000_01b3;
    let mut state = 0xcbf2_9ce4_8422_2325_u64;
    for text in texts {
        for byte in text.bytes().chain([b'\n']) {
            state = (state ^ u64::from(byte)).wrapping_mul(PRIME);
        }
    }
    state ^= state >> 32;
    state.wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

/// A uniform index below `length`, drawn as 32 bits so that every platform draws the same.
pub(crate) fn below<R: RngExt + ?Sized>(rng: &mut R, length: usize) -> usize {
    let length = u32::try_from(length).expect("the tables of the world and the slots of a mix are shorter than 2^32");
    rng.random_range(0..length) as usize
}

/// A uniform element of a non-empty slice.
pub(crate) fn pick<'a, T, R: RngExt + ?Sized>(rng: &mut R, items: &'a [T]) -> &'a T {
    &items[below(rng, items.len())]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_differ_in_every_part_of_their_key() {
        let draw = |seed, purpose, first, second| stream(seed, purpose, first, second).random::<u64>();
        let base = draw(1, Purpose::Request, 2, 3);
        assert_eq!(base, draw(1, Purpose::Request, 2, 3));
        for other in [
            draw(2, Purpose::Request, 2, 3),
            draw(1, Purpose::Prompt, 2, 3),
            draw(1, Purpose::Request, 3, 3),
            draw(1, Purpose::Request, 2, 2),
        ] {
            assert_ne!(base, other);
        }
    }
}
