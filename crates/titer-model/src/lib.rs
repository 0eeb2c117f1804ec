//! Tensors: a small decoder with hand-written backward passes, and everything that moves its parameters.
//!
//! In the order of the data flow: token slices become a [`packed`] batch; the [`decoder`] of a [`config`] and its
//! [`family`], a short list of [`layers`] written once over a [`backend`], turns it into one loss per target token and
//! hands every parameter's inputs and output gradients to a [`visitor`]; [`parallel`] does that for shards of a batch on
//! several threads, [`pressure`] contracts every row's gradient with directions; an [`optim`]iser moves the [`params`],
//! or the adapters beside them ([`lora`]) while the weights stay in their files ([`stored`]), and [`shares`] say whose rows
//! moved them. [`sample`] draws replies with a [`cache`], a [`tree`] scores replies whose contexts overlap, [`io`] reads and
//! writes Hugging Face folders.

pub mod backend;
pub mod cache;
pub mod config;
pub mod decoder;
pub mod family;
pub mod io;
pub mod layers;
pub mod lora;
pub mod optim;
pub mod packed;
pub mod parallel;
pub mod params;
pub mod pressure;
pub mod real;
pub mod sample;
pub mod shares;
pub mod stored;
pub mod tree;
pub mod visitor;
