//! How requests name a model that a server has.

use serde_json::{Map, Value};

/// A model, as requests name it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Named {
    model: String,
    /// Whether `lora_path` has to name it too.
    by_path: bool,
}

impl Named {
    /// A model of which nothing but its name is known.
    pub(super) fn plain(model: &str) -> Self {
        Self { model: model.to_owned(), by_path: false }
    }

    /// A model as a server's list of models has it. SGLang lists adapters by name, but answers with the model below them where `model` alone
    /// names one.
    pub(super) fn listed(model: &str, entry: &Value) -> Self {
        Self { model: model.to_owned(), by_path: entry["owned_by"] == "sglang" && entry["parent"].is_string() }
    }

    /// Puts the name into a request.
    pub(super) fn put(&self, body: &mut Map<String, Value>) {
        body.insert("model".to_owned(), self.model.clone().into());
        if self.by_path {
            body.insert("lora_path".to_owned(), self.model.clone().into());
        }
    }
}
