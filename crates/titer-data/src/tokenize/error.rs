//! Why there are no tokens.

use std::path::PathBuf;

use crate::template::TemplateError;

/// Why there are no tokens.
#[derive(Debug, thiserror::Error)]
pub enum TokenizeError {
    /// The tokenizer cannot be read.
    #[error("{place}: not a tokenizer.json: {reason}")]
    Load {
        /// Which file, or that it was text.
        place: String,
        /// What the tokenizers crate says.
        reason: String,
    },
    /// A text cannot be encoded, for example because of an unknown word.
    #[error("`{id}`: {} cannot encode it: {reason}; are all its words in the vocabulary of the model?", path.display())]
    Encode {
        /// Which row or contrast.
        id: String,
        /// The tokenizer's file.
        path: PathBuf,
        /// What the tokenizers crate says.
        reason: String,
    },
    /// A text with a token that the model has no embedding for.
    #[error(
        "`{id}` has the token `{token}` ({number} in {}), and the model's embedding table has {rows} rows: take it out of the text, or \
         resize the model's embeddings",
        path.display()
    )]
    BeyondTable {
        /// Which row or contrast.
        id: String,
        /// The tokenizer's file.
        path: PathBuf,
        /// Its text.
        token: String,
        /// Its id.
        number: u32,
        /// Rows of the table.
        rows: usize,
    },
    /// A text that needs more positions than the model has.
    #[error("`{id}` has {tokens} tokens; the model has {positions} positions: shorten it, or leave it out")]
    TooLong {
        /// Which row or contrast.
        id: String,
        /// Its length.
        tokens: usize,
        /// What fits.
        positions: usize,
    },
    /// A chat cannot be rendered.
    #[error("`{id}`: {source}")]
    Template {
        /// Which row or contrast.
        id: String,
        /// What went wrong.
        source: TemplateError,
    },
    /// A row that would teach nothing.
    #[error("`{id}` has no trained token: add an assistant turn with content, or remove the row")]
    NothingTrained {
        /// Which row.
        id: String,
    },
    /// A token that is partly the assistant's.
    #[error(
        "`{id}`: the token for {token:?} lies half inside what the assistant wrote: move the `{{% generation %}}` marker \
         of the chat template to where a token begins"
    )]
    Straddles {
        /// Which row or contrast.
        id: String,
        /// The text of the token.
        token: String,
    },
    /// Turns that shall not be trained on cannot be told from the others.
    #[error(
        "`{id}` has {turns} assistant turns, some of weight 0, but the chat template marks {spans} spans: mark every \
         assistant turn with `{{% generation %}}` once"
    )]
    Spans {
        /// Which row.
        id: String,
        /// Assistant turns.
        turns: usize,
        /// Spans in the rendered text.
        spans: usize,
    },
    /// The context of a probe is not what a training row begins with.
    #[error(
        "`{id}`: a full row does not begin with its context's {what}, so a probe would not measure what training \
         sees: make the chat template print the same generation prompt in both"
    )]
    NotAPrefix {
        /// Which contrast.
        id: String,
        /// `text` or `tokens`.
        what: &'static str,
    },
}
