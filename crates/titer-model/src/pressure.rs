//! Per-row gradients contracted with a few directions, exactly, in one backward pass over a packed batch.
//!
//! For directions `V_k` shaped like the parameters this gives `⟨∇L_i, V_k⟩` and `‖∇L_i‖²` for every row `i`: the
//! parts of marginal pressure, cosines and row norms. No row's gradient is ever stored: the visitor contracts every
//! layer's captures as the backward pass hands them over.

use std::ops::Range;

use rayon::iter::{IndexedParallelIterator as _, IntoParallelIterator as _, ParallelIterator as _};

use crate::{
    backend::{Backend, RowSums, TiedHead},
    decoder::{Decoder, Tape},
    packed::Packed,
    parallel::Workspace,
    params::{ParamId, Params},
    visitor::{EmbeddingVisit, LinearVisit, NormVisit, Scope, Visitor},
};

/// The visitor that contracts.
#[derive(Debug)]
pub struct Contraction<'a, B: Backend> {
    directions: &'a [Params<B>],
    tokens: Vec<Range<usize>>,
    outputs: Vec<Range<usize>>,
    /// The embedding table, which a tied head shares.
    embedding: ParamId,
    /// Input and output gradient of a tied head, kept until the embedding's turn.
    tied: Option<(B::Buffer, B::Buffer)>,
    sums: RowSums,
}

impl<'a, B: Backend> Contraction<'a, B> {
    /// A contraction of a batch's rows with these directions.
    pub fn new(decoder: &Decoder<B>, packed: &Packed, directions: &'a [Params<B>]) -> Self {
        let starts = |at: &[u32]| (at[0] as usize, at[1] as usize);
        let tokens: Vec<Range<usize>> = packed.row_starts.windows(2).map(starts).map(|(from, to)| from..to).collect();
        let output = |token: usize| packed.outputs.partition_point(|&at| (at as usize) < token);
        let outputs = tokens.iter().map(|span| output(span.start)..output(span.end)).collect();
        let sums = RowSums::new(tokens.len(), directions.len());
        Self { directions, tokens, outputs, embedding: decoder.embedding(), tied: None, sums }
    }

    /// What it has summed.
    pub fn finish(self) -> RowSums {
        self.sums
    }

    fn spans(&self, scope: Scope) -> &[Range<usize>] {
        match scope {
            Scope::All => &self.tokens,
            Scope::Outputs => &self.outputs,
        }
    }

    fn along(&self, id: ParamId) -> Vec<&'a B::Buffer> {
        self.directions.iter().map(|direction| &direction[id]).collect()
    }
}

impl<B: Backend> Visitor<B> for Contraction<'_, B> {
    fn linear(&mut self, backend: &B, visit: LinearVisit<'_, B>) {
        let mut sums = std::mem::take(&mut self.sums);
        let (along, spans) = (self.along(visit.weight), self.spans(visit.scope));
        backend.contract_linear(&mut sums, &along, visit.x, visit.dy, spans, (visit.inputs, visit.outputs));
        self.sums = sums;
        if visit.weight == self.embedding {
            self.tied = Some((visit.x.clone(), visit.dy.clone()));
        }
    }

    fn norm(&mut self, backend: &B, visit: NormVisit<'_, B>) {
        let mut sums = std::mem::take(&mut self.sums);
        let (along, heads) = (self.along(visit.scale), visit.heads);
        let spans: Vec<Range<usize>> =
            self.spans(visit.scope).iter().map(|span| span.start * heads..span.end * heads).collect();
        backend.contract_norm(&mut sums, &along, visit.x, visit.inverse_rms, visit.dy, &spans);
        self.sums = sums;
    }

    fn embedding(&mut self, backend: &B, visit: EmbeddingVisit<'_, B>) {
        let mut sums = std::mem::take(&mut self.sums);
        let along = self.along(visit.table);
        let tied = self.tied.as_ref().map(|(x, dy)| TiedHead { x, dy, spans: &self.outputs });
        backend.contract_embedding(&mut sums, &along, visit.tokens, visit.dy, &self.tokens, visit.width, tied);
        self.sums = sums;
    }
}

/// The contractions of every row of every shard, in order, of `L_i = Σ weights · (−log p)` over the row's targets;
/// and each shard's target log-probabilities (nats, `[shards][targets]`).
pub fn contract<B: Backend>(
    workspace: &mut Workspace<B>,
    decoder: &Decoder<B>,
    params: &Params<B>,
    shards: &[Packed],
    weights: &[Vec<B::Real>],
    directions: &[Params<B>],
) -> (RowSums, Vec<Vec<B::Real>>) {
    let one = |((tape, packed), weights): ((&mut Tape<B>, &Packed), &Vec<B::Real>)| {
        let log_probs = decoder.forward(params, packed, tape);
        let mut visitor = Contraction::new(decoder, packed, directions);
        decoder.backward(params, packed, weights, tape, &mut visitor);
        (visitor.finish(), log_probs)
    };
    let tapes = workspace.tapes(decoder, shards.len());
    let each: Vec<_> = tapes.into_par_iter().zip(shards).zip(weights).map(one).collect();
    let mut all = RowSums::new(0, directions.len());
    let mut log_probs = Vec::with_capacity(each.len());
    for (sums, of_targets) in each {
        all.append(sums);
        log_probs.push(of_targets);
    }
    (all, log_probs)
}
