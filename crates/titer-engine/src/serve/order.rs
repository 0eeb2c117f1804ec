//! What a request asks for, read strictly: what would change an answer and is not served is refused.

use std::{
    hash::{BuildHasher as _, RandomState},
    sync::Arc,
};

use serde_json::{Map, Value};
use titer_data::{
    formats::parse_messages,
    probe::Contrast,
    tokenize::{TokenizeError, encode_contrast},
    variables::Variables,
};
use titer_model::passes::Drawing;

use super::{
    refusal::Refusal,
    shelf::{OpenModel, Shelf},
};

/// Tokens of a chat's reply where the request does not say.
const CHAT_LIMIT: usize = 1024;

/// Tokens of a completion where the request does not say, as OpenAI has it.
const TEXT_LIMIT: usize = 16;

/// Replies of a request.
const REPLIES: usize = 1024;

/// Alternatives to a token.
const ALTERNATIVES: usize = 20;

/// Keys that change no answer.
const HARMLESS: [&str; 10] = [
    "user",
    "store",
    "metadata",
    "service_tier",
    "stream_options",
    "safety_identifier",
    "prompt_cache_key",
    "prompt_cache_retention",
    "parallel_tool_calls",
    "tool_choice",
];

/// Keys that change nothing by these values.
fn is_default(key: &str, value: &Value) -> bool {
    match key {
        "presence_penalty" | "frequency_penalty" => value.as_f64() == Some(0.0),
        "add_special_tokens" => value == &Value::Bool(false),
        "logit_bias" => value.as_object().is_some_and(Map::is_empty),
        "tools" => value.as_array().is_some_and(Vec::is_empty),
        "response_format" => value["type"] == "text",
        "best_of" => value.as_u64() == Some(1),
        "suffix" => value == "",
        _ => false,
    }
}

/// Whether a chat is asked for, or a completion.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum OrderKind {
    Chat,
    Text,
}

/// What a request asks for.
pub(super) struct Order {
    pub(super) kind: OrderKind,
    /// The model as the request calls it.
    pub(super) name: String,
    pub(super) model: Arc<OpenModel>,
    pub(super) contexts: Vec<Vec<u32>>,
    /// A drawing for every reply of every context, in order; none where no token is to be drawn.
    pub(super) drawings: Vec<Drawing>,
    /// Replies to each context.
    pub(super) replies: usize,
    /// Strings before which a reply ends.
    pub(super) stops: Vec<String>,
    /// Whether the answer has the log-probabilities of its tokens.
    pub(super) log_probs: Option<usize>,
    /// The same of the context's tokens, as vLLM gives them.
    pub(super) context_log_probs: Option<usize>,
    /// Whether a completion begins with its context.
    pub(super) echo: bool,
    /// Whether it is answered piece by piece, and whether the pieces end with how many tokens there were.
    pub(super) stream: Option<StreamOrder>,
}

/// An answer piece by piece.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct StreamOrder {
    /// Whether the last piece says how many tokens were sent and drawn.
    pub(super) usage: bool,
}

impl Order {
    /// What a request's body asks for.
    pub(super) fn read(kind: OrderKind, body: &[u8], shelf: &Shelf) -> Result<Self, Refusal> {
        let body: Value =
            serde_json::from_slice(body).map_err(|error| Refusal::request(format!("the body is not JSON: {error}")))?;
        let Value::Object(mut keys) = body else { return Err(Refusal::request("the body is no JSON object")) };
        let usage = keys.get("stream_options").is_some_and(|options| options["include_usage"] == true);
        keys.retain(|key, value| !value.is_null() && !HARMLESS.contains(&key.as_str()) && !is_default(key, value));
        let mut keys = Keys(keys);
        let name = keys
            .text("model")?
            .ok_or_else(|| Refusal::of("model", "`model` is missing: name one of GET /v1/models"))?;
        let model = shelf.get(&name)?;
        let contexts = match kind {
            OrderKind::Chat => vec![chat(&mut keys, &model)?],
            OrderKind::Text => texts(&mut keys, &model)?,
        };
        let replies = keys.count("n", REPLIES)?.unwrap_or(1);
        if replies == 0 {
            return Err(Refusal::of("n", "`n` is 0: ask for at least one reply"));
        }
        if replies * contexts.len() > REPLIES {
            return Err(Refusal::of(
                "n",
                format!("there would be more than {REPLIES} replies: ask for them in several requests"),
            ));
        }
        let (limit_key, default) = match kind {
            OrderKind::Chat if keys.0.contains_key("max_completion_tokens") => ("max_completion_tokens", CHAT_LIMIT),
            OrderKind::Chat => ("max_tokens", CHAT_LIMIT),
            OrderKind::Text => ("max_tokens", TEXT_LIMIT),
        };
        let limit = keys.count(limit_key, usize::MAX)?.unwrap_or(default);
        if limit == 0 && kind == OrderKind::Chat {
            return Err(Refusal::of(limit_key, format!("`{limit_key}` is 0: ask for at least one token")));
        }
        // Where both are there, they are not two wishes.
        keys.0.shift_remove("max_tokens");
        let temperature = keys.number("temperature", 0.0..=100.0)?.unwrap_or(1.0);
        let top_p = keys.number("top_p", 0.0..=1.0)?.unwrap_or(1.0);
        let seed = keys.seed()?;
        let stops = keys.strings("stop")?;
        let echo = keys.flag("echo")?;
        let log_probs = match kind {
            OrderKind::Text => keys.count("logprobs", ALTERNATIVES)?,
            OrderKind::Chat => {
                let (wanted, top) = (keys.flag("logprobs")?, keys.count("top_logprobs", ALTERNATIVES)?);
                if top.is_some_and(|top| top > 0) && !wanted {
                    return Err(Refusal::of("top_logprobs", "`top_logprobs` is for `logprobs = true`: say both"));
                }
                wanted.then(|| top.unwrap_or(0))
            }
        };
        let context_log_probs = keys.count("prompt_logprobs", ALTERNATIVES)?;
        let stream = keys.flag("stream")?.then_some(StreamOrder { usage });
        for (key, given) in [("echo", echo), ("prompt_logprobs", context_log_probs.is_some())] {
            if given && stream.is_some() {
                let problem =
                    format!("`{key}` is about the prompt, and `stream` sends the reply alone: leave one of them out");
                return Err(Refusal::of(key, problem));
            }
        }
        keys.end()?;

        let positions = model.model.decoder.config.longest_row();
        let parameter = if kind == OrderKind::Chat { "messages" } else { "prompt" };
        if let Some(long) = contexts.iter().map(Vec::len).find(|len| len + usize::from(limit > 0) > positions) {
            let problem = format!(
                "`{parameter}` has {long} tokens, which leaves no room for a reply: the model has {positions} positions; shorten it"
            );
            return Err(Refusal::too_long(parameter, problem));
        }
        let drawing = |(at, context): (usize, &Vec<u32>)| {
            let (limit, top) = (limit.min(positions - context.len()), log_probs.unwrap_or(0));
            let of = move |reply: usize| {
                let stream = (at * replies + reply) as u64;
                Drawing { temperature, top_p, limit, seed, stream, top }
            };
            (0..replies).map(of)
        };
        let drawings = if limit == 0 { Vec::new() } else { contexts.iter().enumerate().flat_map(drawing).collect() };
        Ok(Self { kind, name, model, contexts, drawings, replies, stops, log_probs, context_log_probs, echo, stream })
    }
}

/// The context of a chat.
fn chat(keys: &mut Keys, model: &OpenModel) -> Result<Vec<u32>, Refusal> {
    let messages = keys.0.shift_remove("messages").ok_or_else(|| Refusal::of("messages", "`messages` is missing"))?;
    let context = parse_messages(&messages).map_err(|problem| Refusal::of("messages", problem))?;
    let variables = match keys.0.shift_remove("chat_template_kwargs") {
        None => Variables::default(),
        Some(Value::Object(variables)) => Variables(variables),
        Some(_) => return Err(Refusal::of("chat_template_kwargs", "`chat_template_kwargs` is no JSON object")),
    };
    let contrast = Contrast { id: "messages".to_owned(), context, replies: Vec::new(), baseline: None, variables };
    let encoded = encode_contrast(&model.model.template, &model.model.tokenizer, &contrast);
    Ok(encoded.map_err(|error| untaken("messages", &error))?.context)
}

/// The contexts of completions: a text, token ids, or a list of either.
fn texts(keys: &mut Keys, model: &OpenModel) -> Result<Vec<Vec<u32>>, Refusal> {
    let prompt = keys.0.shift_remove("prompt").ok_or_else(|| Refusal::of("prompt", "`prompt` is missing"))?;
    let is_one = |values: &[Value]| values.iter().all(Value::is_number);
    let prompts = match prompt {
        Value::Array(values) if !is_one(&values) => values,
        one => vec![one],
    };
    let rows = model.model.decoder.config.vocab_size as u64;
    let tokens = |prompt: &Value| -> Result<Vec<u32>, Refusal> {
        let tokens = match prompt {
            Value::String(text) => {
                model.model.tokenizer.ids(text, "prompt").map_err(|error| untaken("prompt", &error))?
            }
            Value::Array(ids) => {
                let id = |id: &Value| match id.as_u64().filter(|id| *id < rows) {
                    Some(id) => Ok(id as u32),
                    None => Err(Refusal::of(
                        "prompt",
                        format!("{id} is no token id: the model has {rows} tokens, from 0 on"),
                    )),
                };
                ids.iter().map(id).collect::<Result<_, _>>()?
            }
            _ => return Err(Refusal::of("prompt", "`prompt` is neither text nor token ids nor a list of either")),
        };
        match tokens.is_empty() {
            true => Err(Refusal::of("prompt", "`prompt` is empty: give at least one token")),
            false => Ok(tokens),
        }
    };
    prompts.iter().map(tokens).collect()
}

/// A text that the model cannot take.
fn untaken(parameter: &str, error: &TokenizeError) -> Refusal {
    match error {
        TokenizeError::TooLong { tokens, positions, .. } => Refusal::too_long(
            parameter,
            format!("`{parameter}` has {tokens} tokens, and the model has {positions} positions: shorten it"),
        ),
        other => Refusal::of(parameter, other.to_string()),
    }
}

/// The keys of a request that have not been read.
struct Keys(Map<String, Value>);

impl Keys {
    /// Reads a key as `read` does, which gives `None` where the value is not `what`.
    fn take<T>(&mut self, key: &str, what: &str, read: impl FnOnce(&Value) -> Option<T>) -> Result<Option<T>, Refusal> {
        let Some(value) = self.0.shift_remove(key) else { return Ok(None) };
        read(&value)
            .map(Some)
            .ok_or_else(|| Refusal::of(key, format!("`{key}` is {}: it should be {what}", shown(&value))))
    }

    fn text(&mut self, key: &str) -> Result<Option<String>, Refusal> {
        self.take(key, "text", |value| value.as_str().map(str::to_owned))
    }

    fn flag(&mut self, key: &str) -> Result<bool, Refusal> {
        Ok(self.take(key, "true or false", Value::as_bool)?.unwrap_or(false))
    }

    fn count(&mut self, key: &str, most: usize) -> Result<Option<usize>, Refusal> {
        let what =
            if most == usize::MAX { "a whole number".to_owned() } else { format!("a whole number of at most {most}") };
        self.take(key, &what, |value| usize::try_from(value.as_u64()?).ok().filter(|count| *count <= most))
    }

    fn number(&mut self, key: &str, range: std::ops::RangeInclusive<f64>) -> Result<Option<f64>, Refusal> {
        let what = format!("a number from {} to {}", range.start(), range.end());
        self.take(key, &what, |value| value.as_f64().filter(|number| range.contains(number)))
    }

    /// The seed of the replies, or one that no other request has.
    fn seed(&mut self) -> Result<u64, Refusal> {
        let seed =
            self.take("seed", "a whole number", |value| value.as_u64().or_else(|| Some(value.as_i64()? as u64)))?;
        Ok(seed.unwrap_or_else(|| RandomState::new().hash_one(0)))
    }

    fn strings(&mut self, key: &str) -> Result<Vec<String>, Refusal> {
        let text = |value: &Value| value.as_str().filter(|text| !text.is_empty()).map(str::to_owned);
        let read = |value: &Value| match value {
            Value::Array(values) => values.iter().map(text).collect(),
            one => Some(vec![text(one)?]),
        };
        Ok(self.take(key, "text, or a list of texts, none of them empty", read)?.unwrap_or_default())
    }

    /// Makes sure that nothing is left that would change the answer.
    fn end(self) -> Result<(), Refusal> {
        match self.0.into_iter().next() {
            None => Ok(()),
            Some((key, value)) => {
                let problem = format!(
                    "`{key}` = {} is not served here, and the answer would not be what it asks for: leave it out",
                    shown(&value)
                );
                Err(Refusal::of(&key, problem))
            }
        }
    }
}

/// The start of a value as JSON.
fn shown(value: &Value) -> String {
    let text = value.to_string();
    let start: String = text.chars().take(60).collect();
    if start.len() < text.len() { format!("{start}…") } else { start }
}
