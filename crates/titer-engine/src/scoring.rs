//! Who says how likely replies are: a model here, or one behind an endpoint.

use std::{
    collections::BTreeSet,
    sync::{Mutex, PoisonError},
};

use titer_data::{
    template::ChatTemplate,
    tokenize::{TokenizeError, Tokenizer},
    world::World,
};
use titer_model::passes::Tree;

use crate::{
    device::on_each,
    endpoint::{Endpoint, EndpointError, Spending},
    model::{Model, ModelCopies},
};

/// Who says how likely replies are.
pub trait Scoring: Sync {
    /// Chats to text.
    fn template(&self) -> &ChatTemplate;

    /// Text to tokens.
    fn tokenizer(&self) -> &Tokenizer;

    /// The world of an organism; `None` for any other model.
    fn world(&self) -> Option<&World>;

    /// The log-probability of every reply in its context, nats.
    ///
    /// # Errors
    /// Where an endpoint cannot be used; a model here always answers.
    fn log_probs(&self, pairs: &[(&[u32], &[u32])]) -> Result<Vec<f64>, EndpointError>;
}

impl Scoring for Model {
    fn template(&self) -> &ChatTemplate {
        &self.template
    }

    fn tokenizer(&self) -> &Tokenizer {
        &self.tokenizer
    }

    fn world(&self) -> Option<&World> {
        self.world.as_ref()
    }

    fn log_probs(&self, pairs: &[(&[u32], &[u32])]) -> Result<Vec<f64>, EndpointError> {
        Ok(Tree::new(pairs).log_probs(&self.decoder, &self.params))
    }
}

/// Each place has a part of the replies.
impl Scoring for ModelCopies {
    fn template(&self) -> &ChatTemplate {
        &self.first().template
    }

    fn tokenizer(&self) -> &Tokenizer {
        &self.first().tokenizer
    }

    fn world(&self) -> Option<&World> {
        self.first().world.as_ref()
    }

    fn log_probs(&self, pairs: &[(&[u32], &[u32])]) -> Result<Vec<f64>, EndpointError> {
        let models = self.models();
        on_each(models.len(), pairs, |device, range| models[device].log_probs(&pairs[range]))
            .into_iter()
            .collect::<Result<Vec<_>, _>>()
            .map(|parts| parts.concat())
    }
}

/// An endpoint, and who is told what it does.
pub struct ToldEndpoint<'a> {
    /// The endpoint.
    pub endpoint: &'a Endpoint,
    /// Is told what is about to be sent, and how the server is asked.
    pub say: &'a (dyn Fn(&str) + Sync),
    /// Is told of every answer: how many there are, of how many.
    pub progress: &'a (dyn Fn(usize, usize) + Sync),
}

impl Scoring for ToldEndpoint<'_> {
    fn template(&self) -> &ChatTemplate {
        &self.endpoint.reader.template
    }

    fn tokenizer(&self) -> &Tokenizer {
        &self.endpoint.reader.tokenizer
    }

    fn world(&self) -> Option<&World> {
        self.endpoint.reader.world.as_ref()
    }

    fn log_probs(&self, pairs: &[(&[u32], &[u32])]) -> Result<Vec<f64>, EndpointError> {
        self.endpoint.log_probs(pairs, self.say, self.progress)
    }
}

/// An endpoint that is not asked: it is counted what would be sent, and every reply is certain.
pub struct CountedEndpoint<'a> {
    endpoint: &'a Endpoint,
    asked: Mutex<BTreeSet<(Vec<u32>, Vec<u32>)>>,
}

impl<'a> CountedEndpoint<'a> {
    /// Nothing is counted yet.
    pub fn new(endpoint: &'a Endpoint) -> Self {
        Self { endpoint, asked: Mutex::default() }
    }

    /// What would have been sent so far.
    pub fn spending(self) -> Spending {
        let asked = self.asked.into_inner().unwrap_or_else(PoisonError::into_inner);
        let pairs: Vec<(&[u32], &[u32])> = asked.iter().map(|(context, reply)| (&**context, &**reply)).collect();
        self.endpoint.spending(&pairs)
    }
}

impl Scoring for CountedEndpoint<'_> {
    fn template(&self) -> &ChatTemplate {
        &self.endpoint.reader.template
    }

    fn tokenizer(&self) -> &Tokenizer {
        &self.endpoint.reader.tokenizer
    }

    fn world(&self) -> Option<&World> {
        self.endpoint.reader.world.as_ref()
    }

    fn log_probs(&self, pairs: &[(&[u32], &[u32])]) -> Result<Vec<f64>, EndpointError> {
        let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        asked.extend(pairs.iter().map(|(context, reply)| (context.to_vec(), reply.to_vec())));
        Ok(vec![0.0; pairs.len()])
    }
}

/// Why replies could not be scored.
#[derive(Debug, thiserror::Error)]
pub enum ScoringError {
    /// A context or a reply cannot be encoded.
    #[error(transparent)]
    Tokenize(#[from] TokenizeError),
    /// The endpoint cannot be used.
    #[error(transparent)]
    Endpoint(#[from] EndpointError),
}
