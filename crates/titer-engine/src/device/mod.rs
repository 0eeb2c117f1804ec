//! Where the lab computes: the processor, or a device of the PyTorch that the user has. Found, opened, and tried before it is trusted.

mod error;
mod find;
mod list;
mod open;
mod tried;

pub use error::DeviceError;
pub use find::prefer_torch;
pub use list::{ListedDevice, devices};
pub(crate) use open::{Stay, described, open};
pub use open::{available, gpus, guarded};
