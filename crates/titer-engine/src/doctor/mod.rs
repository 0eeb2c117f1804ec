//! Whether what titer assumes holds on a model and its data, measured: `titer doctor`.

mod check;
mod date;
mod error;
mod examine;
mod margins;
mod numbers;
mod on_device;
mod plain_chats;
mod products;
mod rendering;
mod stop_token;
mod system_prompts;

pub use check::{Check, CheckOutcome};
pub use error::DoctorError;
pub use examine::examine;
pub use plain_chats::plain_chats;
