//! `−log softmax(cap(W norm(x) / divisor))` at the target tokens, the logits divided and bounded where the family does that

use super::{Linear, Norm, NormStash, Pass, TokenScope, Visitor};
use crate::{
    backend::{Backend, Matrix, Write},
    real::Real,
};

/// The last norm, the output head and the loss.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Head {
    /// The last norm.
    pub(crate) norm: Norm,
    /// From the residual stream to the vocabulary.
    pub(crate) vocabulary: Linear,
    /// What logits are divided by: their input is.
    pub(crate) divisor: Option<f64>,
    /// Bound `c` of the logits: `c · tanh(logit / c)`.
    pub(crate) softcap: Option<f64>,
}

/// What the backward pass reads, and its working space.
#[derive(Debug)]
pub(crate) struct HeadStash<B: Backend> {
    norm: NormStash<B>,
    /// Log-probabilities, `[outputs, vocabulary]`, until the backward pass turns them into gradients; left alone where
    /// nothing moves the head.
    log_probs: B::Buffer,
    /// The gradient of every target's log-probability at `x` normed, `[targets, width]`, where nothing moves the head.
    pull: B::Buffer,
    /// Derivatives of the bound, like the logits; empty where there is none.
    slopes: B::Buffer,
    d_normed: B::Buffer,
}

impl<B: Backend> Default for HeadStash<B> {
    fn default() -> Self {
        let [log_probs, pull, slopes, d_normed] = Default::default();
        Self { norm: NormStash::default(), log_probs, pull, slopes, d_normed }
    }
}

impl<B: Backend> HeadStash<B> {
    /// What [`Head::log_probs`] left.
    pub(crate) fn last(&self) -> &B::Buffer {
        &self.log_probs
    }
}

impl Head {
    /// Log-probability of each target, in nats, `[targets]`; `x` is `[outputs, width]`. `backward` says whether the backward
    /// pass follows.
    pub(crate) fn forward<B: Backend>(
        &self,
        pass: &Pass<B>,
        x: &B::Buffer,
        backward: bool,
        stash: &mut HeadStash<B>,
    ) -> Vec<B::Real> {
        let (rows, words) = (&pass.placed.target_rows, &pass.placed.target_words);
        let Some(table) = self.frozen(pass) else {
            self.log_probs(pass, x, stash);
            return pass.backend.pick(&stash.log_probs, rows, words, self.vocabulary.product.outputs);
        };
        self.normed(pass, x, stash);
        let table = Matrix::new(table, self.vocabulary.product.outputs, self.vocabulary.product.inputs);
        let pull = backward.then_some(&mut stash.pull);
        pass.backend.target_log_probs(pull, &stash.norm.y, table, (rows, words), self.softcap)
    }

    /// Log-probabilities of the whole vocabulary, `[outputs, vocabulary]`.
    pub(crate) fn log_probs<'a, B: Backend>(
        &self,
        pass: &Pass<B>,
        x: &B::Buffer,
        stash: &'a mut HeadStash<B>,
    ) -> &'a B::Buffer {
        self.normed(pass, x, stash);
        self.vocabulary.forward(pass, &stash.norm.y, TokenScope::Outputs, &mut stash.log_probs, Write::Replace);
        if let Some(cap) = self.softcap {
            pass.backend.softcap(&mut stash.log_probs, &mut stash.slopes, cap);
        }
        pass.backend.log_softmax(&mut stash.log_probs, self.vocabulary.product.outputs);
        &stash.log_probs
    }

    /// What the vocabulary's layer reads, in the stash of the norm.
    fn normed<B: Backend>(&self, pass: &Pass<B>, x: &B::Buffer, stash: &mut HeadStash<B>) {
        self.norm.forward(pass, x, &mut stash.norm);
        if let Some(divisor) = self.divisor {
            pass.backend.scale(&mut stash.norm.y, B::Real::of(divisor.recip()));
        }
    }

    /// The table, where nothing moves it, no visitor wants to see the gradient at the logits, and targets are words rather
    /// than whole distributions.
    fn frozen<'a, B: Backend>(&self, pass: &Pass<'a, B>) -> Option<&'a B::Frozen> {
        const WORDS: usize = 4; // targets at a position, as in contrasts of a few replies
        let few = pass.packed.targets.len() <= WORDS * pass.packed.outputs.len();
        pass.frozen(self.vocabulary.product.weight).filter(|_| few && !self.vocabulary.product.trained)
    }

    /// Gradient at `x` of `Σ weights[i] · (−log p(target i))`, written to `d`.
    pub(crate) fn backward<B: Backend>(
        &self,
        pass: &Pass<B>,
        x: &B::Buffer,
        weights: &[B::Real],
        d: &mut B::Buffer,
        stash: &mut HeadStash<B>,
        visitor: &mut impl Visitor<B>,
    ) {
        let backend = pass.backend;
        let (rows, words) = (&pass.placed.target_rows, &pass.placed.target_words);
        let width = self.vocabulary.product.inputs;
        if self.frozen(pass).is_some() {
            let pushes = backend.upload(weights.iter().map(|&weight| -weight).collect());
            backend.scale_rows(&mut stash.pull, &pushes, width);
            backend.zero(&mut stash.d_normed, pass.rows(TokenScope::Outputs) * width);
            backend.scatter_add(&mut stash.d_normed, &stash.pull, rows, width);
        } else {
            backend.cross_entropy_backward(&mut stash.log_probs, rows, words, weights, self.vocabulary.product.outputs);
            if self.softcap.is_some() {
                backend.multiply(&mut stash.log_probs, &stash.slopes);
            }
            let HeadStash { norm, log_probs, d_normed, .. } = stash;
            self.vocabulary.backward(pass, &norm.y, log_probs, TokenScope::Outputs, d_normed, Write::Replace, visitor);
        }
        if let Some(divisor) = self.divisor {
            backend.scale(&mut stash.d_normed, B::Real::of(divisor.recip()));
        }
        backend.zero(d, pass.rows(TokenScope::Outputs) * width);
        self.norm.backward(pass, x, &stash.norm, &stash.d_normed, TokenScope::Outputs, d, visitor);
    }
}
