//! Screening prompts: what each candidate does to the bad rows and to the good ones, before anything is trained.
//!
//! [`Subjects`] are rows by request, bad and good replies side by side. [`screen`] scores every reply under every prompt, as a
//! system prompt and in front of the request, in one tree of common beginnings, and takes the pressures of the rows under
//! it; [`titer::screen::summarise`] says it in one line a prompt.

mod score;
mod subjects;

pub use score::screen;
pub use subjects::{Reply, Subject, Subjects, SubjectsError};
