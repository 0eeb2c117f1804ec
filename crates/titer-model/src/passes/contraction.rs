//! The visitor that contracts: `⟨dyᵀx, V_k⟩` and `‖dyᵀx‖²` of every row and layer, summed over the layers.

use std::ops::Range;

use super::Accumulate;
use crate::{
    backend::{Backend, RowSums, TiedHead},
    decoder::Decoder,
    layers::{EmbeddingVisit, LinearVisit, NormVisit, TokenScope, Visitor},
    packed::Packed,
    params::{ParamId, Params},
};

/// The visitor that contracts.
#[derive(Debug)]
pub(super) struct RowContraction<'a, B: Backend> {
    directions: &'a [Params<B>],
    /// Where the gradient of all rows together is added, if anywhere.
    gradient: Option<&'a mut Params<B>>,
    tokens: B::Spans,
    outputs: B::Spans,
    /// The embedding table, which a tied head shares.
    embedding: ParamId,
    /// Input and output gradient of a tied head, kept until the embedding's turn.
    tied: Option<(B::Buffer, B::Buffer)>,
    sums: Option<B::Sums>,
}

impl<'a, B: Backend> RowContraction<'a, B> {
    /// A contraction of a batch's rows with these directions, which also adds up their gradient where one is given.
    pub(super) fn new(
        decoder: &Decoder<B>,
        packed: &Packed,
        directions: &'a [Params<B>],
        gradient: Option<&'a mut Params<B>>,
    ) -> Self {
        let starts = |at: &[u32]| (at[0] as usize, at[1] as usize);
        let tokens: Vec<Range<usize>> = packed.row_starts.windows(2).map(starts).map(|(from, to)| from..to).collect();
        let output = |token: usize| packed.outputs.partition_point(|&at| (at as usize) < token);
        let outputs: Vec<Range<usize>> = tokens.iter().map(|span| output(span.start)..output(span.end)).collect();
        let backend = decoder.backend();
        let sums = Some(backend.sums(tokens.len(), directions.len()));
        let (tokens, outputs) = (backend.place_spans(&tokens), backend.place_spans(&outputs));
        Self { directions, gradient, tokens, outputs, embedding: decoder.embedding(), tied: None, sums }
    }

    /// What it has summed.
    pub(super) fn finish(self, backend: &B) -> RowSums {
        backend.read_sums(self.sums.expect("between turns they are here"))
    }

    fn spans(&self, scope: TokenScope) -> &B::Spans {
        match scope {
            TokenScope::All => &self.tokens,
            TokenScope::Outputs => &self.outputs,
        }
    }

    fn along(&self, id: ParamId) -> Vec<&'a B::Buffer> {
        self.directions.iter().map(|direction| &direction[id]).collect()
    }
}

impl<B: Backend> Visitor<B> for RowContraction<'_, B> {
    fn linear(&mut self, backend: &B, visit: LinearVisit<'_, B>) {
        let mut sums = self.sums.take().expect("between turns they are here");
        let mut total = self.gradient.take();
        let (along, spans) = (self.along(visit.weight), self.spans(visit.scope));
        let shape = (visit.inputs, visit.outputs);
        let gradient = total.as_mut().map(|total| &mut total[visit.weight]);
        backend.contract_linear(&mut sums, gradient, &along, visit.x, visit.dy, spans, shape);
        (self.sums, self.gradient) = (Some(sums), total);
        if visit.weight == self.embedding {
            self.tied = Some((visit.x.clone(), visit.dy.clone()));
        }
    }

    fn norm(&mut self, backend: &B, visit: NormVisit<'_, B>) {
        let mut sums = self.sums.take().expect("between turns they are here");
        let (along, spans) = (self.along(visit.scale), self.spans(visit.scope));
        backend.contract_norm(&mut sums, &along, visit.x, visit.inverse_rms, visit.dy, spans, visit.heads);
        self.sums = Some(sums);
        if let Some(gradient) = self.gradient.as_deref_mut() {
            Accumulate { gradient }.norm(backend, visit);
        }
    }

    fn embedding(&mut self, backend: &B, visit: EmbeddingVisit<'_, B>) {
        let mut sums = self.sums.take().expect("between turns they are here");
        let along = self.along(visit.table);
        let tied = self.tied.as_ref().map(|(x, dy)| TiedHead { x, dy, spans: &self.outputs });
        backend.contract_embedding(&mut sums, &along, visit.tokens, visit.dy, &self.tokens, visit.width, tied);
        self.sums = Some(sums);
        if let Some(gradient) = self.gradient.as_deref_mut() {
            Accumulate { gradient }.embedding(backend, visit);
        }
    }
}
