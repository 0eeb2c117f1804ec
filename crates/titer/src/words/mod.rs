//! What sentences are made of: counted nouns, words of a shell, and names from elsewhere that can be shown.

mod counted;
mod quoted;
mod visible;

pub use counted::counted;
pub use quoted::quoted;
pub use visible::{isolated, visible, without_directions};
