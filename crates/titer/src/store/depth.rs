//! How deeply a finished run is looked at.

/// How much of a run is held against its hashes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    /// Plan and tables; of checkpoints, whether they are there.
    Tables,
    /// Every file.
    Everything,
}
