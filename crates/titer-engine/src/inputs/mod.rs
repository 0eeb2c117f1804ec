//! What a spec asks for, looked at before its runs start: the model behind it, the user's own rows, and whether they fit.

mod error;
mod open;
mod resolve;

pub use error::InputsError;
pub use open::{at_checkpoint, dtype, examples, fits, plan_data, plan_model, prepare};
pub use resolve::{Resolved, resolve};
