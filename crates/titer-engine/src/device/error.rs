//! Why a device cannot be used.

use std::path::PathBuf;

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
    /// Another one is open.
    #[error(
        "--torch names {}, but this process has opened the PyTorch in {}, and there is one in a process: name that one, or begin anew",
        named.display(), open.display()
    )]
    AnotherTorch {
        /// The folder that was asked for.
        named: PathBuf,
        /// Where the one that is open lies.
        open: PathBuf,
    },
    /// It cannot be opened, or fails.
    #[error(transparent)]
    Torch(#[from] TorchError),
}
