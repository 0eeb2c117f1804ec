//! Models of titer's behind an endpoint of their own, in the words of OpenAI's interface and of vLLM's for given tokens.
//!
//! A [`Shelf`] has the models by name. What a request asks for is an order; a queue does several at once on one model; an answer is
//! written as JSON, and a refusal too. A [`Serving`] listens; a wire has
//! what comes over a connection, within limits of size and time.

mod answer;
mod descriptors;
mod error;
mod events;
mod head;
mod order;
mod queue;
mod refusal;
mod serving;
mod shelf;
mod text;
mod turns;
mod wire;

pub use error::ServeError;
pub use serving::Serving;
pub use shelf::{Shelf, ShelfOptions, ShelvedModel};
