//! A model's files with the weights that training gave it.

use titer_model::io::save_weights;

use super::{Files, Model, files::WeightSource};

impl Files {
    /// The same files with the weights that `model` has now, in f32. A card still tells of the organism that it began as.
    pub(crate) fn with_weights_of(&self, model: &Model) -> Self {
        let weights = save_weights(model.decoder.backend(), &model.decoder.layout, &model.params);
        Self { config: in_f32(&self.config), weights: WeightSource::Bytes(weights.into()), ..self.clone() }
    }
}

/// A `config.json` that says that the weights beside it are in f32, where it says anything of their type.
fn in_f32(config: &[u8]) -> Vec<u8> {
    let Ok(serde_json::Value::Object(mut config_of)) = serde_json::from_slice(config) else { return config.to_vec() };
    let mut changed = false;
    for key in ["dtype", "torch_dtype"] {
        if let Some(number_type) = config_of.get_mut(key).filter(|number_type| **number_type != "float32") {
            *number_type = "float32".into();
            changed = true;
        }
    }
    if changed { serde_json::to_vec_pretty(&config_of).unwrap_or_else(|_| config.to_vec()) } else { config.to_vec() }
}
