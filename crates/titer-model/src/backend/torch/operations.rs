//! The backend of torch: every operation in torch's own.

use std::ops::Range;

use super::{
    TorchDevice, attention,
    contract::{self, TorchSums, Traffic},
    on_device::{Torch, TorchBuffer, TorchFrozen, TorchIds},
    placed::{TorchReach, TorchSpans, ids},
    tensor::{Number, Tensor},
};
use crate::{
    backend::{Activation, AdamParam, AdamStep, Backend, Heads, Matrix, RowSums, TiedHead, Write},
    packed::Reach,
    real::Real,
    stored::{Dtype, Stored},
};

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

    // A GPU is busy from some thousands of tokens on; the processor's caches are full with fewer.
    fn shard_tokens(&self, _width: usize) -> usize {
        if self.device() == TorchDevice::Cpu { 2048 } else { 16384 }
    }

    // Of all memory, since what is free does not count what torch keeps for itself to use again.
    fn recomputes(&self, bytes: usize) -> bool {
        self.memory().is_some_and(|(_, all)| bytes > all / 5 * 2)
    }

    fn upload(&self, values: Vec<T>) -> TorchBuffer {
        if values.is_empty() { TorchBuffer::default() } else { TorchBuffer::new(self.tensor_of(&values)) }
    }

    fn zeros(&self, len: usize) -> TorchBuffer {
        if len == 0 {
            return TorchBuffer::default();
        }
        TorchBuffer::new(Tensor::zeros(self.place, &[len as i64], Self::REAL))
    }

    fn freeze(&self, stored: &Stored, columns: usize) -> TorchFrozen {
        let number = match stored.dtype() {
            Dtype::F32 => Number::F32,
            Dtype::Bf16 => Number::Bf16,
            Dtype::F16 => Number::F16,
        };
        let shape = [(stored.len() / columns) as i64, columns as i64];
        TorchFrozen(Tensor::from_bytes(self.place, stored.bytes(), &shape, number))
    }

    fn place(&self, of: &[u32]) -> TorchIds {
        TorchIds(ids(self.place, of.iter().map(|&id| id as usize)))
    }

    fn place_reach(&self, reach: &[Reach]) -> TorchReach {
        TorchReach::new(self.place, Self::REAL, reach)
    }

    fn place_spans(&self, spans: &[Range<usize>]) -> TorchSpans {
        TorchSpans::new(self.place, Self::REAL, spans)
    }

    fn sums(&self, rows: usize, directions: usize) -> TorchSums {
        let shape = [rows as i64, directions as i64 + 1];
        TorchSums { values: Tensor::zeros(self.place, &shape, self.sums_number()), directions }
    }

    fn read_sums(&self, sums: TorchSums) -> RowSums {
        RowSums::of(sums.directions, sums.values.read())
    }

    fn download(&self, buffer: &TorchBuffer) -> Vec<T> {
        buffer.0.as_ref().map_or_else(Vec::new, |tensor| self.host(tensor))
    }

    fn len(&self, buffer: &TorchBuffer) -> usize {
        buffer.0.as_ref().map_or(0, Tensor::len)
    }

    fn zero(&self, buffer: &mut TorchBuffer, len: usize) {
        let number = buffer.0.as_ref().map_or(self.activations, Tensor::number);
        *buffer = match len {
            0 => TorchBuffer::default(),
            len => TorchBuffer::new(Tensor::zeros(self.place, &[len as i64], number)),
        };
    }

    fn scale(&self, out: &mut TorchBuffer, factor: T) {
        if let Some(tensor) = &out.0 {
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

    fn dot(&self, pairs: &[(&TorchBuffer, &TorchBuffer)]) -> f64 {
        let number = self.sums_number();
        let pairs = pairs.iter().filter_map(|(a, b)| Some((a.0.as_ref()?, b.0.as_ref()?)));
        let products = pairs.map(|(a, b)| a.view(&[-1]).times(&b.view(&[-1])).total(number));
        products.reduce(|sum, product| sum.plus(&product)).map_or(0.0, |sum| sum.read()[0])
    }

    fn sum(&self, buffers: &[&TorchBuffer]) -> f64 {
        let sums = buffers.iter().filter_map(|buffer| Some(buffer.0.as_ref()?.total(self.sums_number())));
        sums.reduce(|sum, more| sum.plus(&more)).map_or(0.0, |sum| sum.read()[0])
    }

    fn matmul(&self, out: &mut TorchBuffer, a: Matrix<TorchBuffer>, b: Matrix<TorchBuffer>, write: Write) {
        self.product(out, write, |number| (self.factor(a, number), self.factor(b, number)));
    }

    fn matmul_frozen(&self, out: &mut TorchBuffer, a: Matrix<TorchBuffer>, b: Matrix<TorchFrozen>, write: Write) {
        let TorchFrozen(weight) = b.data;
        self.product(out, write, |number| {
            let weight = weight.to(number);
            (self.factor(a, number), if b.transposed { weight.t() } else { weight })
        });
    }

    fn gather(&self, out: &mut TorchBuffer, table: &TorchBuffer, TorchIds(ids): &TorchIds, width: usize) {
        *out = TorchBuffer::new(table.matrix(width).rows(ids).to(self.activations));
    }

    fn gather_frozen(
        &self,
        out: &mut TorchBuffer,
        TorchFrozen(table): &TorchFrozen,
        TorchIds(ids): &TorchIds,
        _width: usize,
    ) {
        *out = TorchBuffer::new(table.rows(ids).to(self.activations));
    }

    fn scale_rows(&self, rows: &mut TorchBuffer, factors: &TorchBuffer, width: usize) {
        let matrix = rows.matrix(width);
        *rows = TorchBuffer::new(matrix.times(&factors.tensor().view(&[-1, 1]).to(matrix.number())));
    }

    fn scatter_add(&self, table: &mut TorchBuffer, rows: &TorchBuffer, TorchIds(ids): &TorchIds, width: usize) {
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
        let x = x.matrix(self.len(scale)).to(Self::REAL);
        let factors = x.times(&x).mean_last().plus_number(eps).each("rsqrt");
        *y = TorchBuffer::new(x.times(&factors).times(scale.tensor()).to(self.activations));
        *inverse_rms = TorchBuffer::new(factors);
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
        let (x, dy) = (x.matrix(width).to(Self::REAL), dy.matrix(width).to(Self::REAL));
        let factors = inverse_rms.tensor().view(&[-1, 1]);
        let (normed, through) = (x.times(&factors), dy.times(scale.tensor()));
        let along = through.times(&normed).mean_last();
        let added = through.minus(&normed.times(&along)).times(&factors);
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
        TorchIds(positions): &TorchIds,
        head_width: usize,
        inverse: bool,
    ) {
        let tokens = positions.len() as i64;
        if tokens == 0 {
            return;
        }
        let half = head_width as i64 / 2;
        let (cos, sin) = self.angles(table, positions, head_width);
        let heads = x.tensor().view(&[tokens, -1, head_width as i64]).to(Self::REAL);
        let (low, high) = (heads.narrow(2, 0, half), heads.narrow(2, half, half));
        let sign = if inverse { -1.0 } else { 1.0 };
        let turned =
            [low.times(&cos).add_scaled(&high.times(&sin), -sign), high.times(&cos).add_scaled(&low.times(&sin), sign)];
        *x = TorchBuffer::new(Tensor::cat(&turned, 2).to(x.tensor().number()));
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
        let (mixed, log_sums) = attention::forward((&inputs.0, &inputs.1, &inputs.2), reach, heads);
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
        let gradients = attention::backward(&dout, forward, (&inputs.0, &inputs.1, &inputs.2), reach, heads);
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
        TorchIds(rows): &TorchIds,
        TorchIds(tokens): &TorchIds,
        vocabulary: usize,
    ) -> Vec<T> {
        self.host(&log_probs.tensor().take(&self.flat(rows, tokens, vocabulary)))
    }

    fn draw(&self, log_probs: &TorchBuffer, rows: &[u32], uniforms: &[f64], vocabulary: usize) -> Vec<u32> {
        let rows = ids(self.place, rows.iter().map(|&row| row as usize));
        let shares = log_probs.matrix(vocabulary).rows(&rows).to(self.sums_number()).each("exp");
        let limits = self.tensor_of(&uniforms.iter().map(|&uniform| T::of(uniform)).collect::<Vec<_>>());
        let passed = shares.running_sums().at_most(&limits.to(self.sums_number()).view(&[-1, 1]));
        let counts = passed.to(Number::I64).sum(&[1], false).read();
        counts.into_iter().map(|count| (count as u32).min(vocabulary as u32 - 1)).collect()
    }

    fn target_log_probs(
        &self,
        pull: Option<&mut TorchBuffer>,
        x: &TorchBuffer,
        table: Matrix<TorchFrozen>,
        (TorchIds(rows), TorchIds(words)): (&TorchIds, &TorchIds),
        softcap: Option<f64>,
    ) -> Vec<T> {
        let (x, TorchFrozen(table)) = (x.matrix(table.columns), table.data);
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
        TorchIds(rows): &TorchIds,
        TorchIds(tokens): &TorchIds,
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
        TorchIds(tokens): &TorchIds,
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
        let Some(sum) = &out.0 else { return };
        let scales = second.tensor().times_number(correction2).each("sqrt").plus_number(eps);
        let moved = x.tensor().view(sum.shape()).over(&scales.view(sum.shape()));
        *out = TorchBuffer::new(sum.add_scaled(&moved, factor));
    }

    fn adam(&self, moved: Vec<AdamParam<'_, TorchBuffer>>, step: AdamStep) {
        for AdamParam { weight, gradient, first, second } in moved {
            let shape = weight.tensor().shape().to_vec();
            let gradient = gradient.tensor().view(&shape);
            let decayed = |moment: &TorchBuffer, keep: f64| moment.tensor().view(&shape).times_number(keep);
            let mean = decayed(first, step.beta1).add_scaled(&gradient, (1.0 - step.beta1) * step.gradient_scale);
            let squares = gradient.times(&gradient);
            let share = (1.0 - step.beta2) * step.gradient_scale * step.gradient_scale;
            let square = decayed(second, step.beta2).add_scaled(&squares, share);
            let scales = square.times_number(step.correction2).each("sqrt").plus_number(step.eps);
            let kept = decayed(weight, step.keep);
            *weight = TorchBuffer::new(kept.add_scaled(&mean.over(&scales), -step.step_size));
            (*first, *second) = (TorchBuffer::new(mean), TorchBuffer::new(square));
        }
    }
}

fn activated(gate: &Tensor, activation: Activation) -> Tensor {
    match activation {
        Activation::Silu => gate.each("silu"),
        Activation::GeluTanh => gate.gelu(),
    }
}
