//! Raising an organism: training it from scratch, measuring it, writing its folder.

mod card;
mod files;
mod training;

pub use card::{card, mean_losses, measure};
pub use files::files;
pub use training::{Raised, Raising, raise};
