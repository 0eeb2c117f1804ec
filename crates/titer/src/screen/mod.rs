//! What a screening of prompts says: what each candidate does to the bad rows and to the good ones, before anything is trained.
//!
//! The engine scores every reply under every prompt; [`summarise`] ranks the prompts for an [`Aim`], with intervals over requests, and [`choose`]
//! says which to take.

mod aim;
mod choice;
mod placed;
mod predictor;
mod ranking;
mod requests;

pub use aim::Aim;
pub use choice::{Choice, choose};
pub use placed::Placed;
pub(crate) use predictor::TOGETHER;
pub use predictor::{PREDICTORS, Predictor};
pub use ranking::{Screening, Summary, summarise};
