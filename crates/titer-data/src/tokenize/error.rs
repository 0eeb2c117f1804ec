//! Why there are no tokens.

use std::ops::Range;

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
    #[error("`{id}`: the tokenizer cannot encode it: {reason}; are all its words in the vocabulary of the model?")]
    Encode {
        /// Which row or contrast.
        id: String,
        /// What the tokenizers crate says.
        reason: String,
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
