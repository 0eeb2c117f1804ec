//! Tensors: a small decoder with hand-written backward passes, and everything that moves its parameters.
//!
//! In the order of the data flow: [`real`] numbers; weights [`stored`] in files; token slices [`packed`] into a batch; a
//! [`backend`] that computes; the [`shape`] of a decoder and its named [`params`]; its [`layers`], put together as a
//! [`decoder`], which turns a batch into one loss per target token and hands every parameter's inputs and output
//! gradients to a visitor; [`passes`] over shards of a batch on several threads, which score, differentiate, contract
//! every row's gradient with directions, and draw replies; [`optim`]isers that move the parameters, and whose rows moved
//! them; [`io`] for Hugging Face folders. No folder imports from a later one.

pub mod backend;
pub mod decoder;
pub mod io;
pub mod layers;
pub mod optim;
pub mod packed;
pub mod params;
pub mod passes;
pub mod real;
pub mod shape;
pub mod stored;
