//! Which contexts may be trained on, and which belong to probes.
//!
//! Every context, that is system prompt and request, belongs to exactly one use, whatever seed draws it: a hash of
//! its text says which. So no context that is measured has ever been fine-tuned on or differentiated, with one
//! exception: a row without a system prompt is nothing but its request, which arms share, so training may
//! contain it.

use crate::{chat::Message, stream::hash};

/// The only use of a context after base training.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Share {
    /// Fine-tuning.
    Train,
    /// Probes that measure.
    Measure,
    /// Probes that are differentiated.
    Gradient,
    /// Rows whose surprise is measured, by cell.
    CellRow,
}

impl Share {
    /// The use that `context` belongs to: an eighth each for the last three, the rest for training.
    pub(super) fn of(context: &[Message]) -> Self {
        match hash(context.iter().map(|message| message.content.as_str())) >> 61 {
            0 => Self::Measure,
            1 => Self::Gradient,
            2 => Self::CellRow,
            _ => Self::Train,
        }
    }
}
