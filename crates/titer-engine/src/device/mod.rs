//! Where the lab computes: the processor, or a device of the PyTorch that the user has. Found, opened, and tried before it is trusted.

mod error;
mod find;
mod list;
mod open;
mod python;
mod spread;
mod stay;
mod tried;

pub use error::DeviceError;
pub use find::prefer_torch;
pub use list::{ListedDevice, devices};
pub use open::{available, gpus, guarded};
pub(crate) use open::{described, memory, open};
pub(crate) use spread::{each_of, on_each};
pub(crate) use stay::Stay;
pub use stay::begin_at;
