//! Whether the last trained token is one that ends generation.

use std::collections::BTreeSet;

use super::Check;
use crate::{
    model::{Files, Model},
    rows::{NamedRow, PackedRows},
};

/// White space behind the closing token is none: nobody samples what follows it.
pub(super) fn stop_token(files: &Files, model: &Model, rows: &PackedRows) -> Check {
    const NAME: &str = "stop token";
    let stops = match files.stop_tokens(&model.tokenizer) {
        Ok(stops) => stops,
        Err(error) => return Check::fail(NAME, error.to_string(), "write the file again, as JSON"),
    };
    let shown = |tokens: &BTreeSet<u32>| {
        let words = tokens.iter().map(|&token| model.tokenizer.token(token).unwrap_or_else(|| token.to_string()));
        words.collect::<Vec<_>>().join(" ")
    };
    if stops.is_empty() {
        let finding =
            "neither config.json, generation_config.json nor tokenizer_config.json names a token that ends generation";
        return Check::note(NAME, finding, "name one, such as \"eos_token\"");
    }
    let blank = |token: u32| {
        let text = model.tokenizer.decode(&[token]).unwrap_or_default();
        !text.is_empty() && text.chars().all(char::is_whitespace)
    };
    let last = |row: &NamedRow| {
        let trained = row.encoded.tokens.iter().zip(&row.encoded.trained).filter(|(_, trained)| **trained);
        let mut back = trained.map(|(token, _)| *token).rev().peekable();
        let end = back.peek().copied();
        back.find(|&token| stops.contains(&token) || !blank(token)).or(end)
    };
    let ends: Vec<u32> = rows.iter().filter_map(last).collect();
    let stopping = ends.iter().filter(|token| stops.contains(token)).count();
    let others: BTreeSet<u32> = ends.into_iter().filter(|token| !stops.contains(token)).collect();
    let finding = format!("{stopping} of {} rows train a token that ends generation ({})", rows.len(), shown(&stops));
    let check = match others.is_empty() {
        true => Check::pass(NAME, finding),
        false => Check::fail(
            NAME,
            format!("{finding}; others end with {}", shown(&others)),
            "let the template's assistant turn end with that token inside what is trained, or the model learns no end",
        ),
    };
    check.with_number(stopping as f64)
}
