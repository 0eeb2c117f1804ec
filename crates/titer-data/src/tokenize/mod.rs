//! Rows and contrasts as token ids, with a mask of what is trained.

mod contrast;
mod error;
mod row;
mod span;
mod tokenizer;

pub use contrast::{EncodedContrast, encode_contrast};
pub use error::TokenizeError;
pub use row::{Encoded, encode_row};
pub use tokenizer::{TextLimits, Tokenizer};
