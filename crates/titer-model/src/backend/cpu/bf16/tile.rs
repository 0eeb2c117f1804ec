//! The units that products are cut into.

/// Rows of a tile on the left, columns of one on the right, and rows and columns of one of sums.
pub(super) const SIDE: usize = 16;

/// Inner size of a tile.
pub(super) const INNER: usize = 32;

/// The bits of 16 × 32 bf16 numbers. On the left `[16 rows, 32 inner]`; on the right `[16 pairs, 16 columns, 2]`, where a pair is two
/// neighbours along the inner size: a lane of the instructions multiplies two numbers at a time.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
pub(super) struct Tile(pub(super) [u16; SIDE * INNER]);

impl Tile {
    /// Zeros.
    pub(super) const ZERO: Self = Self([0; SIDE * INNER]);
}

/// Sums of 2 × 2 tiles, `[32, 32]`.
#[repr(C, align(64))]
pub(super) struct Sums(pub(super) [f32; 4 * SIDE * SIDE]);

/// Computes the sums of two panels of the left side and two of the right one; a panel is a row of tiles along the inner size, and
/// all four are as long.
pub(super) type Multiply = unsafe fn(left: [&[Tile]; 2], right: [&[Tile]; 2], sums: &mut Sums);
