//! Rotary positions: a product with cosines, and one with sines of the numbers half a head away.

use std::sync::{Arc, Mutex, PoisonError};

use super::tensor::Tensor;

/// Cosines and sines of a batch's positions, made once for each table of angles and kept with the positions.
#[derive(Clone, Debug, Default)]
pub(super) struct Angles(Arc<Mutex<Vec<Turn>>>);

/// Of one table.
#[derive(Clone, Debug)]
struct Turn {
    /// The table, which lives as long as this does, so that no other is taken for it.
    table: Tensor,
    /// `[positions, 1, width]`
    cos: Tensor,
    /// The same, negative in the first half.
    sin: Tensor,
}

impl Angles {
    /// Of this table, `[_, width]`, half cosines, half sines.
    fn of(&self, table: &Tensor, positions: &Tensor) -> Turn {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(turn) = all.iter().find(|turn| turn.table.data() == table.data()) {
            return turn.clone();
        }
        let (angles, half) = (table.rows(positions), table.shape()[1] / 2);
        let (cos, sin) = (angles.narrow(1, 0, half), angles.narrow(1, half, half));
        let whole = |low: Tensor, high: Tensor| Tensor::cat(&[low, high], 1).view(&[-1, 1, 2 * half]);
        let turn = Turn { table: table.clone(), cos: whole(cos.clone(), cos), sin: whole(sin.times_number(-1.0), sin) };
        all.push(turn.clone());
        turn
    }

    /// Turns heads, `[positions, heads, width]`, or turns them back; in at least the table's numbers.
    pub(super) fn turned(&self, heads: &Tensor, table: &Tensor, positions: &Tensor, back: bool) -> Tensor {
        let Turn { cos, sin, .. } = self.of(table, positions);
        let across = heads.rolled(heads.shape()[2] / 2).times(&sin);
        heads.times(&cos).add_scaled(&across, if back { -1.0 } else { 1.0 })
    }
}
