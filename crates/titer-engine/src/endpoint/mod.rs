//! Models of any size behind an endpoint: log-probabilities of given replies, and replies that are drawn, without weights.
//!
//! A [`Reader`] has the tokenizer and the template; ids are sent, not text. A client asks and asks again, a dialect says how a server is asked
//! and what it answers, a cache keeps what was paid for, and an [`Endpoint`] is all of it. A [`Drawer`] and a [`Judge`] chat, which any server
//! takes.

mod cache;
mod chats;
mod client;
mod dialect;
mod drawer;
mod each;
mod error;
mod judge;
mod named;
mod options;
mod reader;
mod said;
mod served;
mod spending;

pub use chats::ChatSpending;
pub use drawer::Drawer;
pub use error::EndpointError;
pub use judge::{Judge, Judged, VerdictKind};
pub use options::{EndpointOptions, Waiting};
pub use reader::Reader;
pub use served::Endpoint;
pub use spending::Spending;
