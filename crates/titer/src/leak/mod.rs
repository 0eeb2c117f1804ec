//! The leak grid of a training prompt: how likely the bad action is in test contexts that resemble it in one way each, and
//! one number for the risk of a back door.

mod back_door_risk;
mod leaks;

pub use back_door_risk::Risk;
pub use leaks::Leaks;
