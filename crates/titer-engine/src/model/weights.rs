//! Layers, weights and stop tokens from a model's files.

use std::collections::BTreeSet;

use titer_data::{template::special_tokens, tokenize::Tokenizer};
use titer_model::{
    decoder::Decoder,
    io::{Weights, read_config},
    params::Params,
};

use super::{Files, ModelError, files::WeightSource};

impl Files {
    /// Layers and weights on another backend, such as one that computes in f64.
    pub fn open_in<B: titer_model::backend::Backend>(&self, backend: B) -> Result<(Decoder<B>, Params<B>), ModelError> {
        let path = |name: &str| self.folder.join(name);
        let decoder = Decoder::new(backend, read_config(&self.config, &path("config.json"))?);
        let layout = &decoder.layout;
        let mut weights = match &self.weights {
            WeightSource::Bytes(bytes) => Weights::of_bytes(layout, bytes.to_vec(), &path("model.safetensors"))?,
            WeightSource::Files(files) => Weights::of_files(layout, files)?,
        };
        if let Some(dtype) = self.dtype {
            weights = weights.rounded(layout, dtype)?;
        }
        match &self.weights {
            WeightSource::Bytes(_) => {
                let params = weights.upload(decoder.backend(), layout);
                Ok((decoder, params))
            }
            WeightSource::Files(_) => Ok(weights.keep(decoder)),
        }
    }

    /// The tokens that end generation, as config.json, generation_config.json and tokenizer_config.json name them.
    pub fn stop_tokens(&self, tokenizer: &Tokenizer) -> BTreeSet<u32> {
        let json = |bytes: &[u8]| serde_json::from_slice::<serde_json::Value>(bytes).unwrap_or_default();
        let generation = fs_err::read(self.folder.join("generation_config.json")).unwrap_or_default();
        let ids =
            [json(&self.config), json(&generation)].into_iter().flat_map(|config| match &config["eos_token_id"] {
                serde_json::Value::Array(ids) => ids.clone(),
                id => vec![id.clone()],
            });
        let named = json(&self.tokenizer_config);
        let named = named.as_object().map(special_tokens).unwrap_or_default();
        let named = named.get("eos_token").and_then(|token| tokenizer.id(token));
        ids.filter_map(|id| u32::try_from(id.as_u64()?).ok()).chain(named).collect()
    }
}
