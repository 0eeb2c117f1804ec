//! What moves parameters: optimisers, learning-rate schedules, gradient clipping, and whose rows moved what.

mod clip;
mod optimiser;
mod rule;
mod shares;

pub use clip::clip_scale;
pub use optimiser::Optimiser;
pub use rule::UpdateRule;
pub use shares::{Booking, Shares};
