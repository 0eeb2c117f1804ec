//! What an order comes to, in OpenAI's words; of a context's tokens, in vLLM's.

use std::{
    sync::mpsc::Sender,
    time::{SystemTime, UNIX_EPOCH},
};

use serde_json::{Map, Value, json};
use titer_data::tokenize::Tokenizer;
use titer_model::passes::ScoredToken;

use super::{
    order::{Order, OrderKind},
    queue::{HeardToken, Queue, Task},
    refusal::Refusal,
    shelf::Shelf,
    text::{CountedText, before_any, bytes_of, piece_of, text_of},
};

/// A reply, without what ended it.
pub(super) struct Answer {
    pub(super) tokens: Vec<ScoredToken>,
    pub(super) text: String,
    pub(super) finish: &'static str,
    /// Tokens that were drawn.
    pub(super) drawn: usize,
}

/// Does what an order asks for, and says what came of it.
pub(super) fn answer(order: &Order, queue: &Queue, id: u64) -> Result<Value, Refusal> {
    let echoed = order.log_probs.filter(|_| order.echo);
    let asked = [order.context_log_probs, echoed].into_iter().flatten().max();
    let contexts = match asked {
        None => Vec::new(),
        Some(top) => queue.ask(&order.model, Task::Score { rows: order.contexts.clone(), top })?,
    };
    let drawn = if order.drawings.is_empty() {
        vec![Vec::new(); order.contexts.len() * order.replies]
    } else {
        queue.ask(&order.model, drawing(order, None))?
    };
    let answers: Vec<Answer> = drawn.into_iter().map(|tokens| Answer::of(order, tokens)).collect();
    let choice = |(index, answer): (usize, &Answer)| {
        let at = index / order.replies;
        choice(order, index, answer, &order.contexts[at], contexts.get(at).map(Vec::as_slice))
    };
    let choices: Vec<Value> = answers.iter().enumerate().map(choice).collect();
    let object = if order.kind == OrderKind::Chat { "chat.completion" } else { "text_completion" };
    let drawn = answers.iter().map(|answer| answer.drawn).sum();
    let mut answer = head(order, object, id, now());
    (answer["choices"], answer["usage"]) = (choices.into(), usage(order, drawn));
    if let (OrderKind::Chat, Some(top)) = (order.kind, order.context_log_probs) {
        answer["prompt_logprobs"] = given(&order.model.model.tokenizer, &order.contexts[0], &contexts[0], top);
    }
    Ok(answer)
}

/// What is to be drawn for an order, and who hears it.
pub(super) fn drawing(order: &Order, heard: Option<Sender<HeardToken>>) -> Task {
    let each = order.contexts.iter().flat_map(|context| std::iter::repeat_n(context, order.replies));
    let wanted = each.cloned().zip(order.drawings.iter().cloned()).collect();
    Task::Draw { wanted, stops: order.stops.clone(), heard }
}

/// What an answer says of itself; `object` is what OpenAI calls it.
pub(super) fn head(order: &Order, object: &str, id: u64, created: u64) -> Value {
    let prefix = if order.kind == OrderKind::Chat { "chatcmpl" } else { "cmpl" };
    json!({ "id": format!("{prefix}-{id}"), "object": object, "created": created, "model": order.name })
}

/// How many tokens were sent and drawn.
pub(super) fn usage(order: &Order, drawn: usize) -> Value {
    let sent: usize = order.contexts.iter().map(Vec::len).sum();
    json!({ "prompt_tokens": sent, "completion_tokens": drawn, "total_tokens": sent + drawn })
}

/// The models, as OpenAI lists them; `aliases` as llama.cpp does.
pub(super) fn models(shelf: &Shelf) -> Value {
    let model = |model: &super::ShelvedModel| json!({ "id": model.name, "object": "model", "created": 0, "owned_by": "titer", "aliases": model.alias.iter().collect::<Vec<_>>() });
    json!({ "object": "list", "data": shelf.models().iter().map(model).collect::<Vec<_>>() })
}

impl Answer {
    /// The reply of these tokens.
    pub(super) fn of(order: &Order, mut tokens: Vec<ScoredToken>) -> Self {
        let (tokenizer, drawn) = (&order.model.model.tokenizer, tokens.len());
        let ended = tokens.pop_if(|last| order.model.stops.contains(&last.token)).is_some();
        let ids = |tokens: &[ScoredToken]| tokens.iter().map(|scored| scored.token).collect::<Vec<u32>>();
        let whole = text_of(tokenizer, &ids(&tokens));
        let cut = before_any(&whole, &order.stops);
        if let Some(cut) = cut {
            // Of the tokens those stay whose text begins before the cut.
            while !tokens.is_empty() && text_of(tokenizer, &ids(&tokens[..tokens.len() - 1])).len() >= cut.len() {
                tokens.pop();
            }
        }
        let finish = if ended || cut.is_some() { "stop" } else { "length" };
        Self { text: cut.unwrap_or(&whole).to_owned(), tokens, finish, drawn }
    }
}

fn choice(order: &Order, index: usize, answer: &Answer, context: &[u32], scored: Option<&[ScoredToken]>) -> Value {
    let tokenizer = &order.model.model.tokenizer;
    let mut choice = json!({ "index": index, "finish_reason": answer.finish });
    match order.kind {
        OrderKind::Chat => {
            choice["message"] = json!({ "role": "assistant", "content": answer.text });
            choice["logprobs"] = order.log_probs.map_or(Value::Null, |_| chat_tokens(tokenizer, &answer.tokens, 0));
        }
        OrderKind::Text => {
            let echoed = order.echo.then(|| (context, scored.unwrap_or_default()));
            choice["text"] =
                if order.echo { echoed_text(tokenizer, context, answer) } else { answer.text.clone() }.into();
            let of = |top| text_tokens(tokenizer, echoed, &answer.tokens, top);
            choice["logprobs"] = order.log_probs.map_or(Value::Null, of);
            choice["prompt_logprobs"] = match (order.context_log_probs, scored) {
                (Some(top), Some(scored)) => given(tokenizer, context, scored, top),
                _ => Value::Null,
            };
        }
    }
    choice
}

/// A context and the reply behind it, as one text.
fn echoed_text(tokenizer: &Tokenizer, context: &[u32], answer: &Answer) -> String {
    let before = text_of(tokenizer, context);
    match answer.tokens.first() {
        None => before,
        Some(first) => {
            let alone = text_of(tokenizer, &[first.token]);
            let gap = piece_of(tokenizer, context.last().copied(), first.token);
            // What stands between the two, such as a space.
            before + gap.strip_suffix(&*alone).unwrap_or_default() + &answer.text
        }
    }
}

/// The tokens of a chat's reply, from one of them on.
pub(super) fn chat_tokens(tokenizer: &Tokenizer, tokens: &[ScoredToken], from: usize) -> Value {
    let entry = |before: Option<u32>, token: u32, log_prob: f64| {
        let bytes = bytes_of(tokenizer, before, token);
        json!({ "token": String::from_utf8_lossy(&bytes), "logprob": log_prob, "bytes": bytes })
    };
    let each = tokens.iter().enumerate().skip(from).map(|(at, scored)| {
        let before = at.checked_sub(1).map(|before| tokens[before].token);
        let mut told = entry(before, scored.token, scored.log_prob);
        told["top_logprobs"] = scored.top.iter().map(|&(id, log_prob)| entry(before, id, log_prob)).collect();
        told
    });
    json!({ "content": each.collect::<Vec<Value>>(), "refusal": null })
}

/// The tokens of a completion; where it begins with its context, those too. Nothing is known of the first token of a context. A token that goes
/// on within a character has the place at which that begins.
pub(super) fn text_tokens(
    tokenizer: &Tokenizer,
    echoed: Option<(&[u32], &[ScoredToken])>,
    reply: &[ScoredToken],
    top: usize,
) -> Value {
    let (mut texts, mut numbers, mut tops, mut offsets) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let (mut before, mut counted): (Option<u32>, _) = (None, CountedText::default());
    let mut tell = |token: u32, scored: Option<&ScoredToken>| {
        let bytes = bytes_of(tokenizer, before, token);
        let of = |scored: &ScoredToken| {
            let mut likeliest = Map::new();
            for &(id, log_prob) in scored.top.iter().take(top) {
                // Of two that read alike the likelier is told.
                likeliest.entry(piece_of(tokenizer, before, id)).or_insert_with(|| log_prob.into());
            }
            likeliest
        };
        offsets.push(counted.characters());
        counted.add(&bytes);
        numbers.push(scored.map(|scored| scored.log_prob));
        tops.push(scored.filter(|_| top > 0).map(of));
        texts.push(String::from_utf8_lossy(&bytes).into_owned());
        before = Some(token);
    };
    if let Some((context, scored)) = echoed {
        context
            .iter()
            .enumerate()
            .for_each(|(at, &token)| tell(token, at.checked_sub(1).and_then(|at| scored.get(at))));
    }
    reply.iter().for_each(|scored| tell(scored.token, Some(scored)));
    json!({ "tokens": texts, "token_logprobs": numbers, "top_logprobs": tops, "text_offset": offsets })
}

/// A context's tokens in vLLM's words: by id, and `null` for the first.
fn given(tokenizer: &Tokenizer, context: &[u32], scored: &[ScoredToken], top: usize) -> Value {
    let entries = scored.iter().enumerate().map(|(at, scored)| {
        let entry = |id: u32, log_prob: f64, rank: Option<usize>| {
            let text = piece_of(tokenizer, Some(context[at]), id);
            (id.to_string(), json!({ "logprob": log_prob, "rank": rank, "decoded_token": text }))
        };
        let own = entry(scored.token, scored.log_prob, None);
        let likeliest = scored.top.iter().take(top).enumerate();
        let likeliest = likeliest.map(|(rank, &(id, log_prob))| entry(id, log_prob, Some(rank + 1)));
        Value::Object([own].into_iter().chain(likeliest).collect())
    });
    std::iter::once(Value::Null).chain(entries).collect()
}

/// Seconds since 1970.
pub(super) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
