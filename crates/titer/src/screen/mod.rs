//! What a screening of prompts says: what each candidate does to the bad rows and to the good ones, before anything is trained.
//!
//! The engine scores every reply under every prompt; [`summarise`] says it in one line a prompt, with intervals over requests.

mod predictor;
mod summary;

pub use predictor::{PREDICTORS, Predictor};
pub use summary::{Placed, Screening, Summary, summarise};
