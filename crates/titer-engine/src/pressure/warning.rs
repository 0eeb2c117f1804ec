//! Early warnings: two numbers that ask, before a stage of inoculation trains, whether its prompts still explain its rows.
//!
//! Both are about one set of requests under a bad and under a neutral prompt. *Headroom*,
//! `mean log π(bad | bad prompt) − mean log π(bad | neutral prompt)`, is what the prompt explains of the bad action, in nats a
//! reply. *Overlap* is the cosine of `∇m_neutral` and `∇m_bad`, with `m` the log-odds of the good reply against the bad one:
//! near 1 the model does not tell the two contexts apart, so that what is learned in one is learned in the other.

use titer_data::{probe::Contrast, source::Source, tokenize::TokenizeError, world::DomainSplit};
use titer_model::passes::Workspace;

use super::margins::Margin;
use crate::model::Model;

/// The contrasts that warnings are taken on.
#[derive(Debug)]
pub struct Warnings {
    good: Margin,
    obey_bad: Margin,
}

/// The two numbers at one state of a model.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Warning {
    /// Inoculation headroom, nats a reply.
    pub headroom: f64,
    /// Context overlap, −1 to 1.
    pub overlap: f64,
    /// Contrasts of each kind behind them.
    pub contrasts: usize,
}

impl Warnings {
    /// On a source's contrasts in these domains, `items` of each kind, see [`Source::context_pairs`].
    ///
    /// # Errors
    /// Where a contrast cannot be encoded.
    pub fn of_source(
        model: &Model,
        source: &Source,
        domains: DomainSplit,
        seed: u64,
        items: usize,
    ) -> Result<Self, TokenizeError> {
        let [good, obey_bad] = source.context_pairs(domains, seed, items);
        Self::new(model, &good.iter().collect::<Vec<_>>(), &obey_bad.iter().collect::<Vec<_>>())
    }

    /// On these contrasts of `good` and of `obey_bad`, at least one of each.
    ///
    /// # Errors
    /// Where a contrast cannot be encoded.
    pub fn new(model: &Model, good: &[&Contrast], obey_bad: &[&Contrast]) -> Result<Self, TokenizeError> {
        Ok(Self { good: Margin::new(model, good)?, obey_bad: Margin::new(model, obey_bad)? })
    }

    /// The two numbers of this state of the model.
    pub fn take(&self, model: &Model) -> Warning {
        let mut workspace = Workspace::default();
        let [good, obey_bad] = [&self.good, &self.obey_bad].map(|margin| margin.look(model, &mut workspace).1);
        let backend = model.decoder.backend();
        // `obey_bad` is the margin of the bad reply, hence the sign.
        let overlap = -good.dot(backend, &obey_bad) / (good.norm(backend) * obey_bad.norm(backend));
        // The bad reply is the minus of `good` and the plus of `obey_bad`.
        let headroom = self.obey_bad.side(model, 1.0) - self.good.side(model, -1.0);
        Warning { headroom, overlap, contrasts: self.good.contrasts.min(self.obey_bad.contrasts) }
    }
}
