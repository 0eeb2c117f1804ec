//! Tokens as text.

use titer_data::tokenize::Tokenizer;

/// The text of tokens; what no tokenizer can say is left out.
pub(super) fn text_of(tokenizer: &Tokenizer, tokens: &[u32]) -> String {
    if tokens.is_empty() { String::new() } else { tokenizer.decode(tokens).unwrap_or_default() }
}

/// What a token adds to the text behind another one, as text; a character that it has a part of alone is U+FFFD.
pub(super) fn piece_of(tokenizer: &Tokenizer, before: Option<u32>, token: u32) -> String {
    String::from_utf8_lossy(&bytes_of(tokenizer, before, token)).into_owned()
}

/// The bytes that a token adds to the text behind another one, which may be part of a character. Tokenizers of whole words put a space between.
pub(super) fn bytes_of(tokenizer: &Tokenizer, before: Option<u32>, token: u32) -> Vec<u8> {
    let alone = text_of(tokenizer, &[token]);
    if alone.contains(REPLACED) {
        return stored_bytes(tokenizer, token)
            .filter(|bytes| String::from_utf8_lossy(bytes) == alone)
            .unwrap_or(alone.into());
    }
    let Some(before) = before else { return alone.into() };
    let first = text_of(tokenizer, &[before]);
    // Behind part of a character a token is what it is behind itself.
    let (before, first) = if first.contains(REPLACED) { (token, &alone) } else { (before, &first) };
    let both = text_of(tokenizer, &[before, token]);
    both.strip_prefix(&**first).unwrap_or(&alone).into()
}

/// What stands in a text for bytes that are no character.
pub(super) const REPLACED: char = '\u{FFFD}';

/// The bytes of a token as vocabularies write those that are no text: `<0xNN>`, or a character for each byte, as GPT-2 has it.
fn stored_bytes(tokenizer: &Tokenizer, token: u32) -> Option<Vec<u8>> {
    let stored = tokenizer.token(token)?;
    let byte = stored.strip_prefix("<0x").and_then(|rest| rest.strip_suffix('>'));
    match byte.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
        Some(byte) => Some(vec![byte]),
        None => stored.chars().map(byte_of).collect(),
    }
}

/// The byte that a character stands for: itself where it can be seen, and the others in order from 256 on.
fn byte_of(character: char) -> Option<u8> {
    let is_seen = |byte: &u8| matches!(byte, 33..=126 | 161..=172 | 174..=255);
    match u32::from(character) {
        code @ 0..=255 => u8::try_from(code).ok().filter(is_seen),
        code => (0..=255).filter(|byte| !is_seen(byte)).nth(code as usize - 256),
    }
}

/// Counts the characters of a text that comes in bytes.
#[derive(Default)]
pub(super) struct CountedText {
    characters: usize,
    /// What a character begins with whose rest has not come.
    half: Vec<u8>,
}

impl CountedText {
    /// Characters before the one that is next, or that has begun.
    pub(super) fn characters(&self) -> usize {
        self.characters
    }

    /// Takes bytes; what is no character counts as those that stand for it in text.
    pub(super) fn add(&mut self, bytes: &[u8]) {
        self.half.extend(bytes);
        let mut rest = 0;
        for chunk in self.half.utf8_chunks() {
            self.characters += chunk.valid().chars().count();
            rest += chunk.valid().len();
            let is_last = rest + chunk.invalid().len() == self.half.len();
            let begins =
                is_last && std::str::from_utf8(chunk.invalid()).is_err_and(|error| error.error_len().is_none());
            if chunk.invalid().is_empty() || begins {
                break;
            }
            self.characters += 1;
            rest += chunk.invalid().len();
        }
        self.half.drain(..rest);
    }
}

/// The start of a text up to the first of these strings that is in it; `None` where none is.
pub(super) fn before_any<'a>(text: &'a str, stops: &[String]) -> Option<&'a str> {
    let first = stops.iter().filter_map(|stop| text.find(stop.as_str())).min()?;
    Some(&text[..first])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A tokenizer with this vocabulary and decoder.
    fn tokenizer(vocabulary: &[&str], decoder: serde_json::Value) -> Tokenizer {
        let vocabulary: serde_json::Map<_, _> =
            vocabulary.iter().enumerate().map(|(id, token)| ((*token).to_owned(), id.into())).collect();
        let model = serde_json::json!({ "type": "BPE", "vocab": vocabulary, "merges": [], "byte_fallback": true });
        Tokenizer::from_json(&serde_json::json!({ "version": "1.0", "model": model, "decoder": decoder }).to_string())
            .unwrap()
    }

    /// A wave of four bytes in three tokens, with text on both sides, in the two ways in which vocabularies hold bytes.
    fn both() -> [(Tokenizer, Vec<u32>); 2] {
        let levels = serde_json::json!({ "type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true, "use_regex": true });
        let falls = serde_json::json!({ "type": "Sequence", "decoders": [
            { "type": "Replace", "pattern": { "String": "▁" }, "content": " " }, { "type": "ByteFallback" }, { "type": "Fuse" },
            { "type": "Strip", "content": " ", "start": 1, "stop": 0 },
        ] });
        [
            (tokenizer(&["A", "ĠðŁ", "Į", "Ĭ", "Ġcat", "Ã©"], levels), vec![0, 1, 2, 3, 4, 5]),
            (tokenizer(&["A", "▁", "<0xF0>", "<0x9F>", "<0x8C>", "<0x8A>", "▁cat", "é"], falls), (0..8).collect()),
        ]
    }

    #[test]
    fn the_bytes_of_tokens_are_those_of_their_text() {
        for (tokenizer, tokens) in both() {
            let text = text_of(&tokenizer, &tokens);
            assert_eq!(text, "A 🌊 caté");
            let before = |at: usize| at.checked_sub(1).map(|at| tokens[at]);
            let pieces: Vec<Vec<u8>> =
                tokens.iter().enumerate().map(|(at, &token)| bytes_of(&tokenizer, before(at), token)).collect();
            assert_eq!(String::from_utf8(pieces.concat()).unwrap(), text, "{pieces:?}");
            let mut counted = CountedText::default();
            for (at, piece) in pieces.iter().enumerate() {
                // As many as the text up to here has, but for a character that has begun.
                let so_far = String::from_utf8_lossy(&pieces[..at].concat()).trim_end_matches(REPLACED).chars().count();
                assert_eq!(counted.characters(), so_far, "{at}");
                counted.add(piece);
            }
            assert_eq!(counted.characters(), text.chars().count());
        }
    }

    #[test]
    fn what_is_no_character_counts_as_what_stands_for_it() {
        for bytes in [&b"a\xff\xffb"[..], b"\xf0\x9f\x8cx", b"\x80\x80", b"\xed\xa0\x80!", b"ok"] {
            let mut counted = CountedText::default();
            bytes.iter().for_each(|byte| counted.add(&[*byte]));
            assert_eq!(counted.characters(), String::from_utf8_lossy(bytes).chars().count(), "{bytes:?}");
        }
    }

    #[test]
    fn every_byte_has_one_character() {
        let bytes: std::collections::BTreeSet<u8> = (0..400).filter_map(char::from_u32).filter_map(byte_of).collect();
        assert_eq!(bytes.len(), 256);
        assert_eq!(
            (byte_of('Ġ'), byte_of('Ċ'), byte_of('a'), byte_of('ń'), byte_of('Ń')),
            (Some(b' '), Some(b'\n'), Some(b'a'), None, Some(173))
        );
    }
}
