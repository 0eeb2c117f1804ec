//! A decoder whose matrices stay in their files, and how they come out of them.

use super::Decoder;
use crate::{backend::Backend, params::Params, stored::Stored};

impl<B: Backend> Decoder<B> {
    /// The same decoder with these weights in their files, by parameter; their buffers in [`Params`] must be empty.
    pub(crate) fn keeping(mut self, stored: Vec<Option<Stored>>) -> Self {
        self.stored = stored;
        self
    }

    /// Takes every weight out of its file into the parameters, for training to move.
    pub fn thaw(&mut self, params: &mut Params<B>) {
        let backend = self.backend().clone();
        for (stored, buffer) in std::mem::take(&mut self.stored).into_iter().zip(&mut params.buffers) {
            if let Some(stored) = stored {
                *buffer = backend.upload(stored.numbers());
            }
        }
    }
}
