//! Why there are no tokens.

use std::{ops::Range, path::PathBuf};

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
    /// A text with a word that a vocabulary of whole words lacks.
    #[error(
        "`{id}`: {} has no word `{word}`; this model knows {words} words and no other text: name a model that reads yours, or write it in \
         the model's words",
        path.display()
    )]
    UnknownWord {
        /// Which row or contrast.
        id: String,
        /// The tokenizer's file.
        path: PathBuf,
        /// The word.
        word: String,
        /// How many words there are.
        words: usize,
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
        source: Box<TemplateError>,
    },
    /// A row that would teach nothing.
    #[error("`{id}` has no trained token: add an assistant turn with content, or remove the row")]
    NothingTrained {
        /// Which row.
        id: String,
    },
    /// A token that is partly the assistant's.
    #[error(
        "`{id}`: the token for {token:?} lies half inside what the assistant wrote: say `skip_split_tokens = true` under [model], or \
         --skip-split-tokens, to train from the next token on; or leave the row out, or move the `{{% generation %}}` marker \
         of the chat template to where a token begins"
    )]
    Split {
        /// Which row or contrast.
        id: String,
        /// The text of the token.
        token: String,
    },
    /// Rows with such a token.
    #[error(
        "{count} of {all} rows have a token that lies half in the chat template's header and half in the reply, such as {token:?} \
         in the first of {names}; say `skip_split_tokens = true` under [model], or --skip-split-tokens, to train and score \
         from the next token on; or leave these rows out"
    )]
    SplitRows {
        /// How many.
        count: usize,
        /// Of how many.
        all: usize,
        /// The text of the token in the first of them.
        token: String,
        /// The names of the first of them.
        names: String,
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

impl TokenizeError {
    /// The token in these bytes of the text, which is partly the assistant's.
    pub(super) fn split(id: &str, text: &str, token: Range<usize>) -> Self {
        Self::Split { id: id.to_owned(), token: text.get(token).unwrap_or_default().to_owned() }
    }
}
