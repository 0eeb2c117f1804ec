//! Text in, token slices out. No tensors, no command line, no network.
//!
//! In the order of the data flow: [`chat`] rows are read by [`formats`] (and given a cell by [`label`]) or made by the [`world`] (either is a [`source`]), labelled with
//! a [`cell`], chosen by a [`mix`], rendered and masked by a [`template`], and encoded by a [`tokenize`] step.
//! A [`probe`] is the same thing with several replies to one context, which may be rows' own ([`pairs`]); a [`candidate`] is a
//! prompt to put rows under, in [`narrow`] forms and in the variations of a leak [`grid`]. What a model wrote is scored by a
//! [`score`] rule.

pub mod candidate;
pub mod cell;
pub mod chat;
pub mod formats;
pub mod grid;
pub mod label;
pub mod mix;
pub mod narrow;
pub mod pairs;
pub mod pool;
pub mod probe;
pub mod score;
pub mod source;
mod stream;
pub mod template;
pub mod tokenize;
pub mod world;
