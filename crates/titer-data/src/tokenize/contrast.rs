//! Contrasts as tokens: contexts, and replies cut from full rows.

use super::{
    TokenizeError, Tokenizer,
    span::{Place, place},
};
use crate::{
    chat::{Chat, Message},
    probe::{Contrast, Side},
    template::{ChatTemplate, RenderedReply},
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
/// what training would train. Where a token lies half in the context and the template's options say to skip it, all replies are
/// scored from the last place that their tokens share.
///
/// Fails when a chat cannot be rendered or encoded, or a full row does not begin with its context.
pub fn encode_contrast(
    template: &ChatTemplate,
    tokenizer: &Tokenizer,
    contrast: &Contrast,
) -> Result<EncodedContrast, TokenizeError> {
    let encoder = ContrastEncoder { template, tokenizer, contrast };
    let (context, replies) = encoder.encode(&contrast.context)?;
    let baseline = match &contrast.baseline {
        None => None,
        Some(messages) => {
            let (baseline, same) = encoder.encode(messages)?;
            if same != replies {
                return Err(encoder.not_a_prefix("tokens"));
            }
            Some(baseline)
        }
    };
    let replies = contrast.replies.iter().map(|(side, _)| *side).zip(replies).collect();
    Ok(EncodedContrast { id: contrast.id.clone(), context, replies, baseline })
}

/// What the replies of one contrast are encoded with.
struct ContrastEncoder<'a> {
    template: &'a ChatTemplate,
    tokenizer: &'a Tokenizer,
    contrast: &'a Contrast,
}

/// A full row as tokens.
struct Answered {
    /// From the first token to the reply's last.
    tokens: Vec<u32>,
    /// How many of them are context.
    context: usize,
    /// Whether the first of the reply lies half in the context.
    is_split: bool,
}

impl ContrastEncoder<'_> {
    fn not_a_prefix(&self, what: &'static str) -> TokenizeError {
        TokenizeError::NotAPrefix { id: self.contrast.id.clone(), what }
    }

    /// The tokens of a context, and of each reply to it.
    fn encode(&self, messages: &[Message]) -> Result<(Vec<u32>, Vec<Vec<u32>>), TokenizeError> {
        let (id, context) = (&self.contrast.id, Chat { messages, variables: &self.contrast.variables });
        let render = |(_, reply): &(Side, String)| {
            self.template
                .render_reply(context, reply)
                .map_err(|source| TokenizeError::Template { id: id.clone(), source: Box::new(source) })
        };
        let rendered = self.contrast.replies.iter().map(render).collect::<Result<Vec<RenderedReply>, _>>()?;
        if rendered.is_empty() {
            // A context to draw replies in: it ends where any of them would begin.
            let any = render(&(Side::Plus, "A".to_owned()))?;
            let text = any.text.get(..any.reply.start).unwrap_or_default();
            return Ok((self.tokenizer.encode(text, id)?.get_ids().to_vec(), Vec::new()));
        }
        // Replies of which some bring their own beginning (`<think>`) are all scored from where the others begin.
        let start = rendered.iter().map(|rendered| rendered.reply.start).min().unwrap_or_default();
        let text = rendered.first().and_then(|first| first.text.get(..start)).unwrap_or_default();
        if rendered.iter().any(|rendered| rendered.text.get(..start) != Some(text)) {
            return Err(self.not_a_prefix("text"));
        }
        let answered = rendered.iter().map(|rendered| self.answered(rendered, start)).collect::<Result<Vec<_>, _>>()?;
        let shared = answered.iter().map(|answered| answered.context).min().unwrap_or_default();
        let context = answered.first().map(|first| first.tokens[..shared].to_vec()).unwrap_or_default();
        if answered.iter().any(|answered| answered.tokens[..shared] != context) {
            return Err(self.not_a_prefix("tokens"));
        }
        let is_split = answered.iter().any(|answered| answered.is_split);
        if !is_split && self.tokenizer.encode(text, id)?.get_ids() != context {
            return Err(self.not_a_prefix("tokens"));
        }
        let replies: Vec<Vec<u32>> = answered.into_iter().map(|answered| answered.tokens[shared..].to_vec()).collect();
        match replies.iter().any(Vec::is_empty) {
            true => Err(TokenizeError::NothingTrained { id: id.clone() }),
            false => Ok((context, replies)),
        }
    }
    /// The tokens of a row up to the reply's end; its context ends at byte `start`.
    fn answered(&self, rendered: &RenderedReply, start: usize) -> Result<Answered, TokenizeError> {
        let id = &self.contrast.id;
        let encoding = self.tokenizer.encode(&rendered.text, id)?;
        let mut answered = Answered { tokens: Vec::new(), context: 0, is_split: false };
        for (&token, &(from, to)) in encoding.get_ids().iter().zip(encoding.get_offsets()) {
            match place(&(start..rendered.reply.end), from..to) {
                Place::Outside if from >= start => break,
                Place::Outside => answered.context += 1,
                Place::Inside => {}
                Place::Split if self.template.options().skip_split_tokens => answered.is_split |= from < start,
                Place::Split => return Err(TokenizeError::split(id, &rendered.text, from..to)),
            }
            answered.tokens.push(token);
        }
        Ok(answered)
    }
}
