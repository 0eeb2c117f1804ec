//! The organism: a tiny decoder that has learned to follow system prompts in the synthetic world.
//!
//! A [`Recipe`] says how one is [`raise`]d; [`card`] measures it and writes what it is; [`shipped`] are the ones that
//! titer carries.

pub mod card;
mod raise;
mod recipe;
pub mod shipped;

pub use raise::{Raised, Raising, raise};
pub use recipe::Recipe;
