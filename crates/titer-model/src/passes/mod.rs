//! What is done with a decoder on batches, on several threads: score replies, differentiate, contract every row's
//! gradient with directions, draw replies.

mod accumulate;
mod contraction;
mod gradient;
mod hidden;
mod in_order;
mod pressure;
mod replies;
mod sample;
mod score;
mod shards;
mod tapes;
mod tokens;
mod tree;

pub use accumulate::Accumulate;
pub use gradient::{Grouped, Workspace};
pub use hidden::mean_hidden;
pub use pressure::{contract, contract_and_add_up};
pub use sample::sample;
pub use score::{reply_log_probs, score};
pub use shards::shards;
pub use tokens::{Drawing, ScoredToken, generate, score_tokens};
pub use tree::Tree;
