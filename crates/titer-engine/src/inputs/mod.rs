//! What a command's plans and runs start from: models and the user's own rows, looked at before runs start.
//!
//! A command has one [`Inputs`], which opens each file once: what is planned for is what is trained on, because it is the
//! same bytes.

mod error;
mod example;
mod given;
mod opened;
mod passes;
mod planned;
mod prompts;
mod resolve;
mod run;

pub use error::InputsError;
pub use example::{ExampleRow, ExampleSpan};
pub use opened::{Inputs, OpenData};
pub use planned::dtype;
pub use resolve::{Resolved, resolve};
