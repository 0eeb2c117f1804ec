//! The world's lookup tables, which are all that its seed sets.

use super::words::{BAD_DETAILS, DOMAINS, GOOD_DETAILS, NUMBERS, Openers, TOPICS};
use crate::stream::{Purpose, below, stream};

/// Good and bad last word of every topic of every domain, as indices.
pub(super) type Details = [[[usize; 2]; TOPICS]; DOMAINS.len()];

/// The tables of the world with this seed.
fn draw_details(seed: u64) -> Details {
    let mut rng = stream(seed, Purpose::Tables, 0, 0);
    let mut details = [[[0; 2]; TOPICS]; DOMAINS.len()];
    for (domain, table) in DOMAINS.iter().zip(&mut details) {
        for entry in table {
            *entry = match domain.openers {
                Openers::Verb { .. } => [below(&mut rng, GOOD_DETAILS.len()), below(&mut rng, BAD_DETAILS.len())],
                Openers::Value(_) => {
                    let right = below(&mut rng, NUMBERS.len());
                    // A wrong number is any but the right one.
                    [right, (right + 1 + below(&mut rng, NUMBERS.len() - 1)) % NUMBERS.len()]
                }
            };
        }
    }
    details
}

/// The world with one set of lookup tables.
#[derive(Clone, Debug, PartialEq)]
pub struct World {
    seed: u64,
    details: Details,
}

impl World {
    /// The world whose tables come from `seed`.
    pub fn new(seed: u64) -> Self {
        Self { seed, details: draw_details(seed) }
    }

    /// The seed of the tables.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// Its tables.
    pub(super) fn details(&self) -> &Details {
        &self.details
    }
}
