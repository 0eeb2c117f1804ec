//! A row as a model sees it, cut where training begins and ends.

use titer_data::tokenize::{Encoded, Tokenizer};

/// A row as a model sees it, cut where training begins and ends.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExampleRow {
    /// Its parts in order, trained and untrained ones in turn.
    pub spans: Vec<ExampleSpan>,
}

/// Tokens of a row that are all trained, or all not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExampleSpan {
    /// What they say.
    pub text: String,
    /// What each is called in the vocabulary.
    pub tokens: Vec<String>,
    /// Whether they carry loss.
    pub is_trained: bool,
}

impl ExampleRow {
    /// The spans of an encoded row.
    pub(super) fn of(tokenizer: &Tokenizer, row: &Encoded) -> Self {
        let mut start = 0;
        let spans = row.trained.chunk_by(|a, b| a == b).map(|part| {
            let range = start..start + part.len();
            start = range.end;
            let tokens = row.tokens[range.clone()].iter().map(|&id| tokenizer.token(id).unwrap_or_default()).collect();
            ExampleSpan { text: text(tokenizer, &row.tokens, range), tokens, is_trained: part[0] }
        });
        Self { spans: spans.collect() }
    }
}

/// What a part of some tokens says. Decoders may drop a space where a text begins, so it is what a longer text has more; where
/// that cannot be told, such as within a letter of several tokens, the part alone.
fn text(tokenizer: &Tokenizer, tokens: &[u32], range: std::ops::Range<usize>) -> String {
    let decoded = |tokens: &[u32]| tokenizer.decode(tokens).unwrap_or_default();
    let (before, all) = (decoded(&tokens[..range.start]), decoded(&tokens[..range.end]));
    all.strip_prefix(&*before).map_or_else(|| decoded(&tokens[range]), str::to_owned)
}
