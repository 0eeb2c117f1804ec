//! Contrasts as a model's tokens: each is encoded once, however many things are measured on it.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use titer_data::{
    probe::Contrast,
    template::ChatTemplate,
    tokenize::{EncodedContrast, TokenizeError, Tokenizer, encode_contrast},
};

/// What has been encoded; a clone begins with nothing, so that what a run needs goes with it.
#[derive(Debug, Default)]
pub(crate) struct EncodedOnce(Mutex<BTreeMap<Contrast, Arc<EncodedContrast>>>);

impl Clone for EncodedOnce {
    fn clone(&self) -> Self {
        Self::default()
    }
}

impl EncodedOnce {
    /// The tokens of a contrast, encoded when they are first asked for.
    ///
    /// # Errors
    /// Where it cannot be encoded.
    pub(super) fn get(
        &self,
        template: &ChatTemplate,
        tokenizer: &Tokenizer,
        contrast: &Contrast,
    ) -> Result<Arc<EncodedContrast>, TokenizeError> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(encoded) = kept.get(contrast) {
            return Ok(Arc::clone(encoded));
        }
        let encoded = Arc::new(encode_contrast(template, tokenizer, contrast)?);
        kept.insert(contrast.clone(), Arc::clone(&encoded));
        Ok(encoded)
    }
}
