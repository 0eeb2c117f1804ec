//! The backend of torch: every operation in torch's own.

use std::ops::{Range, RangeInclusive};

use super::{
    TorchDevice, adam, attention,
    call::{Argument, call},
    contract::{self, TorchSums, Traffic},
    norm,
    on_device::{Torch, TorchBuffer, TorchFrozen, TorchIds},
    placed::{TorchReach, TorchSpans, ids},
    rope::Angles,
    tensor::{Number, Tensor},
};
use crate::{
    backend::{Activation, AdamParam, AdamStep, Backend, Heads, Matrix, RowSums, TiedHead, Write},
    packed::Reach,
    real::Real,
    stored::Stored,
};

/// Numbers of several buffers that are put side by side at a time.
const TOGETHER: usize = 1 << 26;

/// Which of buffers of these lengths are put side by side.
fn together(lengths: impl Iterator<Item = usize>) -> Vec<Range<usize>> {
    let (mut ranges, mut held): (Vec<Range<usize>>, usize) = (Vec::new(), 0);
    for (at, len) in lengths.enumerate() {
        match ranges.last_mut().filter(|_| held + len <= TOGETHER) {
            Some(range) => range.end = at + 1,
            None => {
                ranges.push(at..at + 1);
                held = 0;
            }
        }
        held += len;
    }
    ranges
}

/// The sum of single numbers on a device.
fn total(parts: impl Iterator<Item = Tensor>) -> f64 {
    parts.reduce(|sum, part| sum.plus(&part)).map_or(0.0, |sum| sum.read()[0])
}

/// Logits that are formed at a time where none is kept.
const LOGITS: i64 = 1 << 27;

fn tensors(buffers: &[&TorchBuffer]) -> Vec<Tensor> {
    buffers.iter().map(|buffer| buffer.tensor().clone()).collect()
}

impl<T: Real> Backend for Torch<T> {
    type Real = T;
    type Buffer = TorchBuffer;
    type Frozen = TorchFrozen;
    type Ids = TorchIds;
    type PlacedReach = TorchReach;
    type Spans = TorchSpans;
    type Sums = TorchSums;

    // An operation is run on all of a device's cores by itself.
    fn at_once(&self) -> usize {
        1
    }

    // A GPU is busy from some thousands of tokens on; the processor's caches are full with fewer. A GPU with little room gets fewer too.
    fn shard_tokens(&self, _width: usize, bytes: usize) -> RangeInclusive<usize> {
        const FEWEST: usize = 256;
        let most = if self.device() == TorchDevice::Cpu { 2048 } else { 16384 };
        let tokens = self.room().map_or(most, |room| (room / 2 / bytes.max(1)).clamp(FEWEST, most));
        tokens..=tokens
    }

    // The other half is for what comes between: gradients, products in f32, what torch keeps to use again.
    fn recomputes(&self, bytes: usize) -> bool {
        self.room().is_some_and(|room| bytes > room / 2)
    }

    fn upload(&self, values: Vec<T>) -> TorchBuffer {
        if values.is_empty() { TorchBuffer::default() } else { self.buffer_of(&values) }
    }

    fn zeros(&self, len: usize) -> TorchBuffer {
        if len == 0 {
            return TorchBuffer::default();
        }
        TorchBuffer::new(Tensor::zeros(self.place, &[len as i64], Self::REAL))
    }

    fn freeze(&self, stored: &Stored, columns: usize) -> TorchFrozen {
        TorchFrozen::here(stored, columns, self.place)
    }

    // The first ones are read most often: the embeddings, and with them the head where they are one.
    fn freeze_all(&self, weights: &[Option<(&Stored, usize)>]) -> Vec<Option<TorchFrozen>> {
        let mut left = self.for_frozen();
        let mut of = |&(stored, columns): &(&Stored, usize)| match left.checked_sub(stored.bytes().len()) {
            Some(rest) => {
                left = rest;
                self.freeze(stored, columns)
            }
            None => TorchFrozen::beside(stored, columns, self.place),
        };
        weights.iter().map(|weight| weight.as_ref().map(&mut of)).collect()
    }

    fn place(&self, of: &[u32]) -> TorchIds {
        let ids = ids(self.place, of.iter().map(|&id| id as usize));
        TorchIds { ids, angles: Angles::default() }
    }

    fn place_reach(&self, reach: &[Reach]) -> TorchReach {
        TorchReach::new(self.place, self.activations, reach)
    }

    fn place_spans(&self, spans: &[Range<usize>]) -> TorchSpans {
        TorchSpans::new(self.place, Self::REAL, spans)
    }

    fn sums(&self, rows: usize, directions: usize) -> TorchSums {
        TorchSums::new(rows as i64, directions)
    }

    fn read_sums(&self, sums: TorchSums) -> RowSums {
        RowSums::of(sums.directions(), sums.read(self.place, self.sums_number()))
    }

    fn download(&self, buffer: &TorchBuffer) -> Vec<T> {
        buffer.filled().map_or_else(Vec::new, |tensor| self.host(tensor))
    }

    fn len(&self, buffer: &TorchBuffer) -> usize {
        buffer.filled().map_or(0, Tensor::len)
    }

    fn zero(&self, buffer: &mut TorchBuffer, len: usize) {
        let number = buffer.filled().map_or(self.activations, Tensor::number);
        *buffer = match len {
            0 => TorchBuffer::default(),
            len => TorchBuffer::new(Tensor::zeros(self.place, &[len as i64], number)),
        };
    }

    fn clear(&self, buffers: Vec<&mut TorchBuffer>) {
        let mut alone = Vec::new();
        for buffer in buffers.into_iter().filter(|buffer| buffer.filled().is_some()) {
            if buffer.tensor().is_alone() {
                let tensor = buffer.take();
                alone.push(tensor.clone());
                *buffer = TorchBuffer::new(tensor);
            } else {
                self.zero(buffer, self.len(buffer));
            }
        }
        if !alone.is_empty() {
            let [] = call("_foreach_zero_", &[Argument::Tensors(&alone)]);
        }
    }

    fn scale(&self, out: &mut TorchBuffer, factor: T) {
        if let Some(tensor) = out.filled() {
            *out = TorchBuffer::new(tensor.times_number(factor.f64()));
        }
    }

    fn multiply(&self, out: &mut TorchBuffer, x: &TorchBuffer) {
        let x = x.tensor().view(out.tensor().shape());
        *out = TorchBuffer::new(out.tensor().times(&x));
    }

    fn add_scaled(&self, out: &mut TorchBuffer, factor: T, x: &TorchBuffer) {
        let tensor = out.tensor();
        let x = x.tensor().to(tensor.number()).view(tensor.shape());
        *out = TorchBuffer::new(tensor.add_scaled(&x, factor.f64()));
    }

    fn add_product(&self, out: &mut TorchBuffer, a: &TorchBuffer, b: &TorchBuffer) {
        let sum = out.tensor();
        let product = a.tensor().view(sum.shape()).times(&b.tensor().view(sum.shape()));
        *out = TorchBuffer::new(sum.plus(&product));
    }

    fn dot(&self, pairs: &[(&TorchBuffer, &TorchBuffer)]) -> f64 {
        let pairs: Vec<_> = pairs.iter().filter_map(|(a, b)| Some((a.filled()?, b.filled()?))).collect();
        let product = |range: Range<usize>| {
            let (a, b): (Vec<Tensor>, Vec<Tensor>) =
                pairs[range].iter().map(|(a, b)| (a.view(&[-1]), b.view(&[-1]))).unzip();
            let same = a.iter().zip(&b).all(|(a, b)| a.data() == b.data());
            let a = Tensor::cat(&a, 0);
            let b = if same { a.clone() } else { Tensor::cat(&b, 0) };
            a.times(&b).total(self.sums_number())
        };
        total(together(pairs.iter().map(|(a, _)| a.len())).into_iter().map(product))
    }

    fn sum(&self, buffers: &[&TorchBuffer]) -> f64 {
        let tensors: Vec<_> = buffers.iter().filter_map(|buffer| buffer.filled()).collect();
        let sum = |range: Range<usize>| {
            let parts: Vec<Tensor> = tensors[range].iter().map(|tensor| tensor.view(&[-1])).collect();
            Tensor::cat(&parts, 0).total(self.sums_number())
        };
        total(together(tensors.iter().map(|tensor| tensor.len())).into_iter().map(sum))
    }

    fn matmul(&self, out: &mut TorchBuffer, a: Matrix<TorchBuffer>, b: Matrix<TorchBuffer>, write: Write) {
        self.product(out, write, |number| (self.factor(a, number), self.factor(b, number)));
    }

    fn matmul_scaled(&self, out: &mut TorchBuffer, factor: T, a: Matrix<TorchBuffer>, b: Matrix<TorchBuffer>) {
        let (a, b) = (self.factor(a, self.activations), self.factor(b, self.activations));
        *out = TorchBuffer::new(a.mm_times(&b, factor.f64()));
    }

    fn matmul_frozen(&self, out: &mut TorchBuffer, a: Matrix<TorchBuffer>, b: Matrix<TorchFrozen>, write: Write) {
        self.product(out, write, |number| {
            let weight = b.data.on(self.place).to(number);
            (self.factor(a, number), if b.transposed { weight.t() } else { weight })
        });
    }

    fn gather(&self, out: &mut TorchBuffer, table: &TorchBuffer, TorchIds { ids, .. }: &TorchIds, width: usize) {
        *out = TorchBuffer::new(table.matrix(width).rows(ids).to(self.activations));
    }

    fn gather_frozen(
        &self,
        out: &mut TorchBuffer,
        table: &TorchFrozen,
        TorchIds { ids, .. }: &TorchIds,
        _width: usize,
    ) {
        *out = TorchBuffer::new(table.on(self.place).rows(ids).to(self.activations));
    }

    fn scale_rows(&self, rows: &mut TorchBuffer, factors: &TorchBuffer, width: usize) {
        let matrix = rows.matrix(width);
        *rows = TorchBuffer::new(matrix.times(&factors.tensor().view(&[-1, 1]).to(matrix.number())));
    }

    fn scatter_add(&self, table: &mut TorchBuffer, rows: &TorchBuffer, TorchIds { ids, .. }: &TorchIds, width: usize) {
        *table = TorchBuffer::new(table.matrix(width).with_rows_added(ids, &rows.matrix(width)));
    }

    fn rms_norm(
        &self,
        y: &mut TorchBuffer,
        inverse_rms: &mut TorchBuffer,
        x: &TorchBuffer,
        scale: &TorchBuffer,
        eps: f64,
    ) {
        let (out, factors) = norm::forward(&x.matrix(self.len(scale)), scale, eps, self.activations, self.kernels);
        (*y, *inverse_rms) = (TorchBuffer::new(out), TorchBuffer::new(factors));
    }

    fn rms_norm_backward(
        &self,
        dx: &mut TorchBuffer,
        dy: &TorchBuffer,
        x: &TorchBuffer,
        scale: &TorchBuffer,
        inverse_rms: &TorchBuffer,
    ) {
        let width = self.len(scale);
        let added = norm::backward(&dy.matrix(width), &x.matrix(width), scale, inverse_rms.tensor(), self.kernels);
        let sum = dx.matrix(width);
        *dx = TorchBuffer::new(sum.plus(&added.to(sum.number())));
    }

    fn rms_norm_scale_gradient(
        &self,
        dscale: &mut TorchBuffer,
        dy: &TorchBuffer,
        x: &TorchBuffer,
        inverse_rms: &TorchBuffer,
    ) {
        let width = self.len(dscale);
        let products = self.scale_products(dy, x, inverse_rms, width);
        *dscale = TorchBuffer::new(dscale.tensor().plus(&products.sum(&[0], false)));
    }

    fn rope(
        &self,
        x: &mut TorchBuffer,
        table: &TorchBuffer,
        TorchIds { ids: positions, angles }: &TorchIds,
        head_width: usize,
        inverse: bool,
    ) {
        if positions.len() == 0 {
            return;
        }
        let heads = x.tensor().view(&[positions.len() as i64, -1, head_width as i64]);
        let turned = angles.turned(&heads, &table.matrix(head_width), positions, inverse);
        *x = TorchBuffer::new(turned.to(heads.number()));
    }

    fn attention(
        &self,
        out: &mut TorchBuffer,
        weights: &mut TorchBuffer,
        q: &TorchBuffer,
        k: &TorchBuffer,
        v: &TorchBuffer,
        reach: &TorchReach,
        heads: Heads,
    ) {
        let keys = heads.keys * heads.width;
        let inputs = (q.matrix(heads.queries * heads.width), k.matrix(keys), v.matrix(keys));
        let (mixed, log_sums) = attention::forward((&inputs.0, &inputs.1, &inputs.2), reach, heads, self.kernels);
        (*out, *weights) = (TorchBuffer::new(mixed), TorchBuffer::new(log_sums));
    }

    fn attention_backward(
        &self,
        (dq, dk, dv): (&mut TorchBuffer, &mut TorchBuffer, &mut TorchBuffer),
        dout: &TorchBuffer,
        (out, weights): (&TorchBuffer, &TorchBuffer),
        (q, k, v): (&TorchBuffer, &TorchBuffer, &TorchBuffer),
        reach: &TorchReach,
        heads: Heads,
    ) {
        let (queries, keys) = (heads.queries * heads.width, heads.keys * heads.width);
        let inputs = (q.matrix(queries), k.matrix(keys), v.matrix(keys));
        let forward = (&out.matrix(queries), weights.tensor());
        let dout = dout.matrix(queries).to(inputs.0.number());
        let inputs = (&inputs.0, &inputs.1, &inputs.2);
        let gradients = attention::backward(&dout, forward, inputs, reach, heads, self.kernels);
        (*dq, *dk, *dv) = (TorchBuffer::new(gradients.0), TorchBuffer::new(gradients.1), TorchBuffer::new(gradients.2));
    }

    fn gated(&self, out: &mut TorchBuffer, gate: &TorchBuffer, up: &TorchBuffer, activation: Activation) {
        *out = TorchBuffer::new(activated(gate.tensor(), activation).times(up.tensor()));
    }

    fn gated_backward(&self, gate: &mut TorchBuffer, up: &mut TorchBuffer, dout: &TorchBuffer, activation: Activation) {
        let (of_gate, of_up) = (gate.tensor(), up.tensor());
        let dout = dout.tensor().to(of_gate.number()).view(of_gate.shape());
        let through = dout.times(of_up);
        let dgate = match activation {
            Activation::Silu => through.silu_backward(of_gate),
            Activation::GeluTanh => through.gelu_backward(of_gate),
        };
        let dup = dout.times(&activated(of_gate, activation));
        (*gate, *up) = (TorchBuffer::new(dgate), TorchBuffer::new(dup));
    }

    fn softcap(&self, x: &mut TorchBuffer, slopes: &mut TorchBuffer, cap: f64) {
        let (capped, slope) = Self::capped(&x.tensor().to(Self::REAL), cap);
        (*x, *slopes) = (TorchBuffer::new(capped), TorchBuffer::new(slope));
    }

    fn log_softmax(&self, logits: &mut TorchBuffer, vocabulary: usize) {
        *logits = TorchBuffer::new(logits.matrix(vocabulary).to(Self::REAL).log_softmax());
    }

    fn pick(
        &self,
        log_probs: &TorchBuffer,
        TorchIds { ids: rows, .. }: &TorchIds,
        TorchIds { ids: tokens, .. }: &TorchIds,
        vocabulary: usize,
    ) -> Vec<T> {
        self.host(&log_probs.tensor().view(&[-1]).rows(&self.flat(rows, tokens, vocabulary)))
    }

    fn draw(&self, log_probs: &TorchBuffer, rows: &[u32], uniforms: &[f64], vocabulary: usize) -> Vec<u32> {
        let rows = ids(self.place, rows.iter().map(|&row| row as usize));
        let shares = log_probs.matrix(vocabulary).rows(&rows).to(self.sums_number()).each("exp");
        let limits = self.tensor_of(&uniforms.iter().map(|&uniform| T::of(uniform)).collect::<Vec<_>>());
        let passed = shares.running_sums().at_most(&limits.to(self.sums_number()).view(&[-1, 1]));
        let counts = passed.to(Number::I64).sum(&[1], false).read();
        counts.into_iter().map(|count| (count as u32).min(vocabulary as u32 - 1)).collect()
    }

    fn likeliest(&self, log_probs: &TorchBuffer, rows: &[u32], tail: f64, vocabulary: usize) -> Vec<Vec<(u32, T)>> {
        let (all, step) = (log_probs.matrix(vocabulary), (LOGITS as usize / vocabulary).max(1));
        let limit = Tensor::of_numbers(self.place, &[1.0 - tail], self.sums_number());
        let of_rows = |rows: &[u32]| {
            let [sorted, order] = all.rows(&ids(self.place, rows.iter().map(|&row| row as usize))).sorted();
            let shares = sorted.to(self.sums_number()).each("exp");
            // What comes before a token says whether it is kept.
            let left_out = limit.at_most(&shares.running_sums().minus(&shares)).to(Number::I64).sum(&[1], false);
            let counts: Vec<usize> = left_out.read().iter().map(|&count| vocabulary - count as usize).collect();
            let most = counts.iter().copied().max().unwrap_or(0);
            let first = |of: &Tensor| of.narrow(1, 0, most as i64).read();
            let (kept, tokens) = (first(&sorted), first(&order));
            let pairs = tokens.chunks_exact(most).zip(kept.chunks_exact(most)).zip(counts);
            let of_row = |((tokens, kept), count): ((&[f64], &[f64]), usize)| {
                tokens.iter().zip(kept).take(count).map(|(&token, &kept)| (token as u32, T::of(kept))).collect()
            };
            pairs.map(of_row).collect::<Vec<Vec<_>>>()
        };
        rows.chunks(step).flat_map(of_rows).collect()
    }

    fn target_log_probs(
        &self,
        pull: Option<&mut TorchBuffer>,
        x: &TorchBuffer,
        table: Matrix<TorchFrozen>,
        (TorchIds { ids: rows, .. }, TorchIds { ids: words, .. }): (&TorchIds, &TorchIds),
        softcap: Option<f64>,
    ) -> Vec<T> {
        let (x, table) = (x.matrix(table.columns), table.data.on(self.place));
        let (count, vocabulary) = (x.shape()[0], table.shape()[0]);
        let step = (LOGITS / vocabulary).clamp(1, count.max(1));
        let table_in = table.to(self.activations);
        let (mut log_sums, mut means) = (Vec::new(), Vec::new());
        for first in (0..count).step_by(step as usize) {
            let part = x.narrow(0, first, step.min(count - first));
            let mut logits = part.mm(&table_in.t()).to(Self::REAL);
            let mut slopes = None;
            if let Some(cap) = softcap {
                let (capped, slope) = Self::capped(&logits, cap);
                (logits, slopes) = (capped, Some(slope));
            }
            let of_part = logits.log_sum_exp();
            if pull.is_some() {
                let shares = logits.minus(&of_part.view(&[-1, 1])).each("exp");
                let shares = slopes.map_or_else(|| shares.clone(), |slopes| shares.times(&slopes));
                means.push(shares.to(self.activations).mm(&table_in));
            }
            log_sums.push(of_part);
        }
        let word_rows = table.rows(words).to(Self::REAL);
        let mut logits = x.rows(rows).to(Self::REAL).times(&word_rows).sum(&[1], false);
        let mut slopes = None;
        if let Some(cap) = softcap {
            let (capped, slope) = Self::capped(&logits, cap);
            (logits, slopes) = (capped, Some(slope));
        }
        if let Some(pull) = pull {
            let own = slopes.map_or_else(|| word_rows.clone(), |slopes| word_rows.times(&slopes.view(&[-1, 1])));
            let gradients = own.minus(&Tensor::cat(&means, 0).rows(rows).to(Self::REAL));
            *pull = TorchBuffer::new(gradients.to(self.activations));
        }
        self.host(&logits.minus(&Tensor::cat(&log_sums, 0).rows(rows)))
    }

    fn cross_entropy_backward(
        &self,
        log_probs: &mut TorchBuffer,
        TorchIds { ids: rows, .. }: &TorchIds,
        TorchIds { ids: tokens, .. }: &TorchIds,
        weights: &[T],
        vocabulary: usize,
    ) {
        let matrix = log_probs.matrix(vocabulary);
        let weights = self.tensor_of(weights).view(&[-1, 1]);
        let of_rows = Tensor::zeros(self.place, &[matrix.shape()[0], 1], Self::REAL).with_rows_added(rows, &weights);
        let expected = matrix.each("exp").times(&of_rows).view(&[-1, 1]);
        let flat = self.flat(rows, tokens, vocabulary);
        *log_probs = TorchBuffer::new(expected.with_rows_added(&flat, &weights.times_number(-1.0)));
    }

    fn contract_linear(
        &self,
        sums: &mut TorchSums,
        gradient: Option<&mut TorchBuffer>,
        directions: &[&TorchBuffer],
        x: &TorchBuffer,
        dy: &TorchBuffer,
        spans: &TorchSpans,
        (inputs, outputs): (usize, usize),
    ) {
        let (x, dy) = (x.matrix(inputs).to(Self::REAL), dy.matrix(outputs).to(Self::REAL));
        // What a core computes while it moves a number, and a GPU.
        let traffic = Traffic(if self.device() == TorchDevice::Cpu { 15.0 } else { 40.0 });
        let total = contract::linear(sums, &tensors(directions), (&x, &dy), spans, gradient.is_some(), traffic);
        if let (Some(gradient), Some(total)) = (gradient, total) {
            let sum = gradient.tensor();
            *gradient = TorchBuffer::new(sum.plus(&total.view(sum.shape())));
        }
    }

    fn contract_norm(
        &self,
        sums: &mut TorchSums,
        directions: &[&TorchBuffer],
        x: &TorchBuffer,
        inverse_rms: &TorchBuffer,
        dy: &TorchBuffer,
        spans: &TorchSpans,
        heads: usize,
    ) {
        let width = self.len(x) / self.len(inverse_rms).max(1);
        let products = self.scale_products(dy, x, inverse_rms, width).view(&[-1, (heads * width) as i64]);
        contract::norm(sums, &tensors(directions), &products, spans, heads as i64);
    }

    fn contract_embedding(
        &self,
        sums: &mut TorchSums,
        directions: &[&TorchBuffer],
        TorchIds { ids: tokens, .. }: &TorchIds,
        dy: &TorchBuffer,
        spans: &TorchSpans,
        width: usize,
        tied: Option<TiedHead<'_, TorchBuffer, TorchSpans>>,
    ) {
        let dy = dy.matrix(width).to(Self::REAL);
        let head = tied.map(|head| {
            let x = head.x.matrix(width).to(Self::REAL);
            let vocabulary = self.len(head.dy) / x.shape()[0].max(1) as usize;
            (x, head.dy.matrix(vocabulary).to(Self::REAL), head.spans)
        });
        let head = head.as_ref().map(|(x, dy, spans)| TiedHead { x, dy, spans: *spans });
        contract::embedding(sums, &tensors(directions), tokens, &dy, spans, head);
    }

    fn add_preconditioned(
        &self,
        out: &mut TorchBuffer,
        factor: f64,
        x: &TorchBuffer,
        second: &TorchBuffer,
        correction2: f64,
        eps: f64,
    ) {
        let Some(sum) = out.filled() else { return };
        let scales = second.tensor().times_number(correction2).each("sqrt").plus_number(eps);
        let moved = x.tensor().view(sum.shape()).over(&scales.view(sum.shape()));
        *out = TorchBuffer::new(sum.add_scaled(&moved, factor));
    }

    fn adam(&self, moved: Vec<AdamParam<'_, TorchBuffer>>, step: AdamStep) {
        adam::adam(moved, step);
    }
}

fn activated(gate: &Tensor, activation: Activation) -> Tensor {
    match activation {
        Activation::Silu => gate.each("silu"),
        Activation::GeluTanh => gate.gelu(),
    }
}
