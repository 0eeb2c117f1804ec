//! Which of torch's kernels are used: those that were right when they were tried.

use super::tensor::Number;

/// Which kernels for attention and norms are used: of four, each has what the next one has and more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KernelUse {
    /// All that torch has for the device.
    Full,
    /// All but flash attention.
    WithoutFlash,
    /// Those for f32 and f64.
    WithoutShort,
    /// None: the same is put together from smaller operations.
    Without,
}

impl KernelUse {
    /// All, the most first.
    pub const ALL: [Self; 4] = [Self::Full, Self::WithoutFlash, Self::WithoutShort, Self::Without];

    /// What it is, for people.
    pub fn words(self) -> &'static str {
        match self {
            Self::Full => "with its kernels for attention and norms",
            Self::WithoutFlash => "without flash attention",
            Self::WithoutShort => "without its kernels for attention and norms in bf16",
            Self::Without => "without its kernels for attention and norms",
        }
    }

    /// Whether kernels in these numbers are.
    pub(super) fn has(self, number: Number) -> bool {
        match self {
            Self::Full | Self::WithoutFlash => true,
            Self::WithoutShort => !number.is_short(),
            Self::Without => false,
        }
    }
}
