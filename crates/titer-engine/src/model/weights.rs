//! Layers, weights and stop tokens from a model's files.

use std::collections::BTreeSet;

use titer_data::{template::special_tokens, tokenize::Tokenizer};
use titer_model::{
    decoder::Decoder,
    io::{Weights, read_config, read_file},
    params::Params,
};

use super::{Files, ModelError, files::WeightSource};

impl Files {
    /// Layers and weights on another backend, such as one that computes in f64.
    pub(crate) fn open_in<B: titer_model::backend::Backend>(
        &self,
        backend: B,
    ) -> Result<(Decoder<B>, Params<B>), ModelError> {
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

    /// The tokens that end generation, as config.json, generation_config.json and tokenizer_config.json name them; the second is
    /// not there in every folder.
    ///
    /// # Errors
    /// Where one of them is there and cannot be read.
    pub(crate) fn stop_tokens(&self, tokenizer: &Tokenizer) -> Result<BTreeSet<u32>, ModelError> {
        let json = |name: &str, bytes: &[u8]| {
            let fail = |problem| ModelError::Generation { path: self.folder.join(name), problem };
            serde_json::from_slice::<serde_json::Value>(bytes).map_err(fail)
        };
        let generation = self.folder.join("generation_config.json");
        let generation = generation.exists().then(|| read_file(&generation)).transpose();
        let generation = generation.map_err(|problem| ModelError::Folder { folder: self.folder.clone(), problem })?;
        let mut configs = vec![json("config.json", &self.config)?];
        configs.extend(generation.map(|bytes| json("generation_config.json", &bytes)).transpose()?);
        let ids = configs.iter().flat_map(|config| match &config["eos_token_id"] {
            serde_json::Value::Array(ids) => ids.clone(),
            id => vec![id.clone()],
        });
        let named = json("tokenizer_config.json", &self.tokenizer_config)?;
        // A configuration without special tokens names none that ends a reply.
        let named = named.as_object().map(special_tokens).unwrap_or_default();
        let named = named.get("eos_token").and_then(|token| tokenizer.id(token));
        Ok(ids.filter_map(|id| u32::try_from(id.as_u64()?).ok()).chain(named).collect())
    }
}
