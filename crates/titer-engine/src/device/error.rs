//! Why a device cannot be used.

use titer_model::backend::TorchError;

/// Why a device cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DeviceError {
    /// There is no PyTorch to open.
    #[error(
        "no PyTorch was found ({tried}), and `{device}` is one of its devices; install it (`pip install torch`), or name its folder \
         with --torch or TITER_TORCH; without --device titer computes on the processor by itself"
    )]
    NoTorch {
        /// The device that was asked for.
        device: String,
        /// Where it was looked for.
        tried: String,
    },
    /// It cannot be opened, or fails.
    #[error(transparent)]
    Torch(#[from] TorchError),
}
