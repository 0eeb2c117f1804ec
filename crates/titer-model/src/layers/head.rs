//! `−log softmax(cap(W norm(x)))` at the target tokens, the logits bounded where the family does that

use super::{Linear, Norm, NormStash, Pass};
use crate::{
    backend::{Backend, Write},
    real::Real,
    visitor::{Scope, Visitor},
};

/// The last norm, the output head and the loss.
#[derive(Clone, Copy, Debug)]
pub struct Head {
    /// The last norm.
    pub norm: Norm,
    /// From the residual stream to the vocabulary.
    pub vocabulary: Linear,
    /// Bound `c` of the logits: `c · tanh(logit / c)`.
    pub softcap: Option<f64>,
}

/// What the backward pass reads, and its working space.
#[derive(Debug)]
pub struct HeadStash<B: Backend> {
    norm: NormStash<B>,
    /// Log-probabilities, `[outputs, vocabulary]`, until the backward pass turns them into gradients.
    pub log_probs: B::Buffer,
    /// Derivatives of the bound, like the logits; empty where there is none.
    slopes: B::Buffer,
    d_normed: B::Buffer,
}

impl<B: Backend> Default for HeadStash<B> {
    fn default() -> Self {
        let [log_probs, slopes, d_normed] = Default::default();
        Self { norm: NormStash::default(), log_probs, slopes, d_normed }
    }
}

impl Head {
    /// Log-probabilities at the output positions into the stash; `x` is `[outputs, width]`.
    pub fn forward<B: Backend>(&self, pass: &Pass<B>, x: &B::Buffer, stash: &mut HeadStash<B>) {
        self.norm.forward(pass, x, &mut stash.norm);
        self.vocabulary.forward(pass, &stash.norm.y, Scope::Outputs, &mut stash.log_probs, Write::Replace);
        if let Some(cap) = self.softcap {
            pass.backend.softcap(&mut stash.log_probs, &mut stash.slopes, cap);
        }
        pass.backend.log_softmax(&mut stash.log_probs, self.vocabulary.outputs);
    }

    /// Log-probability of each target, in nats, `[targets]`.
    pub fn target_log_probs<B: Backend>(&self, pass: &Pass<B>, stash: &HeadStash<B>) -> Vec<B::Real> {
        let (rows, tokens) = target_places(pass);
        pass.backend.pick(&stash.log_probs, &rows, &tokens, self.vocabulary.outputs)
    }

    /// Gradient at `x` of `Σ weights[i] · (−log p(target i))`, written to `d`.
    pub fn backward<B: Backend>(
        &self,
        pass: &Pass<B>,
        x: &B::Buffer,
        weights: &[B::Real],
        d: &mut B::Buffer,
        stash: &mut HeadStash<B>,
        visitor: &mut impl Visitor<B>,
    ) {
        let backend = pass.backend;
        let (rows, tokens) = target_places(pass);
        backend.cross_entropy_backward(&mut stash.log_probs, &rows, &tokens, weights, self.vocabulary.outputs);
        if self.softcap.is_some() {
            backend.multiply(&mut stash.log_probs, &stash.slopes);
        }
        let (normed, d_logits) = (&stash.norm.y, &stash.log_probs);
        self.vocabulary.backward(pass, normed, d_logits, Scope::Outputs, &mut stash.d_normed, Write::Replace, visitor);
        backend.resize(d, pass.rows(Scope::Outputs) * self.vocabulary.inputs);
        backend.fill(d, B::Real::of(0.0));
        self.norm.backward(pass, x, &stash.norm, &stash.d_normed, Scope::Outputs, d, visitor);
    }
}

/// Row of the logits and token of every target.
fn target_places<B: Backend>(pass: &Pass<B>) -> (Vec<u32>, Vec<u32>) {
    pass.packed.targets.iter().map(|target| (target.output, target.token)).unzip()
}
