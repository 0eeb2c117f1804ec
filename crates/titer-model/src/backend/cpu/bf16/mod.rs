//! Products of bf16 weights with activations rounded to bf16, summed in f32, where the processor has instructions for that.

mod amx;
mod avx512;
mod pack;
mod place;
mod product;
mod tile;

pub(super) use product::product;
