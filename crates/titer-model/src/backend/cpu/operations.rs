//! The backend of the processor: every operation, handed to its loops or to `faer`.

use std::{
    marker::PhantomData,
    ops::{Range, RangeInclusive},
};

use faer::{Accum, MatMut, MatRef};
use titer_machine::{Bf16Instructions, vectorized};

use super::{attention, contract, elementwise, gated, head, loss, norm, product::product, rope, stored};
use crate::{
    backend::{Activation, AdamParam, AdamStep, Backend, Heads, Matrix, RowSums, TiedHead, Write},
    packed::Reach,
    real::Real,
    stored::Stored,
};

/// Computes on the calling thread, in `T`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Cpu<T> {
    bf16: Option<Bf16Instructions>,
    recomputes: bool,
    numbers: PhantomData<T>,
}

impl<T> Cpu<T> {
    /// The backend, all of whose products are of `T` with `T`.
    pub fn new() -> Self {
        Self { bf16: None, recomputes: false, numbers: PhantomData }
    }

    /// The same, but a backward pass computes each block's activations again: a batch then takes the memory of one block's, and one more
    /// forward pass.
    pub fn with_recomputation(self) -> Self {
        Self { recomputes: true, ..self }
    }
}

impl Cpu<f32> {
    /// The same, but weights that their file holds as bf16 are multiplied as they are, with activations rounded to bf16, to the nearest and
    /// to even where two are as near; sums are f32.
    ///
    /// # Panics
    /// Where these instructions are not available.
    pub fn with_bf16(self, instructions: Bf16Instructions) -> Self {
        assert!(instructions.is_available(), "{}", instructions.name());
        Self { bf16: Some(instructions), ..self }
    }

    /// The instructions of products in bf16, where there are such products.
    pub fn bf16(&self) -> Option<Bf16Instructions> {
        self.bf16
    }
}

impl<T: Real> Cpu<T> {
    /// Makes `out` as long as a product that replaces it, and says what becomes of its numbers.
    fn make_room(&self, out: &mut Vec<T>, len: usize, write: Write) -> Accum {
        if write == Write::Replace {
            resize(out, len);
        }
        assert_eq!(out.len(), len, "the output of a matrix product");
        if write == Write::Add { Accum::Add } else { Accum::Replace }
    }
}

/// Sets the length; what it holds is unspecified afterwards.
fn resize<T: Real>(out: &mut Vec<T>, len: usize) {
    out.resize(len, T::of(0.0));
}

fn view<T: Real>(matrix: Matrix<'_, Vec<T>>) -> MatRef<'_, T> {
    let stored =
        MatRef::from_row_major_slice(&matrix.data[..matrix.rows * matrix.columns], matrix.rows, matrix.columns);
    if matrix.transposed { stored.transpose() } else { stored }
}

fn slices<'a, T>(buffers: &[&'a Vec<T>]) -> Vec<&'a [T]> {
    buffers.iter().map(|buffer| buffer.as_slice()).collect()
}

impl<T: Real> Backend for Cpu<T> {
    type Real = T;
    type Buffer = Vec<T>;
    type Frozen = Stored;
    type Ids = Vec<u32>;
    type PlacedReach = Vec<Reach>;
    type Spans = Vec<Range<usize>>;
    type Sums = RowSums;

    fn at_once(&self) -> usize {
        rayon::current_num_threads()
    }

    // The activations of an organism-sized model then stay in a core's cache, and those of a wide one fit into memory once a thread.
    // A wide model's few tokens are worth a second thread until every shard's reading and packing of weights costs more: with 128
    // tokens of width 576 a step is 1.7 times as fast on two cores, with 64 tokens 1.3 times.
    fn shard_tokens(&self, width: usize, _bytes: usize) -> RangeInclusive<usize> {
        const NUMBERS: usize = 1 << 18;
        (NUMBERS / 4 / width).clamp(128, 1024)..=(NUMBERS / width).clamp(256, 1024)
    }

    fn recomputes(&self, _bytes: usize) -> bool {
        self.recomputes
    }

    fn upload(&self, values: Vec<T>) -> Vec<T> {
        values
    }

    fn zeros(&self, len: usize) -> Vec<T> {
        vec![T::of(0.0); len]
    }

    fn freeze(&self, stored: &Stored, _columns: usize) -> Stored {
        stored.clone()
    }

    fn place(&self, ids: &[u32]) -> Vec<u32> {
        ids.to_vec()
    }

    fn place_reach(&self, reach: &[Reach]) -> Vec<Reach> {
        reach.to_vec()
    }

    fn place_spans(&self, spans: &[Range<usize>]) -> Vec<Range<usize>> {
        spans.to_vec()
    }

    fn sums(&self, rows: usize, directions: usize) -> RowSums {
        RowSums::new(rows, directions)
    }

    fn read_sums(&self, sums: RowSums) -> RowSums {
        sums
    }

    fn download(&self, buffer: &Vec<T>) -> Vec<T> {
        buffer.clone()
    }

    fn len(&self, buffer: &Vec<T>) -> usize {
        buffer.len()
    }

    fn zero(&self, buffer: &mut Vec<T>, len: usize) {
        buffer.clear();
        buffer.resize(len, T::of(0.0));
    }

    fn scale(&self, out: &mut Vec<T>, factor: T) {
        vectorized!(|_| elementwise::scale(out, factor));
    }

    fn multiply(&self, out: &mut Vec<T>, x: &Vec<T>) {
        vectorized!(|_| elementwise::multiply(out, x));
    }

    fn add_scaled(&self, out: &mut Vec<T>, factor: T, x: &Vec<T>) {
        vectorized!(|fused| elementwise::add_scaled(fused, out, factor, x));
    }

    fn add_product(&self, out: &mut Vec<T>, a: &Vec<T>, b: &Vec<T>) {
        vectorized!(|_| elementwise::add_product(out, a, b));
    }

    fn dot(&self, pairs: &[(&Vec<T>, &Vec<T>)]) -> f64 {
        pairs.iter().map(|(a, b)| vectorized!(|fused| elementwise::dot(fused, a, b))).sum()
    }

    fn sum(&self, buffers: &[&Vec<T>]) -> f64 {
        buffers.iter().map(|buffer| self.dot(&[(buffer, &vec![T::of(1.0); buffer.len()])])).sum()
    }

    fn matmul(&self, out: &mut Vec<T>, a: Matrix<Vec<T>>, b: Matrix<Vec<T>>, write: Write) {
        let ((rows, inner), (inner_b, columns)) = (a.shape(), b.shape());
        assert_eq!(inner, inner_b, "inner sizes of a matrix product");
        let accum = self.make_room(out, rows * columns, write);
        let out = MatMut::from_row_major_slice_mut(out, rows, columns);
        product(out, accum, view(a), view(b));
    }

    fn matmul_frozen(&self, out: &mut Vec<T>, a: Matrix<Vec<T>>, b: Matrix<Stored>, write: Write) {
        let accum = self.make_room(out, a.shape().0 * b.shape().1, write);
        match stored::in_bf16::<T>(self.bf16, b.data) {
            Some(instructions) if !a.transposed => {
                stored::matmul_bf16(instructions, out, accum, &a.data[..a.rows * a.columns], &b);
            }
            _ => vectorized!(|_| stored::matmul(out, accum, view(a), b)),
        }
    }

    fn gather(&self, out: &mut Vec<T>, table: &Vec<T>, ids: &Vec<u32>, width: usize) {
        resize(out, ids.len() * width);
        for (row, &id) in out.chunks_exact_mut(width).zip(ids) {
            row.copy_from_slice(&table[id as usize * width..][..width]);
        }
    }

    fn gather_frozen(&self, out: &mut Vec<T>, table: &Stored, ids: &Vec<u32>, width: usize) {
        resize(out, ids.len() * width);
        vectorized!(|_| stored::gather(out, table, ids, width));
    }

    fn scale_rows(&self, rows: &mut Vec<T>, factors: &Vec<T>, width: usize) {
        vectorized!(|_| elementwise::scale_rows(rows, factors, width));
    }

    fn scatter_add(&self, table: &mut Vec<T>, rows: &Vec<T>, ids: &Vec<u32>, width: usize) {
        vectorized!(|_| elementwise::scatter_add(table, rows, ids, width));
    }

    fn rms_norm(&self, y: &mut Vec<T>, inverse_rms: &mut Vec<T>, x: &Vec<T>, scale: &Vec<T>, eps: f64) {
        resize(y, x.len());
        resize(inverse_rms, x.len() / scale.len());
        vectorized!(|_| norm::forward(y, inverse_rms, x, scale, T::of(eps)));
    }

    fn rms_norm_backward(&self, dx: &mut Vec<T>, dy: &Vec<T>, x: &Vec<T>, scale: &Vec<T>, inverse_rms: &Vec<T>) {
        vectorized!(|_| norm::backward(dx, dy, x, scale, inverse_rms));
    }

    fn rms_norm_scale_gradient(&self, dscale: &mut Vec<T>, dy: &Vec<T>, x: &Vec<T>, inverse_rms: &Vec<T>) {
        vectorized!(|_| norm::scale_gradient(dscale, dy, x, inverse_rms));
    }

    fn rope(&self, x: &mut Vec<T>, table: &Vec<T>, positions: &Vec<u32>, head_width: usize, inverse: bool) {
        vectorized!(|_| rope::rotate(x, table, positions, head_width, inverse));
    }

    fn attention(
        &self,
        out: &mut Vec<T>,
        weights: &mut Vec<T>,
        q: &Vec<T>,
        k: &Vec<T>,
        v: &Vec<T>,
        reach: &Vec<Reach>,
        heads: Heads,
    ) {
        resize(out, q.len());
        let kept = if heads.softcap.is_some() { 2 } else { 1 };
        resize(weights, kept * heads.queries * reach.iter().map(Reach::keys).sum::<usize>());
        let inputs = attention::Inputs { q, k, v };
        vectorized!(|fused| attention::forward(fused, out, weights, inputs, reach, heads));
    }

    fn attention_backward(
        &self,
        (dq, dk, dv): (&mut Vec<T>, &mut Vec<T>, &mut Vec<T>),
        dout: &Vec<T>,
        (_, weights): (&Vec<T>, &Vec<T>),
        (q, k, v): (&Vec<T>, &Vec<T>, &Vec<T>),
        reach: &Vec<Reach>,
        heads: Heads,
    ) {
        resize(dq, q.len());
        for (grad, like) in [(&mut *dk, k), (&mut *dv, v)] {
            resize(grad, like.len());
            grad.fill(T::of(0.0));
        }
        let (gradients, inputs) = (attention::Gradients { dq, dk, dv }, attention::Inputs { q, k, v });
        vectorized!(|fused| attention::backward(fused, gradients, dout, weights, inputs, reach, heads));
    }

    fn gated(&self, out: &mut Vec<T>, gate: &Vec<T>, up: &Vec<T>, activation: Activation) {
        resize(out, gate.len());
        vectorized!(|fused| gated::forward(fused, out, gate, up, activation));
    }

    fn gated_backward(&self, gate: &mut Vec<T>, up: &mut Vec<T>, dout: &Vec<T>, activation: Activation) {
        vectorized!(|fused| gated::backward(fused, gate, up, dout, activation));
    }

    fn softcap(&self, x: &mut Vec<T>, slopes: &mut Vec<T>, cap: f64) {
        resize(slopes, x.len());
        vectorized!(|_| elementwise::softcap(x, slopes, T::of(cap)));
    }

    fn log_softmax(&self, logits: &mut Vec<T>, vocabulary: usize) {
        vectorized!(|fused| loss::log_softmax(fused, logits, vocabulary));
    }

    fn pick(&self, log_probs: &Vec<T>, rows: &Vec<u32>, tokens: &Vec<u32>, vocabulary: usize) -> Vec<T> {
        rows.iter().zip(tokens).map(|(&row, &token)| log_probs[row as usize * vocabulary + token as usize]).collect()
    }

    fn draw(&self, log_probs: &Vec<T>, rows: &[u32], uniforms: &[f64], vocabulary: usize) -> Vec<u32> {
        let of = |&row: &u32| &log_probs[row as usize * vocabulary..][..vocabulary];
        rows.iter().map(of).zip(uniforms).map(|(log_probs, &uniform)| loss::draw(log_probs, uniform)).collect()
    }

    fn likeliest(&self, log_probs: &Vec<T>, rows: &[u32], tail: f64, vocabulary: usize) -> Vec<Vec<(u32, T)>> {
        rows.iter().map(|&row| loss::likeliest(&log_probs[row as usize * vocabulary..][..vocabulary], tail)).collect()
    }

    fn target_log_probs(
        &self,
        pull: Option<&mut Vec<T>>,
        x: &Vec<T>,
        table: Matrix<Stored>,
        (rows, words): (&Vec<u32>, &Vec<u32>),
        softcap: Option<f64>,
    ) -> Vec<T> {
        let bf16 = stored::in_bf16::<T>(self.bf16, table.data);
        vectorized!(|fused| head::target_log_probs(fused, bf16, pull, x, table, (rows, words), softcap.map(T::of)))
    }

    fn cross_entropy_backward(
        &self,
        log_probs: &mut Vec<T>,
        rows: &Vec<u32>,
        tokens: &Vec<u32>,
        weights: &[T],
        vocabulary: usize,
    ) {
        vectorized!(|fused| loss::backward(fused, log_probs, rows, tokens, weights, vocabulary));
    }

    fn contract_linear(
        &self,
        sums: &mut RowSums,
        gradient: Option<&mut Vec<T>>,
        directions: &[&Vec<T>],
        x: &Vec<T>,
        dy: &Vec<T>,
        spans: &Vec<Range<usize>>,
        shape: (usize, usize),
    ) {
        contract::linear(sums, gradient.map(Vec::as_mut_slice), &slices(directions), x, dy, spans, shape);
    }

    fn contract_norm(
        &self,
        sums: &mut RowSums,
        directions: &[&Vec<T>],
        x: &Vec<T>,
        inverse_rms: &Vec<T>,
        dy: &Vec<T>,
        spans: &Vec<Range<usize>>,
        heads: usize,
    ) {
        vectorized!(|fused| contract::norm(fused, sums, &slices(directions), x, inverse_rms, dy, spans, heads));
    }

    fn contract_embedding(
        &self,
        sums: &mut RowSums,
        directions: &[&Vec<T>],
        tokens: &Vec<u32>,
        dy: &Vec<T>,
        spans: &Vec<Range<usize>>,
        width: usize,
        tied: Option<TiedHead<'_, Vec<T>, Vec<Range<usize>>>>,
    ) {
        vectorized!(|fused| contract::embedding(fused, sums, &slices(directions), tokens, dy, spans, width, tied));
    }

    fn add_preconditioned(
        &self,
        out: &mut Vec<T>,
        factor: f64,
        x: &Vec<T>,
        second: &Vec<T>,
        correction2: f64,
        eps: f64,
    ) {
        vectorized!(|_| elementwise::add_preconditioned(out, T::of(factor), x, second, T::of(correction2), T::of(eps)));
    }

    fn adam(&self, moved: Vec<AdamParam<'_, Vec<T>>>, step: AdamStep) {
        for AdamParam { weight, gradient, first, second } in moved {
            vectorized!(|_| elementwise::adam(weight, gradient, first, second, step));
        }
    }
}
