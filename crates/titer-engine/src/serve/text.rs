//! Tokens as text.

use titer_data::tokenize::Tokenizer;

/// The text of tokens; what no tokenizer can say is left out.
pub(super) fn text_of(tokenizer: &Tokenizer, tokens: &[u32]) -> String {
    if tokens.is_empty() { String::new() } else { tokenizer.decode(tokens).unwrap_or_default() }
}

/// What a token adds to the text behind another one. Tokenizers of whole words put a space between.
pub(super) fn piece_of(tokenizer: &Tokenizer, before: Option<u32>, token: u32) -> String {
    let alone = text_of(tokenizer, &[token]);
    let Some(before) = before else { return alone };
    let (first, both) = (text_of(tokenizer, &[before]), text_of(tokenizer, &[before, token]));
    both.strip_prefix(&*first).map_or(alone, str::to_owned)
}

/// The start of a text up to the first of these strings that is in it; `None` where none is.
pub(super) fn before_any<'a>(text: &'a str, stops: &[String]) -> Option<&'a str> {
    let first = stops.iter().filter_map(|stop| text.find(stop.as_str())).min()?;
    Some(&text[..first])
}
