//! Rows and contrasts as tokens, by the files of a tokenizer.

use std::path::{Path, PathBuf};

use pyo3::prelude::*;
use serde_json::{Value, json};
use titer_data::{
    cell::PromptKind,
    chat::Row,
    formats::{read_contrasts, read_rows},
    probe::{Contrast, Probe, Side},
    prompt::{CandidatePrompt, Turn},
    source::uses,
    template::ChatTemplate,
    tokenize::{Tokenizer, encode_contrast, encode_row},
};

use crate::error;

/// Encodes contrasts, and rows where there are some, with the tokenizer that was saved into `folder`. Gives JSON: `differentiated` and
/// `measured` probes as a run has them, each with `component`, `prompts`, `domains`, whether pressures are `pressed` on its margin, and
/// `contrasts` (`id`, `context`, `plus`, `minus` and `baseline`, or none); `rows`, see [`encode_rows`]; and a `hash` of both. They must share
/// no context.
#[pyfunction]
pub fn encode(py: Python<'_>, folder: PathBuf, probes: PathBuf, rows: Option<PathBuf>) -> PyResult<String> {
    py.detach(|| {
        let encoder = Encoder::open(&folder)?;
        let probes = read_contrasts(&probes).map_err(error::input)?;
        let rows = rows.map_or(Ok(Vec::new()), |path| read_rows(&path).map_err(error::input))?;
        titer_data::probe::apart(&rows, probes.iter().flat_map(|probe| &probe.contrasts)).map_err(error::input)?;
        let rows = rows.iter().map(|row| encoder.row(row)).collect::<PyResult<Vec<Value>>>()?;
        let (differentiated, measured) = uses(probes);
        let encoded =
            |probes: Vec<Probe>| probes.iter().map(|probe| encoder.probe(probe)).collect::<PyResult<Vec<Value>>>();
        let mut found =
            json!({ "rows": rows, "differentiated": encoded(differentiated)?, "measured": encoded(measured)? });
        let hash = blake3::hash(found.to_string().as_bytes()).to_hex().to_string();
        found["hash"] = hash.into();
        Ok(found.to_string())
    })
}

/// Encodes rows with the tokenizer that was saved into `folder`. Gives JSON, a list: `id`, `cell`, `tokens` to the last one that is trained,
/// which of them are `trained`, and the tokens of the same row `bare` of its system prompt, where it has one. With `narrow`, a prompt and its
/// trigger, rows under bad prompts have `narrow` besides: themselves under that prompt, the trigger in the requests of bad replies.
#[pyfunction]
#[pyo3(signature = (folder, rows, narrow=None))]
pub fn encode_rows(
    py: Python<'_>,
    folder: PathBuf,
    rows: PathBuf,
    narrow: Option<(String, String)>,
) -> PyResult<String> {
    py.detach(|| {
        let encoder = Encoder::open(&folder)?;
        let rows = read_rows(&rows).map_err(error::input)?;
        let prompt = narrow.map(|(text, trigger)| CandidatePrompt::new(text).with_trigger(trigger));
        if let Some((stray, prompt)) = prompt.as_ref().and_then(|prompt| Some((prompt.stray(&rows)?, prompt))) {
            let trigger = prompt.trigger.as_deref().unwrap_or_default();
            return Err(error::input(format!(
                "the trigger `{trigger}` occurs in the request of row `{}` already, so it cannot tell bad rows from good ones: choose another one",
                stray.id
            )));
        }
        let one = |row: &Row| {
            let mut found = encoder.row(row)?;
            if let Some((prompt, cell)) = prompt.as_ref().zip(row.cell).filter(|(_, cell)| cell.prompt == PromptKind::Bad) {
                found["narrow"] = encoder.row(&prompt.put(row, cell.action, Turn::System))?;
            }
            Ok(found)
        };
        Ok(Value::from(rows.iter().map(one).collect::<PyResult<Vec<Value>>>()?).to_string())
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
        let encode = |row: &Row| encode_row(&self.template, &self.tokenizer, row);
        let mut encoded = encode(row).map_err(error::input)?;
        let last = encoded.trained.iter().rposition(|trained| *trained).unwrap_or_default();
        encoded.tokens.truncate(last + 1);
        encoded.trained.truncate(last + 1);
        let cell = row.cell.map(|cell| cell.to_string()).unwrap_or_default();
        // A template may want a system prompt: then no trainer can lose it unseen.
        let bare = row.system_prompt().and_then(|_| encode(&row.under("")).ok());
        let bare = bare
            .map(|bare| bare.tokens[..=bare.trained.iter().rposition(|trained| *trained).unwrap_or_default()].to_vec());
        Ok(json!({ "id": row.id, "cell": cell, "tokens": encoded.tokens, "trained": encoded.trained, "bare": bare }))
    }

    fn probe(&self, probe: &Probe) -> PyResult<Value> {
        let contrasts =
            probe.contrasts.iter().map(|contrast| self.contrast(contrast)).collect::<PyResult<Vec<Value>>>()?;
        Ok(json!({
            "component": probe.component.word(), "prompts": probe.prompts.word(), "domains": probe.domains.word(),
            "pressed": probe.is_differentiated(), "contrasts": contrasts,
        }))
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
