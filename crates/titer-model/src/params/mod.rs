//! Named parameters: what a decoder is made of, and anything of the same shape (gradients, moments, directions).

mod buffers;
mod layout;
mod of_decoder;
mod random;

pub use buffers::Params;
pub use layout::{Layout, ParamId, ParamRole, ParamSpec, TensorPart};
pub(crate) use of_decoder::{BlockIds, Ids, LinearIds};
