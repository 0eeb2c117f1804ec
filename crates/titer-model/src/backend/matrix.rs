//! What a matrix product takes.

/// A row-major matrix in a buffer or a file, possibly read transposed.
#[derive(Debug)]
pub struct Matrix<'a, Buffer> {
    /// Where the numbers are, `[rows, columns]` as stored.
    pub data: &'a Buffer,
    /// Stored rows.
    pub rows: usize,
    /// Stored columns.
    pub columns: usize,
    /// Whether it is used transposed.
    pub transposed: bool,
}

impl<Buffer> Clone for Matrix<'_, Buffer> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<Buffer> Copy for Matrix<'_, Buffer> {}

impl<'a, Buffer> Matrix<'a, Buffer> {
    /// A matrix stored and used as `[rows, columns]`.
    pub fn new(data: &'a Buffer, rows: usize, columns: usize) -> Self {
        Self { data, rows, columns, transposed: false }
    }

    /// The same matrix, transposed.
    pub fn t(self) -> Self {
        Self { transposed: !self.transposed, ..self }
    }

    /// The same of a buffer that stands for this one.
    pub(super) fn of<Other>(self, data: &'a Other) -> Matrix<'a, Other> {
        let Self { rows, columns, transposed, .. } = self;
        Matrix { data, rows, columns, transposed }
    }

    /// The shape as used, `(rows, columns)`.
    pub fn shape(&self) -> (usize, usize) {
        if self.transposed { (self.columns, self.rows) } else { (self.rows, self.columns) }
    }
}

/// Whether a result replaces what is in the buffer or is added to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Write {
    /// `out = result`
    Replace,
    /// `out += result`
    Add,
}
