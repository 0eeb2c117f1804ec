//! Where the lab computes: on the processor by titer's own loops, or on one of torch's devices. Which it is, is known when
//! the program runs, so each operation goes to one of two backends.

use std::ops::{Range, RangeInclusive};

use super::{
    Activation, AdamParam, AdamStep, Backend, Cpu, Heads, Matrix, RowSums, TiedHead, Torch, Write,
    either::Either,
    torch::{TorchBuffer, TorchFrozen, TorchIds, TorchReach, TorchSpans, TorchSums},
};
use crate::{packed::Reach, stored::Stored};

/// Where the lab computes.
#[derive(Clone, Debug)]
pub struct Device(Either<Cpu<f32>, Torch<f32>>);

impl Default for Device {
    fn default() -> Self {
        Self::cpu(Cpu::new())
    }
}

impl Device {
    /// The processor, by titer's own loops.
    pub fn cpu(cpu: Cpu<f32>) -> Self {
        Self(Either::Cpu(cpu))
    }

    /// One of torch's devices.
    pub fn torch(torch: Torch<f32>) -> Self {
        Self(Either::Torch(torch))
    }

    /// The processor's backend, where it is that.
    pub fn as_cpu(&self) -> Option<&Cpu<f32>> {
        if let Either::Cpu(cpu) = &self.0 { Some(cpu) } else { None }
    }

    /// Torch's backend, where it is that.
    pub fn as_torch(&self) -> Option<&Torch<f32>> {
        if let Either::Torch(torch) = &self.0 { Some(torch) } else { None }
    }
}

/// One thing of each in a list.
fn each<'a, C, T, R>(of: impl Fn(&'a Either<C, T>) -> &'a R, list: &[&'a Either<C, T>]) -> Vec<&'a R> {
    list.iter().map(|one| of(one)).collect()
}

/// A thing that the backend at hand makes.
macro_rules! made {
    ($self:ident, $on:ident => $make:expr) => {
        match &$self.0 {
            Either::Cpu($on) => Either::Cpu($make),
            Either::Torch($on) => Either::Torch($make),
        }
    };
}

impl Backend for Device {
    type Real = f32;
    type Buffer = Either<Vec<f32>, TorchBuffer>;
    type Frozen = Either<Stored, TorchFrozen>;
    type Ids = Either<Vec<u32>, TorchIds>;
    type PlacedReach = Either<Vec<Reach>, TorchReach>;
    type Spans = Either<Vec<Range<usize>>, TorchSpans>;
    type Sums = Either<RowSums, TorchSums>;

    fn at_once(&self) -> usize {
        match &self.0 {
            Either::Cpu(on) => on.at_once(),
            Either::Torch(on) => on.at_once(),
        }
    }

    fn shard_tokens(&self, width: usize, bytes: usize) -> RangeInclusive<usize> {
        match &self.0 {
            Either::Cpu(on) => on.shard_tokens(width, bytes),
            Either::Torch(on) => on.shard_tokens(width, bytes),
        }
    }

    fn recomputes(&self, bytes: usize) -> bool {
        match &self.0 {
            Either::Cpu(on) => on.recomputes(bytes),
            Either::Torch(on) => on.recomputes(bytes),
        }
    }

    fn upload(&self, values: Vec<f32>) -> Self::Buffer {
        made!(self, on => on.upload(values))
    }

    fn zeros(&self, len: usize) -> Self::Buffer {
        made!(self, on => on.zeros(len))
    }

    fn freeze(&self, stored: &Stored, columns: usize) -> Self::Frozen {
        made!(self, on => on.freeze(stored, columns))
    }

    fn freeze_all(&self, weights: &[Option<(&Stored, usize)>]) -> Vec<Option<Self::Frozen>> {
        match &self.0 {
            Either::Cpu(on) => on.freeze_all(weights).into_iter().map(|frozen| frozen.map(Either::Cpu)).collect(),
            Either::Torch(on) => on.freeze_all(weights).into_iter().map(|frozen| frozen.map(Either::Torch)).collect(),
        }
    }

    fn place(&self, ids: &[u32]) -> Self::Ids {
        made!(self, on => on.place(ids))
    }

    fn place_reach(&self, reach: &[Reach]) -> Self::PlacedReach {
        made!(self, on => on.place_reach(reach))
    }

    fn place_spans(&self, spans: &[Range<usize>]) -> Self::Spans {
        made!(self, on => on.place_spans(spans))
    }

    fn sums(&self, rows: usize, directions: usize) -> Self::Sums {
        made!(self, on => on.sums(rows, directions))
    }

    fn read_sums(&self, sums: Self::Sums) -> RowSums {
        match (&self.0, sums) {
            (Either::Torch(on), Either::Torch(sums)) => on.read_sums(sums),
            (_, sums) => sums.cpu().clone(),
        }
    }

    fn download(&self, buffer: &Self::Buffer) -> Vec<f32> {
        match (&self.0, buffer) {
            (Either::Torch(on), Either::Torch(buffer)) => on.download(buffer),
            (_, buffer) => buffer.cpu().clone(),
        }
    }

    fn len(&self, buffer: &Self::Buffer) -> usize {
        match (&self.0, buffer) {
            (Either::Torch(on), Either::Torch(buffer)) => on.len(buffer),
            (_, buffer) => buffer.cpu().len(),
        }
    }

    fn zero(&self, buffer: &mut Self::Buffer, len: usize) {
        match &self.0 {
            Either::Cpu(on) => on.zero(buffer.cpu_mut(), len),
            Either::Torch(on) => on.zero(buffer.torch_out(), len),
        }
    }

    fn add_product(&self, out: &mut Self::Buffer, a: &Self::Buffer, b: &Self::Buffer) {
        match &self.0 {
            Either::Cpu(on) => on.add_product(out.cpu_mut(), a.cpu(), b.cpu()),
            Either::Torch(on) => on.add_product(out.torch_out(), a.torch(), b.torch()),
        }
    }

    fn dot(&self, pairs: &[(&Self::Buffer, &Self::Buffer)]) -> f64 {
        match &self.0 {
            Either::Cpu(on) => on.dot(&pairs.iter().map(|(a, b)| (a.cpu(), b.cpu())).collect::<Vec<_>>()),
            Either::Torch(on) => {
                let full = |pair: &&(&Self::Buffer, &Self::Buffer)| self.len(pair.0) > 0 || self.len(pair.1) > 0;
                on.dot(&pairs.iter().filter(full).map(|(a, b)| (a.torch(), b.torch())).collect::<Vec<_>>())
            }
        }
    }

    fn sum(&self, buffers: &[&Self::Buffer]) -> f64 {
        match &self.0 {
            Either::Cpu(on) => on.sum(&each(Either::cpu, buffers)),
            Either::Torch(on) => {
                let full: Vec<&Self::Buffer> = buffers.iter().copied().filter(|buffer| self.len(buffer) > 0).collect();
                on.sum(&each(Either::torch, &full))
            }
        }
    }

    fn clear(&self, buffers: Vec<&mut Self::Buffer>) {
        match &self.0 {
            Either::Cpu(on) => on.clear(buffers.into_iter().map(Either::cpu_mut).collect()),
            Either::Torch(on) => on.clear(buffers.into_iter().map(Either::torch_out).collect()),
        }
    }

    fn scale(&self, out: &mut Self::Buffer, factor: f32) {
        match &self.0 {
            Either::Cpu(on) => on.scale(out.cpu_mut(), factor),
            Either::Torch(on) => on.scale(out.torch_out(), factor),
        }
    }

    fn multiply(&self, out: &mut Self::Buffer, x: &Self::Buffer) {
        match &self.0 {
            Either::Cpu(on) => on.multiply(out.cpu_mut(), x.cpu()),
            Either::Torch(on) => on.multiply(out.torch_out(), x.torch()),
        }
    }

    fn add_scaled(&self, out: &mut Self::Buffer, factor: f32, x: &Self::Buffer) {
        match &self.0 {
            Either::Cpu(on) => on.add_scaled(out.cpu_mut(), factor, x.cpu()),
            Either::Torch(on) => on.add_scaled(out.torch_out(), factor, x.torch()),
        }
    }

    fn matmul(&self, out: &mut Self::Buffer, a: Matrix<Self::Buffer>, b: Matrix<Self::Buffer>, write: Write) {
        match &self.0 {
            Either::Cpu(on) => on.matmul(out.cpu_mut(), a.of(a.data.cpu()), b.of(b.data.cpu()), write),
            Either::Torch(on) => on.matmul(out.torch_out(), a.of(a.data.torch()), b.of(b.data.torch()), write),
        }
    }

    fn matmul_scaled(&self, out: &mut Self::Buffer, factor: f32, a: Matrix<Self::Buffer>, b: Matrix<Self::Buffer>) {
        match &self.0 {
            Either::Cpu(on) => on.matmul_scaled(out.cpu_mut(), factor, a.of(a.data.cpu()), b.of(b.data.cpu())),
            Either::Torch(on) => on.matmul_scaled(out.torch_out(), factor, a.of(a.data.torch()), b.of(b.data.torch())),
        }
    }

    fn matmul_frozen(&self, out: &mut Self::Buffer, a: Matrix<Self::Buffer>, b: Matrix<Self::Frozen>, write: Write) {
        match &self.0 {
            Either::Cpu(on) => on.matmul_frozen(out.cpu_mut(), a.of(a.data.cpu()), b.of(b.data.cpu()), write),
            Either::Torch(on) => on.matmul_frozen(out.torch_out(), a.of(a.data.torch()), b.of(b.data.torch()), write),
        }
    }

    fn gather(&self, out: &mut Self::Buffer, table: &Self::Buffer, ids: &Self::Ids, width: usize) {
        match &self.0 {
            Either::Cpu(on) => on.gather(out.cpu_mut(), table.cpu(), ids.cpu(), width),
            Either::Torch(on) => on.gather(out.torch_out(), table.torch(), ids.torch(), width),
        }
    }

    fn gather_frozen(&self, out: &mut Self::Buffer, table: &Self::Frozen, ids: &Self::Ids, width: usize) {
        match &self.0 {
            Either::Cpu(on) => on.gather_frozen(out.cpu_mut(), table.cpu(), ids.cpu(), width),
            Either::Torch(on) => on.gather_frozen(out.torch_out(), table.torch(), ids.torch(), width),
        }
    }

    fn scale_rows(&self, rows: &mut Self::Buffer, factors: &Self::Buffer, width: usize) {
        match &self.0 {
            Either::Cpu(on) => on.scale_rows(rows.cpu_mut(), factors.cpu(), width),
            Either::Torch(on) => on.scale_rows(rows.torch_out(), factors.torch(), width),
        }
    }

    fn scatter_add(&self, table: &mut Self::Buffer, rows: &Self::Buffer, ids: &Self::Ids, width: usize) {
        match &self.0 {
            Either::Cpu(on) => on.scatter_add(table.cpu_mut(), rows.cpu(), ids.cpu(), width),
            Either::Torch(on) => on.scatter_add(table.torch_out(), rows.torch(), ids.torch(), width),
        }
    }

    fn rms_norm(
        &self,
        y: &mut Self::Buffer,
        inverse_rms: &mut Self::Buffer,
        x: &Self::Buffer,
        scale: &Self::Buffer,
        eps: f64,
    ) {
        match &self.0 {
            Either::Cpu(on) => on.rms_norm(y.cpu_mut(), inverse_rms.cpu_mut(), x.cpu(), scale.cpu(), eps),
            Either::Torch(on) => on.rms_norm(y.torch_out(), inverse_rms.torch_out(), x.torch(), scale.torch(), eps),
        }
    }

    fn rms_norm_backward(
        &self,
        dx: &mut Self::Buffer,
        dy: &Self::Buffer,
        x: &Self::Buffer,
        scale: &Self::Buffer,
        inverse_rms: &Self::Buffer,
    ) {
        match &self.0 {
            Either::Cpu(on) => on.rms_norm_backward(dx.cpu_mut(), dy.cpu(), x.cpu(), scale.cpu(), inverse_rms.cpu()),
            Either::Torch(on) => {
                on.rms_norm_backward(dx.torch_out(), dy.torch(), x.torch(), scale.torch(), inverse_rms.torch())
            }
        }
    }

    fn rms_norm_scale_gradient(
        &self,
        dscale: &mut Self::Buffer,
        dy: &Self::Buffer,
        x: &Self::Buffer,
        inverse_rms: &Self::Buffer,
    ) {
        match &self.0 {
            Either::Cpu(on) => on.rms_norm_scale_gradient(dscale.cpu_mut(), dy.cpu(), x.cpu(), inverse_rms.cpu()),
            Either::Torch(on) => {
                on.rms_norm_scale_gradient(dscale.torch_out(), dy.torch(), x.torch(), inverse_rms.torch())
            }
        }
    }

    fn rope(
        &self,
        x: &mut Self::Buffer,
        table: &Self::Buffer,
        positions: &Self::Ids,
        head_width: usize,
        inverse: bool,
    ) {
        match &self.0 {
            Either::Cpu(on) => on.rope(x.cpu_mut(), table.cpu(), positions.cpu(), head_width, inverse),
            Either::Torch(on) => on.rope(x.torch_out(), table.torch(), positions.torch(), head_width, inverse),
        }
    }

    fn attention(
        &self,
        out: &mut Self::Buffer,
        weights: &mut Self::Buffer,
        q: &Self::Buffer,
        k: &Self::Buffer,
        v: &Self::Buffer,
        reach: &Self::PlacedReach,
        heads: Heads,
    ) {
        match &self.0 {
            Either::Cpu(on) => {
                on.attention(out.cpu_mut(), weights.cpu_mut(), q.cpu(), k.cpu(), v.cpu(), reach.cpu(), heads)
            }
            Either::Torch(on) => on.attention(
                out.torch_out(),
                weights.torch_out(),
                q.torch(),
                k.torch(),
                v.torch(),
                reach.torch(),
                heads,
            ),
        }
    }

    fn attention_backward(
        &self,
        (g1, g2, g3): (&mut Self::Buffer, &mut Self::Buffer, &mut Self::Buffer),
        dout: &Self::Buffer,
        forward: (&Self::Buffer, &Self::Buffer),
        inputs: (&Self::Buffer, &Self::Buffer, &Self::Buffer),
        reach: &Self::PlacedReach,
        heads: Heads,
    ) {
        match &self.0 {
            Either::Cpu(on) => on.attention_backward(
                (g1.cpu_mut(), g2.cpu_mut(), g3.cpu_mut()),
                dout.cpu(),
                (forward.0.cpu(), forward.1.cpu()),
                (inputs.0.cpu(), inputs.1.cpu(), inputs.2.cpu()),
                reach.cpu(),
                heads,
            ),
            Either::Torch(on) => on.attention_backward(
                (g1.torch_out(), g2.torch_out(), g3.torch_out()),
                dout.torch(),
                (forward.0.torch(), forward.1.torch()),
                (inputs.0.torch(), inputs.1.torch(), inputs.2.torch()),
                reach.torch(),
                heads,
            ),
        }
    }

    fn gated(&self, out: &mut Self::Buffer, gate: &Self::Buffer, up: &Self::Buffer, activation: Activation) {
        match &self.0 {
            Either::Cpu(on) => on.gated(out.cpu_mut(), gate.cpu(), up.cpu(), activation),
            Either::Torch(on) => on.gated(out.torch_out(), gate.torch(), up.torch(), activation),
        }
    }

    fn gated_backward(
        &self,
        gate: &mut Self::Buffer,
        up: &mut Self::Buffer,
        dout: &Self::Buffer,
        activation: Activation,
    ) {
        match &self.0 {
            Either::Cpu(on) => on.gated_backward(gate.cpu_mut(), up.cpu_mut(), dout.cpu(), activation),
            Either::Torch(on) => on.gated_backward(gate.torch_out(), up.torch_out(), dout.torch(), activation),
        }
    }

    fn softcap(&self, x: &mut Self::Buffer, slopes: &mut Self::Buffer, cap: f64) {
        match &self.0 {
            Either::Cpu(on) => on.softcap(x.cpu_mut(), slopes.cpu_mut(), cap),
            Either::Torch(on) => on.softcap(x.torch_out(), slopes.torch_out(), cap),
        }
    }

    fn log_softmax(&self, logits: &mut Self::Buffer, vocabulary: usize) {
        match &self.0 {
            Either::Cpu(on) => on.log_softmax(logits.cpu_mut(), vocabulary),
            Either::Torch(on) => on.log_softmax(logits.torch_out(), vocabulary),
        }
    }

    fn pick(&self, log_probs: &Self::Buffer, rows: &Self::Ids, tokens: &Self::Ids, vocabulary: usize) -> Vec<f32> {
        match &self.0 {
            Either::Cpu(on) => on.pick(log_probs.cpu(), rows.cpu(), tokens.cpu(), vocabulary),
            Either::Torch(on) => on.pick(log_probs.torch(), rows.torch(), tokens.torch(), vocabulary),
        }
    }

    fn draw(&self, log_probs: &Self::Buffer, rows: &[u32], uniforms: &[f64], vocabulary: usize) -> Vec<u32> {
        match &self.0 {
            Either::Cpu(on) => on.draw(log_probs.cpu(), rows, uniforms, vocabulary),
            Either::Torch(on) => on.draw(log_probs.torch(), rows, uniforms, vocabulary),
        }
    }

    fn likeliest(&self, log_probs: &Self::Buffer, rows: &[u32], tail: f64, vocabulary: usize) -> Vec<Vec<(u32, f32)>> {
        match &self.0 {
            Either::Cpu(on) => on.likeliest(log_probs.cpu(), rows, tail, vocabulary),
            Either::Torch(on) => on.likeliest(log_probs.torch(), rows, tail, vocabulary),
        }
    }

    fn target_log_probs(
        &self,
        pull: Option<&mut Self::Buffer>,
        x: &Self::Buffer,
        table: Matrix<Self::Frozen>,
        targets: (&Self::Ids, &Self::Ids),
        softcap: Option<f64>,
    ) -> Vec<f32> {
        match &self.0 {
            Either::Cpu(on) => on.target_log_probs(
                pull.map(Either::cpu_mut),
                x.cpu(),
                table.of(table.data.cpu()),
                (targets.0.cpu(), targets.1.cpu()),
                softcap,
            ),
            Either::Torch(on) => on.target_log_probs(
                pull.map(Either::torch_out),
                x.torch(),
                table.of(table.data.torch()),
                (targets.0.torch(), targets.1.torch()),
                softcap,
            ),
        }
    }

    fn cross_entropy_backward(
        &self,
        log_probs: &mut Self::Buffer,
        rows: &Self::Ids,
        tokens: &Self::Ids,
        weights: &[f32],
        vocabulary: usize,
    ) {
        match &self.0 {
            Either::Cpu(on) => {
                on.cross_entropy_backward(log_probs.cpu_mut(), rows.cpu(), tokens.cpu(), weights, vocabulary)
            }
            Either::Torch(on) => {
                on.cross_entropy_backward(log_probs.torch_out(), rows.torch(), tokens.torch(), weights, vocabulary)
            }
        }
    }

    fn contract_linear(
        &self,
        sums: &mut Self::Sums,
        gradient: Option<&mut Self::Buffer>,
        directions: &[&Self::Buffer],
        x: &Self::Buffer,
        dy: &Self::Buffer,
        spans: &Self::Spans,
        shape: (usize, usize),
    ) {
        match &self.0 {
            Either::Cpu(on) => on.contract_linear(
                sums.cpu_mut(),
                gradient.map(Either::cpu_mut),
                &each(Either::cpu, directions),
                x.cpu(),
                dy.cpu(),
                spans.cpu(),
                shape,
            ),
            Either::Torch(on) => on.contract_linear(
                sums.torch_mut(),
                gradient.map(Either::torch_out),
                &each(Either::torch, directions),
                x.torch(),
                dy.torch(),
                spans.torch(),
                shape,
            ),
        }
    }

    fn contract_norm(
        &self,
        sums: &mut Self::Sums,
        directions: &[&Self::Buffer],
        x: &Self::Buffer,
        inverse_rms: &Self::Buffer,
        dy: &Self::Buffer,
        spans: &Self::Spans,
        heads: usize,
    ) {
        match &self.0 {
            Either::Cpu(on) => on.contract_norm(
                sums.cpu_mut(),
                &each(Either::cpu, directions),
                x.cpu(),
                inverse_rms.cpu(),
                dy.cpu(),
                spans.cpu(),
                heads,
            ),
            Either::Torch(on) => on.contract_norm(
                sums.torch_mut(),
                &each(Either::torch, directions),
                x.torch(),
                inverse_rms.torch(),
                dy.torch(),
                spans.torch(),
                heads,
            ),
        }
    }

    fn contract_embedding(
        &self,
        sums: &mut Self::Sums,
        directions: &[&Self::Buffer],
        tokens: &Self::Ids,
        dy: &Self::Buffer,
        spans: &Self::Spans,
        width: usize,
        tied: Option<TiedHead<'_, Self::Buffer, Self::Spans>>,
    ) {
        match &self.0 {
            Either::Cpu(on) => on.contract_embedding(
                sums.cpu_mut(),
                &each(Either::cpu, directions),
                tokens.cpu(),
                dy.cpu(),
                spans.cpu(),
                width,
                tied.map(|head| TiedHead { x: head.x.cpu(), dy: head.dy.cpu(), spans: head.spans.cpu() }),
            ),
            Either::Torch(on) => on.contract_embedding(
                sums.torch_mut(),
                &each(Either::torch, directions),
                tokens.torch(),
                dy.torch(),
                spans.torch(),
                width,
                tied.map(|head| TiedHead { x: head.x.torch(), dy: head.dy.torch(), spans: head.spans.torch() }),
            ),
        }
    }

    fn add_preconditioned(
        &self,
        out: &mut Self::Buffer,
        factor: f64,
        x: &Self::Buffer,
        second: &Self::Buffer,
        correction2: f64,
        eps: f64,
    ) {
        match &self.0 {
            Either::Cpu(on) => on.add_preconditioned(out.cpu_mut(), factor, x.cpu(), second.cpu(), correction2, eps),
            Either::Torch(on) => {
                on.add_preconditioned(out.torch_out(), factor, x.torch(), second.torch(), correction2, eps)
            }
        }
    }

    fn adam(&self, moved: Vec<AdamParam<'_, Self::Buffer>>, step: AdamStep) {
        macro_rules! of {
            ($part:ident, $part_mut:ident) => {
                moved.into_iter().map(|of| AdamParam {
                    weight: of.weight.$part_mut(),
                    gradient: of.gradient.$part(),
                    first: of.first.$part_mut(),
                    second: of.second.$part_mut(),
                })
            };
        }
        match &self.0 {
            Either::Cpu(on) => on.adam(of!(cpu, cpu_mut).collect(), step),
            Either::Torch(on) => on.adam(of!(torch, torch_out).collect(), step),
        }
    }
}
