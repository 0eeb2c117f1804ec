//! Attention, a few queries at a time over the few spans of keys that they reach.
//!
//! Rows are short, so a matrix product per row and head would spend its time on calls. Instead keys and values are transposed once,
//! `[heads · width, tokens]`, and every inner loop runs along contiguous keys or a head's width. Queries that follow each other go together
//! ([`tile`]), which changes no sum: each is taken key by key and query by query as if every query went alone.

mod backward;
mod columns;
mod forward;
mod place;
mod rows;
mod sums;
mod tile;

pub(super) use backward::{Gradients, backward};
pub(super) use forward::{Inputs, forward};
