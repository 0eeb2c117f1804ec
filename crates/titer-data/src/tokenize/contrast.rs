//! Contrasts as tokens: contexts, and replies cut from full rows.

use super::{
    TokenizeError, Tokenizer,
    span::{is_inside, render},
};
use crate::{
    chat::{Message, Role},
    probe::{Contrast, Side},
    template::ChatTemplate,
};

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
