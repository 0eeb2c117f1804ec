//! torch's devices: the processor, GPUs of NVIDIA's and AMD's, Apple's. The torch that a user has is opened at run time by its
//! stable C ABI, so that nothing of it is needed to build, and no version is pinned.
//!
//! Operations are few and large, and the same for all devices. A tensor is never written to while a buffer or a view refers to it.

mod adam;
mod arithmetic;
mod attention;
mod by_products;
mod call;
mod contract;
mod device;
mod error;
mod fused;
mod given;
mod kernel_use;
mod kernels;
mod launches;
mod library;
mod norm;
mod on_device;
mod operations;
mod placed;
mod rope;
mod tensor;
mod transfer;

pub(super) use contract::TorchSums;
pub use device::TorchDevice;
pub use error::TorchError;
pub use kernel_use::KernelUse;
pub use on_device::Torch;
pub(super) use on_device::{TorchBuffer, TorchFrozen, TorchIds};
pub(super) use placed::{TorchReach, TorchSpans};
