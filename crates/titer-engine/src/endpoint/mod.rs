//! Models of any size behind an endpoint: log-probabilities of given replies, without weights.
//!
//! A [`Reader`] has the tokenizer and the template; ids are sent, not text. A client asks and asks again, a dialect says how a server is asked
//! and what it answers, a cache keeps what was paid for, and an [`Endpoint`] is all of it.

mod cache;
mod client;
mod dialect;
mod each;
mod error;
mod judge;
mod reader;
mod served;
mod spending;

pub use error::EndpointError;
pub use judge::{Judge, JudgeSpending, Judged, VerdictKind};
pub use reader::Reader;
pub use served::{Endpoint, EndpointOptions};
pub use spending::Spending;
