//! Text in, token slices out. No tensors, no command line, no network.
//!
//! Files and folders stand in the order of the data flow, and none takes from a later one:
//!
//! | | |
//! |---|---|
//! | [`mod@caught`] | a panic of a library as an error |
//! | [`parquet_file`] | Parquet files that anyone may have written, opened within bounds |
//! | `stream` | random streams and text hashes, all from a seed |
//! | [`nearest`] | the known word nearest to a wrong one |
//! | [`word`] | what the values of a small set are called |
//! | [`cell`], [`chat`], `domains`, [`probe`] | what everything is about: a row of chat in its cell, contrasts that measure |
//! | [`prompt`] | a prompt to put rows under, pools of them, how one resembles another |
//! | [`request`] | what a row asks: by it rows are paired, counted and held out together |
//! | [`keys`] | what a row has under a key, as text |
//! | [`formats`] | files: chats, contrasts, prompts |
//! | [`audit`] | what chats hold, and what could be mistaken for an effect in them |
//! | [`world`] | the synthetic chat world |
//! | [`grid`] | variations of a prompt: the leak grid, placebos, narrow forms |
//! | [`source`] | rows for slots, from the world or from a user's own chats: cells by rule, the split, the order |
//! | [`schema`] | what specs may hold of these, for editors |
//! | [`mix`] | which slot gets which cell |
//! | [`template`] | chats as text, and which of it carries loss |
//! | [`tokenize`] | the same as tokens |
//! | [`score`] | how far a reply that a model wrote shows a behaviour |

pub mod audit;
pub mod caught;
pub mod cell;
pub mod chat;
mod domains;
pub mod formats;
pub mod grid;
pub mod keys;
pub mod mix;
pub mod nearest;
pub mod parquet_file;
pub mod probe;
pub mod prompt;
pub mod request;
pub mod schema;
pub mod score;
pub mod source;
mod stream;
pub mod template;
pub mod tokenize;
pub mod variables;
pub mod word;
pub mod world;
