//! The batch gradient: `Σ dyᵀx` of every layer.

use crate::{
    backend::{Backend, Matrix, Write},
    layers::{EmbeddingVisit, LinearVisit, NormVisit, Visitor},
    params::Params,
};

/// Adds up the batch gradient.
#[derive(Debug)]
pub struct Accumulate<'a, B: Backend> {
    /// Where it is added, shaped like the parameters.
    pub gradient: &'a mut Params<B>,
}

impl<B: Backend> Visitor<B> for Accumulate<'_, B> {
    fn linear(&mut self, backend: &B, visit: LinearVisit<'_, B>) {
        let dy = Matrix::new(visit.dy, visit.rows, visit.outputs);
        let x = Matrix::new(visit.x, visit.rows, visit.inputs);
        backend.matmul(&mut self.gradient[visit.weight], dy.t(), x, Write::Add);
    }

    fn norm(&mut self, backend: &B, visit: NormVisit<'_, B>) {
        backend.rms_norm_scale_gradient(&mut self.gradient[visit.scale], visit.dy, visit.x, visit.inverse_rms);
    }

    fn embedding(&mut self, backend: &B, visit: EmbeddingVisit<'_, B>) {
        backend.scatter_add(&mut self.gradient[visit.table], visit.dy, visit.tokens, visit.width);
    }
}
