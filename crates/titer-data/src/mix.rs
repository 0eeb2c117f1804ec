//! A mix: shares of cells, and which slot of the training data gets which cell.
//!
//! Slots are paired across doses: the slots that hold a cell at a small dose still hold it at a larger one, and
//! what a larger dose adds was rest before. A difference between two doses is then a difference in those slots
//! alone.

use rand::seq::SliceRandom;

use crate::{
    cell::Cell,
    stream::{Purpose, stream},
};

/// How far above 1, or below it where nothing fills the rest, the shares may add up to.
const SLACK: f64 = 1e-9;

/// Shares of cells that add up to 1, or less where a further cell fills the rest.
#[derive(Clone, Debug, PartialEq)]
pub struct Mix {
    shares: Vec<(Cell, f64)>,
    rest: Option<Cell>,
}

/// Why shares are not a mix.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum MixError {
    /// No share and no rest.
    #[error("the mix is empty: name at least one cell, for example `bad→good = 0.1` with rest `neutral→good`")]
    Empty,
    /// A share that is no share.
    #[error("share of `{cell}` is {share}; shares lie between 0 and 1 (write 5 % as 0.05)")]
    Share {
        /// Whose share it is.
        cell: Cell,
        /// The share as given.
        share: f64,
    },
    /// The same cell twice, be it as the rest.
    #[error("`{0}` appears twice in the mix: give each cell one share, and do not repeat it as the rest")]
    Twice(Cell),
    /// More than everything.
    #[error("the shares add up to {0}, which is above 1: lower one of them")]
    Above(f64),
    /// Less than everything, with nothing to fill it.
    #[error("the shares add up to {0}, which is below 1: raise one of them or name a rest cell")]
    Below(f64),
}

impl Mix {
    /// The mix of these shares, in this order, with `rest` for what they leave.
    ///
    /// Fails when nothing is given, a share lies outside 0..=1, a cell appears twice, or the shares add up to more
    /// than 1, or to less than 1 without a rest.
    pub fn new(shares: Vec<(Cell, f64)>, rest: Option<Cell>) -> Result<Self, MixError> {
        if shares.is_empty() && rest.is_none() {
            return Err(MixError::Empty);
        }
        for (k, &(cell, share)) in shares.iter().enumerate() {
            if !(0.0..=1.0).contains(&share) {
                return Err(MixError::Share { cell, share });
            }
            if rest == Some(cell) || shares[..k].iter().any(|&(earlier, _)| earlier == cell) {
                return Err(MixError::Twice(cell));
            }
        }
        let sum: f64 = shares.iter().map(|&(_, share)| share).sum();
        if sum > 1.0 + SLACK {
            return Err(MixError::Above(sum));
        }
        if rest.is_none() && sum < 1.0 - SLACK {
            return Err(MixError::Below(sum));
        }
        Ok(Self { shares, rest })
    }

    /// The shares as given, in order, without the rest.
    pub fn shares(&self) -> &[(Cell, f64)] {
        &self.shares
    }

    /// The cell that fills what the shares leave, where one was named.
    pub fn rest(&self) -> Option<Cell> {
        self.rest
    }

    /// How many of `rows` slots each cell gets, in order, the filling cell last.
    ///
    /// A count is `share · rows`, rounded half up. What is left goes to the rest; a mix without one lets its last
    /// cell fill, so that the counts always add up to `rows`.
    pub fn counts(&self, rows: usize) -> Vec<(Cell, usize)> {
        let (listed, filler) = match (self.rest, self.shares.as_slice()) {
            (Some(rest), shares) => (shares, rest),
            (None, [shares @ .., (last, _)]) => (shares, *last),
            (None, []) => return Vec::new(),
        };
        let mut left = rows;
        let mut counts: Vec<_> = listed
            .iter()
            .map(|&(cell, share)| {
                let count = ((share * rows as f64 + 0.5).floor() as usize).min(left);
                left -= count;
                (cell, count)
            })
            .collect();
        counts.push((filler, left));
        counts
    }

    /// The cell of each of `rows` slots.
    ///
    /// In order, each cell takes the first free slots of a permutation that belongs to that cell and `seed`; the
    /// filling cell takes the others. So a cell that is listed first keeps its slots as its share grows, whatever
    /// else the mix holds.
    pub fn slots(&self, rows: usize, seed: u64) -> Vec<Cell> {
        let counts = self.counts(rows);
        let Some((&(filler, _), listed)) = counts.split_last() else { return Vec::new() };
        let mut slots: Vec<Option<Cell>> = vec![None; rows];
        for &(cell, count) in listed.iter().filter(|&&(_, count)| count > 0) {
            let free: Vec<usize> =
                permutation(rows, seed, cell).into_iter().filter(|&slot| slots[slot].is_none()).take(count).collect();
            for slot in free {
                slots[slot] = Some(cell);
            }
        }
        slots.into_iter().map(|cell| cell.unwrap_or(filler)).collect()
    }
}

/// The order in which `cell` takes slots.
fn permutation(rows: usize, seed: u64, cell: Cell) -> Vec<usize> {
    let key = Cell::all().position(|other| other == cell).expect("all() lists every cell") as u64;
    let mut order: Vec<usize> = (0..rows).collect();
    order.shuffle(&mut stream(seed, Purpose::Mix, key, rows as u64));
    order
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn cell(text: &str) -> Cell {
        text.parse().unwrap()
    }

    fn held(slots: &[Cell], cell: Cell) -> Vec<usize> {
        (0..slots.len()).filter(|&slot| slots[slot] == cell).collect()
    }

    #[test]
    fn shares_that_are_no_mix_say_so() {
        let (bad, neutral) = (cell("bad→good"), cell("neutral→good"));
        let message = |shares: &[(Cell, f64)], rest| Mix::new(shares.to_vec(), rest).unwrap_err().to_string();
        assert!(message(&[(bad, 1.2)], None).contains("share of `bad→good` is 1.2; shares lie between 0 and 1"));
        assert!(message(&[(bad, f64::NAN)], Some(neutral)).contains("NaN"));
        assert!(message(&[(bad, 0.7), (neutral, 0.7)], None).contains("above 1"));
        assert!(message(&[(bad, 0.7)], None).contains("name a rest cell"));
        assert!(message(&[], None).contains("empty"));
        assert!(message(&[(bad, 0.1), (bad, 0.1)], Some(neutral)).contains("twice"));
        assert!(message(&[(bad, 0.1)], Some(bad)).contains("twice"));
    }

    #[test]
    fn tenths_that_add_up_to_one_are_a_mix() {
        let cells: Vec<Cell> = Cell::all().take(10).collect();
        let mix = Mix::new(cells.iter().map(|&cell| (cell, 0.1)).collect(), None).unwrap();
        assert!(mix.counts(3200).iter().all(|&(_, count)| count == 320));
    }

    #[test]
    fn a_quarter_of_a_percent_of_3200_rows_is_eight_rows() {
        let mix = Mix::new(vec![(cell("bad→good"), 0.0025)], Some(cell("neutral→good"))).unwrap();
        assert_eq!(held(&mix.slots(3200, 5), cell("bad→good")).len(), 8);
    }

    proptest! {
        #[test]
        fn counts_are_exact_and_slots_repeat(share in 0.0..=1.0f64, second in 0.0..=1.0f64, rows in 0..500usize, seed: u64) {
            let second = second * (1.0 - share);
            let mix = Mix::new(vec![(cell("bad→good"), share), (cell("bad→bad"), second)], Some(cell("neutral→good"))).unwrap();
            let slots = mix.slots(rows, seed);
            prop_assert_eq!(slots.len(), rows);
            for (cell, count) in mix.counts(rows) {
                prop_assert_eq!(held(&slots, cell).len(), count);
            }
            prop_assert!((held(&slots, cell("bad→good")).len() as f64 - share * rows as f64).abs() <= 0.5 + 1e-9);
            prop_assert_eq!(slots, mix.slots(rows, seed));
        }

        #[test]
        fn a_larger_dose_only_converts_rest_slots(low in 0.0..=1.0f64, high in 0.0..=1.0f64, rows in 1..500usize, seed: u64) {
            let (low, high) = (low.min(high), low.max(high));
            let slots = |dose, rest| Mix::new(vec![(cell("bad→good"), dose)], Some(rest)).unwrap().slots(rows, seed);
            let (small, large) = (slots(low, cell("neutral→good")), slots(high, cell("neutral→good")));
            for (before, after) in small.iter().zip(&large) {
                prop_assert!(before == after || (*before == cell("neutral→good") && *after == cell("bad→good")));
            }
            // The background does not move the dose.
            prop_assert_eq!(held(&large, cell("bad→good")), held(&slots(high, cell("bad→bad")), cell("bad→good")));
        }

        #[test]
        fn a_later_cell_keeps_its_slots_as_it_grows(first in 0.0..=0.4f64, low in 0.0..=0.5f64, more in 0.0..=0.1f64, seed: u64) {
            let slots = |second| {
                let shares = vec![(cell("bad→good"), first), (cell("bad→bad"), second)];
                Mix::new(shares, Some(cell("neutral→good"))).unwrap().slots(300, seed)
            };
            let (small, large) = (slots(low), slots(low + more));
            prop_assert!(held(&small, cell("bad→bad")).iter().all(|slot| held(&large, cell("bad→bad")).contains(slot)));
            prop_assert_eq!(held(&small, cell("bad→good")), held(&large, cell("bad→good")));
        }
    }
}
