//! Rows and contrasts as token ids, with a mask of what is trained.

use std::{ops::Range, path::Path};

use crate::{
    chat::{Message, Role, Row},
    probe::{Contrast, Side},
    template::{ChatTemplate, Rendered, TemplateError},
};

/// A tokenizer that adds nothing of its own: templates write the special tokens.
#[derive(Debug)]
pub struct Tokenizer {
    inner: tokenizers::Tokenizer,
}

/// A row as tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Encoded {
    /// Token ids of the whole chat.
    pub tokens: Vec<u32>,
    /// Which of them carry loss: exactly those that the assistant wrote, the closing token included.
    pub trained: Vec<bool>,
}

/// A contrast as tokens: `context` followed by a reply is what the full row encodes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EncodedContrast {
    /// The contrast's name.
    pub id: String,
    /// Token ids up to and including the generation prompt.
    pub context: Vec<u32>,
    /// Token ids of each reply, the closing token included, in the contrast's order.
    pub replies: Vec<(Side, Vec<u32>)>,
    /// Token ids of the same request under a neutral prompt, where there is one. The replies are the same.
    pub baseline: Option<Vec<u32>>,
}

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

impl Tokenizer {
    /// The tokenizer in the text of a `tokenizer.json`.
    pub fn from_json(json: &str) -> Result<Self, TokenizeError> {
        Self::load(json.as_bytes(), "the tokenizer".to_owned())
    }

    /// The tokenizer in a `tokenizer.json` file.
    pub fn from_file(path: impl AsRef<Path>) -> Result<Self, TokenizeError> {
        let path = path.as_ref();
        let place = path.display().to_string();
        let bytes = fs_err::read(path)
            .map_err(|error| TokenizeError::Load { place: place.clone(), reason: error.to_string() })?;
        Self::load(&bytes, place)
    }

    fn load(bytes: &[u8], place: String) -> Result<Self, TokenizeError> {
        let mut inner = tokenizers::Tokenizer::from_bytes(bytes)
            .map_err(|error| TokenizeError::Load { place: place.clone(), reason: error.to_string() })?;
        // A file may ask for either, and both would silently change rows.
        inner.with_padding(None);
        inner.with_truncation(None).map_err(|error| TokenizeError::Load { place, reason: error.to_string() })?;
        Ok(Self { inner })
    }

    /// How many tokens there are, added ones included.
    pub fn vocabulary_size(&self) -> usize {
        self.inner.get_vocab_size(true)
    }

    /// The id of a token.
    pub fn id(&self, token: &str) -> Option<u32> {
        self.inner.token_to_id(token)
    }

    /// The token of an id.
    pub fn token(&self, id: u32) -> Option<String> {
        self.inner.id_to_token(id)
    }

    /// The text of tokens, special ones included.
    pub fn decode(&self, tokens: &[u32]) -> Result<String, TokenizeError> {
        self.inner
            .decode(tokens, false)
            .map_err(|error| TokenizeError::Encode { id: "decoding".to_owned(), reason: error.to_string() })
    }

    /// The tokens of a text, and the bytes that each stands for.
    fn encode(&self, text: &str, id: &str) -> Result<tokenizers::Encoding, TokenizeError> {
        self.inner
            .encode(text, false)
            .map_err(|error| TokenizeError::Encode { id: id.to_owned(), reason: error.to_string() })
    }
}

/// The tokens of a row, and which of them carry loss.
///
/// Fails when the row cannot be rendered or encoded, has no trained token, or a token is only partly trained.
pub fn encode_row(template: &ChatTemplate, tokenizer: &Tokenizer, row: &Row) -> Result<Encoded, TokenizeError> {
    let mut rendered = render(template, &row.messages, false, &row.id)?;
    leave_out(&mut rendered, row)?;
    let encoding = tokenizer.encode(&rendered.text, &row.id)?;
    let mut trained = Vec::with_capacity(encoding.len());
    let mut spans = rendered.spans.iter().peekable();
    for &(start, end) in encoding.get_offsets() {
        while spans.next_if(|span| span.end <= start).is_some() {}
        trained.push(match spans.peek() {
            Some(span) => is_inside(span, start..end, &rendered, &row.id)?,
            None => false,
        });
    }
    if !trained.contains(&true) {
        return Err(TokenizeError::NothingTrained { id: row.id.clone() });
    }
    Ok(Encoded { tokens: encoding.get_ids().to_vec(), trained })
}

/// The tokens of a contrast. Every reply is cut from the encoding of its full row, so that a probe scores exactly
/// what training would train.
///
/// Fails when a chat cannot be rendered or encoded, or a full row does not begin with its context.
pub fn encode_contrast(
    template: &ChatTemplate,
    tokenizer: &Tokenizer,
    contrast: &Contrast,
) -> Result<EncodedContrast, TokenizeError> {
    let encoder = ContrastEncoder { template, tokenizer, id: &contrast.id };
    let context = encoder.context(&contrast.context)?;
    let replies = contrast
        .replies
        .iter()
        .map(|(side, reply)| Ok((*side, encoder.reply(&contrast.context, &context, reply)?)))
        .collect::<Result<Vec<_>, TokenizeError>>()?;
    let baseline = match &contrast.baseline {
        None => None,
        Some(messages) => {
            let baseline = encoder.context(messages)?;
            for ((_, reply), (_, tokens)) in contrast.replies.iter().zip(&replies) {
                if encoder.reply(messages, &baseline, reply)? != *tokens {
                    return Err(TokenizeError::NotAPrefix { id: contrast.id.clone(), what: "tokens" });
                }
            }
            Some(baseline.tokens)
        }
    };
    Ok(EncodedContrast { id: contrast.id.clone(), context: context.tokens, replies, baseline })
}

/// What the replies of one contrast are encoded with.
struct ContrastEncoder<'a> {
    template: &'a ChatTemplate,
    tokenizer: &'a Tokenizer,
    id: &'a str,
}

/// A context up to the generation prompt.
struct Context {
    text: String,
    tokens: Vec<u32>,
}

impl ContrastEncoder<'_> {
    fn context(&self, messages: &[Message]) -> Result<Context, TokenizeError> {
        let text = render(self.template, messages, true, self.id)?.text;
        let tokens = self.tokenizer.encode(&text, self.id)?.get_ids().to_vec();
        Ok(Context { text, tokens })
    }

    /// The tokens of `reply`, cut from the full row.
    fn reply(&self, messages: &[Message], context: &Context, reply: &str) -> Result<Vec<u32>, TokenizeError> {
        let not_a_prefix = |what| TokenizeError::NotAPrefix { id: self.id.to_owned(), what };
        let mut full = messages.to_vec();
        full.push(Message { role: Role::Assistant, content: reply.to_owned() });
        let rendered = render(self.template, &full, false, self.id)?;
        let span = rendered.spans.last().filter(|span| rendered.text[..span.start] == context.text);
        let span = span.ok_or_else(|| not_a_prefix("text"))?;
        let encoding = self.tokenizer.encode(&rendered.text, self.id)?;
        let mut tokens = Vec::new();
        for (k, (&token, &(start, end))) in encoding.get_ids().iter().zip(encoding.get_offsets()).enumerate() {
            if is_inside(span, start..end, &rendered, self.id)? {
                tokens.push(token);
            } else if tokens.is_empty() && context.tokens.get(k) != Some(&token) {
                return Err(not_a_prefix("tokens"));
            }
        }
        if tokens.is_empty() {
            return Err(TokenizeError::NothingTrained { id: self.id.to_owned() });
        }
        let before = encoding.get_offsets().iter().filter(|&&(start, end)| start < span.start && end <= span.start);
        if before.count() == context.tokens.len() { Ok(tokens) } else { Err(not_a_prefix("tokens")) }
    }
}

/// Takes the spans of turns away that are not trained on.
fn leave_out(rendered: &mut Rendered, row: &Row) -> Result<(), TokenizeError> {
    if row.untrained.is_empty() {
        return Ok(());
    }
    let assistant = row.messages.iter().enumerate().filter(|(_, message)| message.role == Role::Assistant);
    let turns: Vec<usize> = assistant.map(|(turn, _)| turn).collect();
    if turns.len() != rendered.spans.len() {
        return Err(TokenizeError::Spans { id: row.id.clone(), turns: turns.len(), spans: rendered.spans.len() });
    }
    let mut turns = turns.into_iter();
    rendered.spans.retain(|_| turns.next().is_some_and(|turn| !row.untrained.contains(&turn)));
    Ok(())
}

fn render(
    template: &ChatTemplate,
    messages: &[Message],
    add_generation_prompt: bool,
    id: &str,
) -> Result<Rendered, TokenizeError> {
    template
        .render(messages, add_generation_prompt)
        .map_err(|source| TokenizeError::Template { id: id.to_owned(), source })
}

/// Whether a token lies inside a span; an error when it crosses its edge.
fn is_inside(span: &Range<usize>, token: Range<usize>, rendered: &Rendered, id: &str) -> Result<bool, TokenizeError> {
    if token.start >= span.end || token.end <= span.start {
        return Ok(false);
    }
    if token.start < span.start || token.end > span.end {
        let token = rendered.text.get(token).unwrap_or_default().to_owned();
        return Err(TokenizeError::Straddles { id: id.to_owned(), token });
    }
    Ok(true)
}
