//! The models that titer ships: their files, what decides their weights, and what they do.

pub mod card;
mod recipe;
pub mod shipped;

pub use recipe::Recipe;
