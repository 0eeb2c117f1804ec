//! Rows and contrasts as tokens, by the files of a tokenizer.

use std::path::{Path, PathBuf};

use pyo3::prelude::*;
use serde_json::{Value, json};
use titer_data::{
    chat::Row,
    formats::{read_contrasts, read_rows},
    probe::{Component, Contrast, Side},
    template::ChatTemplate,
    tokenize::{Tokenizer, encode_contrast, encode_row},
};

use crate::error;

/// Encodes contrasts, and rows where there are some, with the tokenizer that was saved into `folder`. Gives JSON: `contrasts` by component, each with
/// `id`, `context`, `plus`, `minus` and `baseline` (or none); `rows`, each with `id`, `cell` and `tokens` to the last one that is trained; and a
/// `hash` of both. They must share no context.
#[pyfunction]
pub fn encode(py: Python<'_>, folder: PathBuf, probes: PathBuf, rows: Option<PathBuf>) -> PyResult<String> {
    py.detach(|| {
        let encoder = Encoder::open(&folder)?;
        let contrasts = read_contrasts(&probes).map_err(error::input)?;
        let rows = rows.map_or(Ok(Vec::new()), |path| read_rows(&path).map_err(error::input))?;
        titer_data::probe::apart(&rows, contrasts.iter().flatten()).map_err(error::input)?;
        let rows = rows.iter().map(|row| encoder.row(row)).collect::<PyResult<Vec<Value>>>()?;
        let mut found = json!({ "rows": rows, "contrasts": {} });
        for (component, contrasts) in Component::ALL.into_iter().zip(&contrasts) {
            let contrasts =
                contrasts.iter().map(|contrast| encoder.contrast(contrast)).collect::<PyResult<Vec<Value>>>()?;
            found["contrasts"][component.word()] = contrasts.into();
        }
        let hash = blake3::hash(found.to_string().as_bytes()).to_hex().to_string();
        found["hash"] = hash.into();
        Ok(found.to_string())
    })
}

/// A tokenizer and its chat template.
struct Encoder {
    tokenizer: Tokenizer,
    template: ChatTemplate,
}

impl Encoder {
    fn open(folder: &Path) -> PyResult<Self> {
        let tokenizer = Tokenizer::from_file(folder.join("tokenizer.json")).map_err(error::input)?;
        let config = fs_err::read_to_string(folder.join("tokenizer_config.json")).map_err(error::input)?;
        let own = folder.join("chat_template.jinja");
        let own = own.exists().then(|| fs_err::read_to_string(own)).transpose().map_err(error::input)?;
        let template =
            ChatTemplate::from_tokenizer_config(&config, own.as_deref(), "the tokenizer").map_err(error::input)?;
        Ok(Self { tokenizer, template })
    }

    fn row(&self, row: &Row) -> PyResult<Value> {
        let mut encoded = encode_row(&self.template, &self.tokenizer, row).map_err(error::input)?;
        let last = encoded.trained.iter().rposition(|trained| *trained).unwrap_or_default();
        encoded.tokens.truncate(last + 1);
        let cell = row.cell.map(|cell| cell.to_string()).unwrap_or_default();
        Ok(json!({ "id": row.id, "cell": cell, "tokens": encoded.tokens }))
    }

    fn contrast(&self, contrast: &Contrast) -> PyResult<Value> {
        let encoded = encode_contrast(&self.template, &self.tokenizer, contrast).map_err(error::input)?;
        let reply = |wanted: Side| encoded.replies.iter().find(|(side, _)| *side == wanted).map(|(_, tokens)| tokens);
        Ok(json!({
            "id": encoded.id, "context": encoded.context, "plus": reply(Side::Plus), "minus": reply(Side::Minus),
            "baseline": encoded.baseline,
        }))
    }
}
