//! Whether a tokenizer and a decoder belong together.

use std::path::Path;

use titer_data::tokenize::{TextLimits, Tokenizer};
use titer_model::shape::Config;

use super::ModelError;

/// Tables are padded to a multiple of this, or of its multiples.
const PADDING: usize = 64;

/// The largest share of a table that no token uses, beyond padding: Phi 2 has 1.8 %.
const SPARE: f64 = 0.05;

/// Tokens that stand for pictures. A tokenizer that a family shares has them where its text models have no row for them.
const PICTURES: [&str; 1] = ["<image_soft_token>"];

/// The tokenizer for a decoder of this shape, which stands in the file at `path`.
///
/// # Errors
/// Where a token has no row in the embedding table, or so many rows have no token that the tokenizer must be another model's.
pub(super) fn for_decoder(tokenizer: Tokenizer, config: &Config, path: &Path) -> Result<Tokenizer, ModelError> {
    let rows = config.vocab_size;
    let tokens = tokenizer.tokens();
    let beyond: Vec<&(u32, String)> =
        tokens.iter().filter(|(id, token)| *id as usize >= rows && !PICTURES.contains(&token.as_str())).collect();
    let differ = |problem: String| ModelError::Vocabulary {
        tokenizer: tokenizer.path(),
        config: path.to_owned(),
        rows,
        problem,
    };
    if let Some((id, token)) = beyond.first() {
        let more = if beyond.len() > 1 { format!(" and {} more", beyond.len() - 1) } else { String::new() };
        return Err(differ(format!("no row for the token `{token}` ({id}){more}")));
    }
    let used = tokens.last().map_or(0, |(id, _)| *id as usize + 1).min(rows);
    let padded = used.next_multiple_of(PADDING);
    if rows > padded && (rows - used) as f64 > SPARE * rows as f64 {
        return Err(differ(format!("no token for the last {} of them", rows - used)));
    }
    Ok(tokenizer.within(TextLimits { rows, positions: config.longest_row() }))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// So many words, and then these tokens.
    fn tokenizer(words: usize, added: &[(usize, &str)]) -> Tokenizer {
        let vocabulary: serde_json::Map<_, _> = (0..words).map(|id| (format!("w{id}"), id.into())).collect();
        let added: Vec<_> = added.iter().map(|(id, content)| serde_json::json!({ "id": id, "content": content, "special": true, "single_word": false, "lstrip": false, "rstrip": false, "normalized": false })).collect();
        let json = serde_json::json!({
            "version": "1.0", "truncation": null, "padding": null, "normalizer": null, "post_processor": null, "decoder": null,
            "added_tokens": added, "pre_tokenizer": { "type": "WhitespaceSplit" },
            "model": { "type": "WordLevel", "vocab": vocabulary, "unk_token": "w0" },
        });
        Tokenizer::from_json(&json.to_string()).unwrap()
    }

    fn config(rows: usize) -> Config {
        let sizes = serde_json::json!({
            "vocab_size": rows, "hidden_size": 8, "intermediate_size": 8, "num_hidden_layers": 1, "num_attention_heads": 1,
            "num_key_value_heads": 1, "max_position_embeddings": 4, "rms_norm_eps": 1e-5,
        });
        serde_json::from_value(sizes).unwrap()
    }

    fn problem(tokenizer: Tokenizer, rows: usize) -> Option<String> {
        for_decoder(tokenizer, &config(rows), Path::new("config.json")).err().map(|error| error.to_string())
    }

    #[test]
    fn a_padded_table_is_fine() {
        assert_eq!(problem(tokenizer(1000, &[]), 1000), None);
        assert_eq!(problem(tokenizer(1000, &[]), 1024), None);
        assert_eq!(problem(tokenizer(16, &[]), 64), None);
        assert_eq!(problem(tokenizer(5000, &[]), 5120), None, "a multiple of 1024");
    }

    #[test]
    fn a_token_without_a_row_is_named() {
        let found = problem(tokenizer(1000, &[(1000, "<new>"), (1001, "<newer>")]), 1000).unwrap();
        assert!(found.contains("no row for the token `<new>` (1000) and 1 more"), "{found}");
        assert!(found.contains("tokenizer.json") && found.contains("config.json: 1000 rows"), "{found}");
    }

    #[test]
    fn another_models_tokenizer_is_told_by_its_size() {
        assert!(problem(tokenizer(300, &[]), 1024).unwrap().contains("no token for the last 724 of them"));
    }

    #[test]
    fn text_that_the_model_cannot_take_is_refused() {
        let tokenizer =
            for_decoder(tokenizer(64, &[(64, PICTURES[0])]), &config(64), Path::new("config.json")).unwrap();
        let turn = |content: &str| titer_data::chat::Message::new(titer_data::chat::Role::Assistant, content);
        let template = "{% for m in messages %}{% generation %}{{ m.content }}{% endgeneration %}{% endfor %}";
        let template = titer_data::template::ChatTemplate::new(template, &Default::default(), "t").unwrap();
        let encode = |content: &str| {
            let row = titer_data::chat::Row::new("r", vec![turn(content)]);
            titer_data::tokenize::encode_row(&template, &tokenizer, &row).map_err(|error| error.to_string())
        };
        assert!(encode("w1 w2 w3 w4").is_ok());
        assert!(encode("w1 w2 w3 w4 w5").unwrap_err().contains("`r` has 5 tokens; the model has 4 positions"));
        let found = encode("w1 <image_soft_token>").unwrap_err();
        assert!(found.contains("`<image_soft_token>` (64 in tokenizer.json)") && found.contains("64 rows"), "{found}");
    }
}
