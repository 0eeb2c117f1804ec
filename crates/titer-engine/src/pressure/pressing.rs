//! What rows push, each device taking a part of them.

use titer::table::PressureRecord;

use super::Directions;
use crate::{
    device::on_each,
    model::{Model, ModelCopies},
    probe::Moment,
    rows::PackedRows,
};

/// Directions, wherever a model computes.
#[derive(Debug)]
pub struct Pressing<'a>(Vec<(&'a Model, Directions)>);

impl<'a> Pressing<'a> {
    /// Directions of a model in one place.
    pub fn alone(model: &'a Model, directions: Directions) -> Self {
        Self(vec![(model, directions)])
    }

    /// Directions of the first of a model's copies, for all of them.
    pub fn over(copies: &'a ModelCopies, directions: Directions) -> Self {
        let first = copies.first();
        let moved: Vec<_> = copies.models()[1..].iter().map(|model| (model, directions.moved(first, model))).collect();
        Self([(first, directions)].into_iter().chain(moved).collect())
    }

    /// The directions.
    pub fn directions(&self) -> &Directions {
        &self.0[0].1
    }

    /// The pressure of every row on every component, in the order of the rows; `finished` is told of so many rows at a time.
    pub fn pressures(
        &self,
        rows: &PackedRows,
        at: Moment<'_>,
        finished: &(dyn Fn(usize) + Sync),
    ) -> Vec<PressureRecord> {
        let named: Vec<_> = rows.iter().collect();
        let of_part = |device: usize, range: std::ops::Range<usize>| {
            let (model, directions) = &self.0[device];
            if range.len() == rows.len() {
                return directions.pressures_through(&model.decoder, model, rows, at, finished);
            }
            directions.pressures_through(&model.decoder, model, &rows.part(model, range), at, finished)
        };
        on_each(self.0.len(), &named, of_part).concat()
    }

    /// Does work on each of these things, a part of them on each device; in order.
    pub(crate) fn each<T: Sync, R: Send>(
        &self,
        things: &[T],
        work: impl Fn(&Model, &Directions, &T) -> R + Sync,
    ) -> Vec<R> {
        let of_part = |device: usize, range: std::ops::Range<usize>| -> Vec<R> {
            let (model, directions) = &self.0[device];
            things[range].iter().map(|thing| work(model, directions, thing)).collect()
        };
        on_each(self.0.len(), things, of_part).into_iter().flatten().collect()
    }
}
