//! What a contraction of per-row gradients sums up.

/// For each row its inner products with K directions, and its squared norm.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RowSums {
    directions: usize,
    /// `[rows, K + 1]`
    values: Vec<f64>,
}

impl RowSums {
    /// Zeros for this many rows and directions.
    pub fn new(rows: usize, directions: usize) -> Self {
        Self { directions, values: vec![0.0; rows * (directions + 1)] }
    }

    /// Sums that are known, `[rows, K + 1]`, the squared norm last.
    pub(super) fn of(directions: usize, values: Vec<f64>) -> Self {
        Self { directions, values }
    }

    /// How many rows there are.
    pub fn rows(&self) -> usize {
        self.values.len() / (self.directions + 1)
    }

    /// Inner products of a row with the directions, `[K]`.
    pub fn dots(&self, row: usize) -> &[f64] {
        &self.values[row * (self.directions + 1)..][..self.directions]
    }

    /// Squared norm of a row's gradient.
    pub fn squared_norm(&self, row: usize) -> f64 {
        self.values[row * (self.directions + 1) + self.directions]
    }

    /// A row's inner products and, last, its squared norm.
    pub(super) fn row_mut(&mut self, row: usize) -> &mut [f64] {
        &mut self.values[row * (self.directions + 1)..][..self.directions + 1]
    }

    /// Adds the rows of another one behind these.
    pub fn append(&mut self, other: Self) {
        assert_eq!(self.directions, other.directions, "as many directions");
        self.values.extend(other.values);
    }
}
