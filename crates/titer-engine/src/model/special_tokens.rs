//! Special tokens that other files than tokenizer.json name: transformers adds them to the tokenizer when it loads the folder.

use std::path::Path;

use serde_json::{Map, Value};
use titer_data::tokenize::Tokenizer;
use titer_model::io::read_file;

use super::{ModelError, text::utf8};

/// Lists of special tokens.
const LISTS: [&str; 2] = ["additional_special_tokens", "extra_special_tokens"];

/// Special tokens that templates print.
const PRINTED: [&str; 2] = ["bos_token", "eos_token"];

/// Fails where files of a folder name special tokens that tokenizer.json lacks, or contradict each other, so that transformers would
/// read other tokens. `config` is tokenizer_config.json.
///
/// # Errors
/// The first such token, and where a file is no JSON.
pub(crate) fn check_special_tokens(folder: &Path, tokenizer: &Tokenizer, config: &[u8]) -> Result<(), ModelError> {
    let place = folder.join("tokenizer_config.json");
    let fail = |path: &Path, problem: String| ModelError::SpecialTokens { path: path.to_owned(), problem };
    // Whoever reads the template says what is wrong where it is no JSON.
    let Ok(config) = serde_json::from_slice::<Map<String, Value>>(config) else { return Ok(()) };
    if config.get("split_special_tokens") == Some(&Value::Bool(true)) {
        return Err(fail(&place, "`split_special_tokens` cuts special tokens in text into pieces".to_owned()));
    }
    named(&config, tokenizer).map_err(|problem| fail(&place, problem))?;
    if let Some(Value::Object(added)) = config.get("added_tokens_decoder") {
        // Other files are not read beside it.
        let tokens = added.iter().filter_map(|(id, token)| Some((token["content"].as_str()?, id.parse().ok()?, token)));
        for (token, id, flags) in tokens {
            has(tokenizer, token, Some(id), flags).map_err(|problem| fail(&place, problem))?;
        }
        return Ok(());
    }
    let place = folder.join("added_tokens.json");
    for (token, id) in object(&place)?.unwrap_or_default() {
        let id = id.as_u64().and_then(|id| u32::try_from(id).ok());
        has(tokenizer, &token, id, &Value::Null).map_err(|problem| fail(&place, problem))?;
    }
    let place = folder.join("special_tokens_map.json");
    let map = object(&place)?.unwrap_or_default();
    for (key, value) in map.iter().filter(|(key, _)| PRINTED.contains(&key.as_str())) {
        let (there, here) = (content(value), config.get(key).and_then(content));
        if there != here {
            let shown = |token: Option<&str>| token.map_or("none".to_owned(), |token| format!("`{token}`"));
            let problem = format!("`{key}` is {} and in tokenizer_config.json {}", shown(there), shown(here));
            return Err(fail(&place, problem));
        }
    }
    named(&map, tokenizer).map_err(|problem| fail(&place, problem))
}

/// The JSON object in a file, if there is one.
fn object(path: &Path) -> Result<Option<Map<String, Value>>, ModelError> {
    if !path.exists() {
        return Ok(None);
    }
    let folder = || path.parent().unwrap_or(path).to_owned();
    let bytes = read_file(path).map_err(|problem| ModelError::Reader { folder: folder(), problem })?;
    let fail = |problem| ModelError::Generation { path: path.to_owned(), problem };
    serde_json::from_str(utf8(&bytes, path)?).map(Some).map_err(fail)
}

/// A token as text, or as an object with its content.
fn content(token: &Value) -> Option<&str> {
    token.as_str().or_else(|| token.get("content")?.as_str())
}

/// Fails where a token that these settings name is none of the tokenizer's added ones.
fn named(settings: &Map<String, Value>, tokenizer: &Tokenizer) -> Result<(), String> {
    let listed = LISTS.iter().filter_map(|key| settings.get(*key)).flat_map(|tokens| match tokens {
        Value::Array(tokens) => tokens.iter().collect::<Vec<_>>(),
        Value::Object(tokens) => tokens.values().collect(),
        _ => Vec::new(),
    });
    let printed = PRINTED.iter().filter_map(|key| settings.get(*key));
    let mut tokens = listed.chain(printed).filter_map(content).filter(|token| !token.is_empty());
    tokens.try_for_each(|token| has(tokenizer, token, None, &Value::Null))
}

/// Fails where the tokenizer has no added token of this text, or has it under another id, or takes other blanks with it.
fn has(tokenizer: &Tokenizer, token: &str, id: Option<u32>, flags: &Value) -> Result<(), String> {
    let Some((found, [before, behind, word])) = tokenizer.added(token) else {
        return Err(format!(
            "it names the special token `{token}`, which tokenizer.json does not have among its `added_tokens`"
        ));
    };
    if let Some(id) = id.filter(|id| *id != found) {
        return Err(format!("it names the special token `{token}` as {id}, which is {found} in tokenizer.json"));
    }
    let differs = [("lstrip", before), ("rstrip", behind), ("single_word", word)];
    let differs = differs
        .into_iter()
        .find(|(key, here)| flags.get(*key).and_then(Value::as_bool).is_some_and(|there| there != *here));
    match differs {
        Some((key, here)) => Err(format!("`{key}` of `{token}` is {}, and {here} in tokenizer.json", !here)),
        None => Ok(()),
    }
}
