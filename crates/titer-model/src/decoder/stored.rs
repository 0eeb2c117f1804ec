//! A decoder whose matrices stay in their files, and how they come out of them.

use std::sync::Arc;

use super::Decoder;
use crate::{backend::Backend, params::Params, stored::Stored};

impl<B: Backend> Decoder<B> {
    /// The same decoder with these weights in their files, by parameter; their buffers in [`Params`] must be empty.
    pub(crate) fn keeping(mut self, stored: Vec<Option<Stored>>) -> Self {
        (self.stored, self.frozen) = (stored, Arc::default());
        self
    }

    /// The weights that stay in their file, where the backend multiplies them: from the first call on, for all clones.
    pub(super) fn frozen(&self) -> &[Option<B::Frozen>] {
        self.frozen.get_or_init(|| {
            let columns = self.layout.specs.iter().map(|spec| spec.shape.last().copied().unwrap_or(1));
            let each = self.stored.iter().zip(columns);
            let weights: Vec<_> = each.map(|(stored, columns)| Some((stored.as_ref()?, columns))).collect();
            self.backend.freeze_all(&weights)
        })
    }

    /// Takes every weight out of its file into the parameters, for training to move.
    pub fn thaw(&mut self, params: &mut Params<B>) {
        let backend = self.backend().clone();
        self.frozen = Arc::default();
        for (stored, buffer) in std::mem::take(&mut self.stored).into_iter().zip(&mut params.buffers) {
            if let Some(stored) = stored {
                *buffer = backend.upload(stored.numbers());
            }
        }
    }
}
