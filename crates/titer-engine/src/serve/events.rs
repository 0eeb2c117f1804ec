//! An answer piece by piece: server-sent events in OpenAI's words, each when its tokens are drawn.

use std::{
    collections::VecDeque,
    sync::{
        Arc,
        mpsc::{Receiver, channel},
    },
};

use serde_json::{Value, json};
use titer_model::passes::ScoredToken;

use super::{
    answer::{Answer, chat_tokens, drawing, head, now, text_tokens, usage},
    order::{Order, OrderKind},
    queue::{HeardToken, Queue, UnderWay, Waited},
    refusal::Refusal,
    text::{REPLACED, before_any, text_of},
    turns::Turn,
};

/// What OpenAI ends a stream with.
const END: &str = "[DONE]";

/// The events of an answer, in order.
pub(super) struct Events {
    order: Order,
    id: u64,
    created: u64,
    tokens: Receiver<HeardToken>,
    under_way: Option<UnderWay>,
    /// Whether nothing more is to be told than what waits.
    over: bool,
    replies: Vec<StreamedReply>,
    waiting: VecDeque<String>,
}

/// A reply, as far as it has been told.
#[derive(Default)]
struct StreamedReply {
    tokens: Vec<ScoredToken>,
    /// Of its tokens, those that were told.
    told: usize,
    text: String,
    begun: bool,
    over: bool,
}

impl Events {
    /// Has an order's replies drawn. Returns when the first token is there, so that what cannot be done is a refusal like any other. The turn ends
    /// when they are drawn: how long a client takes to read them is its own time.
    pub(super) fn begin(order: Order, queue: &Queue, id: u64, turn: Turn) -> Result<Self, Refusal> {
        let (heard, tokens) = channel();
        let model = Arc::clone(&order.model);
        let under_way = if order.drawings.is_empty() {
            drop(heard);
            None
        } else {
            Some(queue.begin(&model, drawing(&order, Some(heard)), Some(turn))?)
        };
        let replies = (0..order.contexts.len() * order.replies).map(|_| StreamedReply::default()).collect();
        let (created, over, waiting) = (now(), false, VecDeque::new());
        let mut events = Self { order, id, created, tokens, under_way, over, replies, waiting };
        events.more()?;
        Ok(events)
    }

    /// Waits for what comes next: a token, or the end.
    fn more(&mut self) -> Result<(), Refusal> {
        let next = self.under_way.as_ref().map_or(Waited::Over, |under_way| under_way.next(&self.tokens));
        self.over = !matches!(next, Waited::Come(_));
        match next {
            Waited::Come(token) => {
                self.hear(token);
                Ok(())
            }
            Waited::Over => self.end(),
            Waited::Stopping => Err(Refusal::stopping()),
        }
    }

    /// Takes a token.
    fn hear(&mut self, (at, token): HeardToken) {
        let order = &self.order;
        let reply = &mut self.replies[at];
        reply.tokens.push(token);
        let ids: Vec<u32> = reply.tokens.iter().map(|scored| scored.token).collect();
        let tokenizer = &order.model.model.tokenizer;
        let ended = ids.last().is_some_and(|last| order.model.stops.contains(last));
        let text = text_of(tokenizer, &ids);
        let cut = before_any(&text, &order.stops).is_some();
        if ended || cut || ids.len() == order.drawings[at].limit {
            self.close(at);
        } else if text.starts_with(&reply.text) && is_whole(&text, &order.stops) {
            self.tell(at, &text, ids.len());
        }
    }

    /// Tells the rest of a reply, and what ended it.
    fn close(&mut self, at: usize) {
        let answer = Answer::of(&self.order, self.replies[at].tokens.clone());
        let count = answer.tokens.len();
        self.replies[at].tokens = answer.tokens;
        self.tell(at, &answer.text, count);
        let last = match self.order.kind {
            OrderKind::Chat => json!({ "delta": {} }),
            OrderKind::Text => json!({ "text": "" }),
        };
        self.replies[at].over = true;
        self.push(at, last, Value::Null, answer.finish.into());
    }

    /// Tells a reply up to here: its text, and its first `count` tokens.
    fn tell(&mut self, at: usize, text: &str, count: usize) {
        let (order, reply) = (&self.order, &mut self.replies[at]);
        let is_chat = order.kind == OrderKind::Chat;
        // OpenAI begins a chat with who speaks.
        let opening = (is_chat && !reply.begun).then(|| json!({ "delta": { "role": "assistant", "content": "" } }));
        let piece = text.strip_prefix(&*reply.text).unwrap_or_default().to_owned();
        let told = reply.told;
        reply.told = told.max(count);
        let log_probs = match order.log_probs.filter(|_| told < count) {
            None => Value::Null,
            Some(_) if is_chat => chat_tokens(&order.model.model.tokenizer, &reply.tokens[..count], told),
            Some(top) => from(text_tokens(&order.model.model.tokenizer, None, &reply.tokens[..count], top), told),
        };
        reply.text.push_str(&piece);
        reply.begun = true;
        if let Some(opening) = opening {
            self.push(at, opening, Value::Null, Value::Null);
        }
        if !piece.is_empty() || !log_probs.is_null() {
            let piece = if is_chat { json!({ "delta": { "content": piece } }) } else { json!({ "text": piece }) };
            self.push(at, piece, log_probs, Value::Null);
        }
    }

    /// Another event.
    fn push(&mut self, at: usize, mut choice: Value, log_probs: Value, finish: Value) {
        choice["index"] = at.into();
        choice["logprobs"] = log_probs;
        choice["finish_reason"] = finish;
        let mut event = self.head();
        event["choices"] = json!([choice]);
        self.waiting.push_back(event.to_string());
    }

    fn head(&self) -> Value {
        let object = if self.order.kind == OrderKind::Chat { "chat.completion.chunk" } else { "text_completion" };
        head(&self.order, object, self.id, self.created)
    }

    /// No token comes any more.
    fn end(&mut self) -> Result<(), Refusal> {
        let drawn = self.under_way.take().map_or_else(|| Ok(Vec::new()), UnderWay::wait)?;
        for at in 0..self.replies.len() {
            if !self.replies[at].over {
                self.close(at);
            }
        }
        if self.order.stream.is_some_and(|stream| stream.usage) {
            let mut event = self.head();
            (event["choices"], event["usage"]) = (json!([]), usage(&self.order, drawn.iter().map(Vec::len).sum()));
            self.waiting.push_back(event.to_string());
        }
        self.waiting.push_back(END.to_owned());
        Ok(())
    }
}

impl Iterator for Events {
    type Item = String;

    /// The next event: JSON, and `[DONE]` at the end. Waits for it.
    fn next(&mut self) -> Option<String> {
        while self.waiting.is_empty() && !self.over {
            if let Err(refusal) = self.more() {
                self.waiting.push_back(refusal.json().to_string());
            }
        }
        self.waiting.pop_front()
    }
}

/// Whether what comes can take nothing of a text back: no character of it is half, and it does not end as one of these strings begins.
fn is_whole(text: &str, stops: &[String]) -> bool {
    let begins = |stop: &String| text.char_indices().any(|(at, _)| stop.starts_with(&text[at..]));
    !text.ends_with(REPLACED) && !stops.iter().any(begins)
}

/// Of lists by name, what is behind the first `count` entries.
fn from(mut lists: Value, count: usize) -> Value {
    for list in lists.as_object_mut().into_iter().flat_map(|lists| lists.values_mut()).filter_map(Value::as_array_mut) {
        list.drain(..count.min(list.len()));
    }
    lists
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_be_taken_back_is_not_told() {
        let stops = ["\n\n".to_owned(), "END".to_owned()];
        for (text, whole) in [
            ("", true),
            ("a", true),
            ("a\n", false),
            ("a\nb", true),
            ("a E", false),
            ("a EN", false),
            ("a EX", true),
            ("\u{FFFD}", false),
        ] {
            assert_eq!(is_whole(text, &stops), whole, "{text:?}");
        }
        assert!(is_whole("a\n", &[]));
    }
}
