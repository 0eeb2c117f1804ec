//! Replies drawn from a model behind an endpoint: of any server that speaks OpenAI's interface for chats, which renders them itself.

use std::{
    collections::BTreeMap,
    path::Path,
    sync::{Mutex, PoisonError},
};

use serde_json::{Map, Value, json};
use titer_data::{chat::Row, template::TemplateOptions};

use super::{
    EndpointError, EndpointOptions,
    cache::AskedKey,
    chats::{ChatAnswer, ChatChoice, ChatClient, ChatSpending, FILTERED, LIMITS, Question},
};
use crate::sampled::{Asked, Draw};

/// Draws replies from a model behind an endpoint.
#[derive(Debug)]
pub struct Drawer {
    chats: ChatClient,
    /// What chats are given besides their turns, and where their system prompts go.
    template: TemplateOptions,
    /// How the server takes a limit and a seed; not known before something is asked.
    form: Mutex<Option<DrawForm>>,
}

/// How a server takes a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct DrawForm {
    limit: &'static str,
    seed: bool,
}

/// One reply that is wanted.
struct WantedReply {
    /// The request, but for what is called differently from server to server.
    body: Map<String, Value>,
    limit: usize,
    seed: u32,
}

impl Question for WantedReply {
    fn key(&self) -> AskedKey {
        let Self { body, limit, seed } = self;
        blake3::hash(json!({ "chat": body, "limit": limit, "seed": seed }).to_string().as_bytes()).to_hex().to_string()
    }

    fn characters(&self) -> usize {
        let turns = self.body["messages"].as_array().into_iter().flatten();
        turns.filter_map(|turn| turn["content"].as_str()).map(|content| content.chars().count()).sum()
    }
}

impl Drawer {
    /// Of a model behind an endpoint; nothing is sent yet. Variables of the template go to the server with each chat, and system prompts where
    /// the options say; the day and split tokens are the server's own.
    ///
    /// # Errors
    /// Where answers cannot be kept.
    pub fn new(options: EndpointOptions, template: TemplateOptions) -> Result<Self, EndpointError> {
        Ok(Self { chats: ChatClient::new(options)?, template, form: Mutex::default() })
    }

    /// The file in which answers are kept.
    pub fn kept(&self) -> &Path {
        self.chats.kept()
    }

    /// What these replies cost.
    pub fn spending(&self, asked: &[Asked], draw: &Draw) -> ChatSpending {
        self.chats.spending(&self.wanted(asked, draw))
    }

    /// Draws replies to each context, as [`crate::sampled::draw`] does of a model here; a request each. None is asked for whose answer is known.
    /// `say` is told how the server is asked, `progress` of every answer.
    ///
    /// # Errors
    /// The first answer that cannot be used; those before it are kept.
    pub fn draw(
        &self,
        asked: &[Asked],
        draw: &Draw,
        say: &(dyn Fn(&str) + Sync),
        progress: &(dyn Fn(usize, usize) + Sync),
    ) -> Result<Vec<Row>, EndpointError> {
        let wanted = self.wanted(asked, draw);
        let ask = |wanted: &WantedReply| self.ask(wanted, say).map(ChatAnswer::Kept);
        let answers = self.chats.answers(&wanted, &ask, progress)?;
        if !answers.is_empty() && answers.iter().all(|answer| answer["silent"] == true) {
            let (url, kept) = (self.chats.url(), self.chats.kept().display().to_string());
            return Err(EndpointError::Silent { url, replies: answers.len(), kept });
        }
        let rows = answers.iter().enumerate().map(|(at, answer)| {
            let said = answer["said"].as_str().unwrap_or_default();
            asked[at / draw.count].answered(at % draw.count, said, answer["finish"].as_str())
        });
        Ok(rows.collect())
    }

    /// Every reply that is wanted, in order.
    fn wanted(&self, asked: &[Asked], draw: &Draw) -> Vec<WantedReply> {
        // Replies to one chat have a number each, so that none stands for another, whatever else is asked beside them.
        let mut drawn: BTreeMap<String, u64> = BTreeMap::new();
        let mut wanted = Vec::with_capacity(asked.len() * draw.count);
        for request in asked {
            let mut body = Map::new();
            body.insert("messages".to_owned(), json!(self.template.turns(&request.context)));
            body.insert("temperature".to_owned(), draw.temperature.into());
            let variables = self.template.variables.0.iter().chain(&request.variables.0);
            let (beside, named): (Map<_, _>, Map<_, _>) =
                variables.map(|(name, value)| (name.clone(), value.clone())).partition(|(name, _)| name == "tools");
            body.extend(beside);
            if !named.is_empty() {
                body.insert("chat_template_kwargs".to_owned(), Value::Object(named));
            }
            let known = drawn.entry(json!(body).to_string()).or_default();
            for _ in 0..draw.count {
                // The likeliest reply is one, however often it is asked for.
                let number = if draw.temperature == 0.0 { 0 } else { *known };
                *known += 1;
                wanted.push(WantedReply { body: body.clone(), limit: draw.limit, seed: seed_of(draw.seed, number) });
            }
        }
        wanted
    }

    /// What is kept of an answer: the reply, and what ended it.
    fn ask(&self, wanted: &WantedReply, say: &(dyn Fn(&str) + Sync)) -> Result<Value, EndpointError> {
        let known = *self.form.lock().unwrap_or_else(PoisonError::into_inner);
        let answer = match known {
            Some(form) => self.chats.post(&self.body(wanted, form), false),
            None => self.first(wanted, say),
        };
        let choice = match answer {
            // What is filtered has no reply, and the others have theirs.
            Err(EndpointError::Filtered { .. }) => return Ok(json!({ "said": "", "finish": FILTERED })),
            answer => self.chats.choice(&answer?)?,
        };
        let ChatChoice { content, refusal, has_other, finish } = choice;
        // A service may refuse in a field of its own, and a reply that was all thoughts has no content.
        match content.filter(|said| !said.is_empty() || refusal.is_none()).or(refusal) {
            Some(said) => Ok(json!({ "said": said, "finish": finish })),
            None if has_other || matches!(finish.as_deref(), Some("length" | FILTERED)) => {
                Ok(json!({ "said": "", "finish": finish }))
            }
            // One that ends at once has no text; a server of which none has any gives no replies.
            None => Ok(json!({ "said": "", "finish": finish, "silent": true })),
        }
    }

    /// The first answer, by which it is found out what the server takes: some call the limit otherwise, some take no seed.
    fn first(&self, wanted: &WantedReply, say: &(dyn Fn(&str) + Sync)) -> Result<Value, EndpointError> {
        self.chats.serves(say)?;
        let forms = [true, false].into_iter().flat_map(|seed| LIMITS.map(|limit| DrawForm { limit, seed }));
        let mut refused = None;
        for form in forms {
            match self.chats.post(&self.body(wanted, form), false) {
                Err(error @ EndpointError::Status { status: 400 | 422, .. }) => drop(refused.get_or_insert(error)),
                Err(error) => return Err(error),
                Ok(answer) => {
                    if !form.seed {
                        say(
                            "the server takes no seed: what is drawn anew is drawn otherwise, and what was drawn is kept",
                        );
                    }
                    *self.form.lock().unwrap_or_else(PoisonError::into_inner) = Some(form);
                    return Ok(answer);
                }
            }
        }
        Err(refused.unwrap_or_else(|| self.chats.lacks("a reply", &Value::Null)))
    }

    fn body(&self, wanted: &WantedReply, form: DrawForm) -> Value {
        let mut body = wanted.body.clone();
        self.chats.name(&mut body);
        body.insert(form.limit.to_owned(), wanted.limit.into());
        if form.seed {
            body.insert("seed".to_owned(), wanted.seed.into());
        }
        Value::Object(body)
    }
}

/// The seed of a reply: of 31 bits, which every server takes.
fn seed_of(seed: u64, number: u64) -> u32 {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&seed.to_le_bytes()).update(&number.to_le_bytes());
    let bytes = hasher.finalize();
    u32::from_le_bytes(bytes.as_bytes()[..4].try_into().expect("a hash has four bytes")) >> 1
}
