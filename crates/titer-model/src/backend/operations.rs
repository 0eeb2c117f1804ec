//! The operations that a decoder is written over.

use std::ops::Range;

use super::{Activation, AdamStep, Heads, Matrix, RowSums, TiedHead, Write};
use crate::{packed::Reach, real::Real, stored::Stored};

/// Where and how the numbers are computed.
pub trait Backend: Clone + Sync + Send {
    /// The number type.
    type Real: Real;
    /// A resizable array of numbers; the default one is empty.
    type Buffer: Default + Clone + std::fmt::Debug + Send + Sync;

    /// A buffer with these numbers.
    fn upload(&self, values: Vec<Self::Real>) -> Self::Buffer;

    /// The numbers of a buffer.
    fn download(&self, buffer: &Self::Buffer) -> Vec<Self::Real>;

    /// How many numbers a buffer holds.
    fn len(&self, buffer: &Self::Buffer) -> usize;

    /// Sets the length; what the buffer holds is unspecified afterwards.
    fn resize(&self, buffer: &mut Self::Buffer, len: usize);

    /// Sets every number to `value`.
    fn fill(&self, buffer: &mut Self::Buffer, value: Self::Real);

    /// `out *= factor`
    fn scale(&self, out: &mut Self::Buffer, factor: Self::Real);

    /// `out ⊙= x`
    fn multiply(&self, out: &mut Self::Buffer, x: &Self::Buffer);

    /// `out += factor · x`
    fn add_scaled(&self, out: &mut Self::Buffer, factor: Self::Real, x: &Self::Buffer);

    /// `⟨a, b⟩`, accumulated in f64 in a fixed order.
    fn dot(&self, a: &Self::Buffer, b: &Self::Buffer) -> f64;

    /// `out = a · b` or `out += a · b`; `out` is resized when it is replaced.
    fn matmul(&self, out: &mut Self::Buffer, a: Matrix<Self::Buffer>, b: Matrix<Self::Buffer>, write: Write);

    /// [`Backend::matmul`] with a weight that stays in its file.
    fn matmul_stored(&self, out: &mut Self::Buffer, a: Matrix<Self::Buffer>, b: Matrix<Stored>, write: Write);

    /// `out[i] = table[ids[i]]`, rows of `width` numbers.
    fn gather(&self, out: &mut Self::Buffer, table: &Self::Buffer, ids: &[u32], width: usize);

    /// [`Backend::gather`] from a table that stays in its file.
    fn gather_stored(&self, out: &mut Self::Buffer, table: &Stored, ids: &[u32], width: usize);

    /// `rows[i] *= factors[i]`, rows of `width` numbers.
    fn scale_rows(&self, rows: &mut Self::Buffer, factors: &[Self::Real], width: usize);

    /// `table[ids[i]] += rows[i]`, rows of `width` numbers.
    fn scatter_add(&self, table: &mut Self::Buffer, rows: &Self::Buffer, ids: &[u32], width: usize);

    /// Root-mean-square norm (arXiv 1910.07467): `y = x · r · scale` with `r = 1 / √(mean x² + eps)`, kept in
    /// `inverse_rms` (`[rows]`).
    fn rms_norm(
        &self,
        y: &mut Self::Buffer,
        inverse_rms: &mut Self::Buffer,
        x: &Self::Buffer,
        scale: &Self::Buffer,
        eps: f64,
    );

    /// Adds the gradient at the norm's input: `dx += r · (dy ⊙ scale) − x · r³ · ⟨dy ⊙ scale, x⟩ / width`.
    fn rms_norm_backward(
        &self,
        dx: &mut Self::Buffer,
        dy: &Self::Buffer,
        x: &Self::Buffer,
        scale: &Self::Buffer,
        inverse_rms: &Self::Buffer,
    );

    /// Adds the gradient of the norm's scale: `dscale += Σ_rows dy ⊙ x · r`.
    fn rms_norm_scale_gradient(
        &self,
        dscale: &mut Self::Buffer,
        dy: &Self::Buffer,
        x: &Self::Buffer,
        inverse_rms: &Self::Buffer,
    );

    /// Rotates pairs `(i, i + width/2)` of every head by their position's angle (arXiv 2104.09864, in the halves
    /// layout of Hugging Face Llama); `table` is `[positions, width]`, half cosines, half sines. `inverse` rotates back.
    fn rope(&self, x: &mut Self::Buffer, table: &Self::Buffer, positions: &[u32], head_width: usize, inverse: bool);

    /// Softmax attention of each query over the keys it reaches, its scores scaled and bounded as `heads` says. `out` is
    /// like `q` (`[reach.len(), heads.queries · heads.width]`); `weights` keeps the softmax for the backward pass, and
    /// the slopes of the bound where there is one.
    fn attention(
        &self,
        out: &mut Self::Buffer,
        weights: &mut Self::Buffer,
        q: &Self::Buffer,
        k: &Self::Buffer,
        v: &Self::Buffer,
        reach: &[Reach],
        heads: Heads,
    );

    /// Gradients `(dq, dk, dv)` at the inputs `(q, k, v)` of [`Backend::attention`]; they are replaced.
    fn attention_backward(
        &self,
        gradients: (&mut Self::Buffer, &mut Self::Buffer, &mut Self::Buffer),
        dout: &Self::Buffer,
        weights: &Self::Buffer,
        inputs: (&Self::Buffer, &Self::Buffer, &Self::Buffer),
        reach: &[Reach],
        heads: Heads,
    );

    /// `out = activation(gate) ⊙ up` (arXiv 2002.05202).
    fn gated(&self, out: &mut Self::Buffer, gate: &Self::Buffer, up: &Self::Buffer, activation: Activation);

    /// Replaces `gate` and `up` by the gradients there, given the gradient at [`Backend::gated`]'s output.
    fn gated_backward(
        &self,
        gate: &mut Self::Buffer,
        up: &mut Self::Buffer,
        dout: &Self::Buffer,
        activation: Activation,
    );

    /// `x = cap · tanh(x / cap)`; `slopes` becomes the derivative, `1 − tanh²`.
    fn softcap(&self, x: &mut Self::Buffer, slopes: &mut Self::Buffer, cap: f64);

    /// Turns each row of `logits` (`[rows, vocabulary]`) into log-probabilities, in nats.
    fn log_softmax(&self, logits: &mut Self::Buffer, vocabulary: usize);

    /// Reads `log_probs[rows[i], tokens[i]]`.
    fn pick(&self, log_probs: &Self::Buffer, rows: &[u32], tokens: &[u32], vocabulary: usize) -> Vec<Self::Real>;

    /// `log p(words[i])` at row `rows[i]` of `x` (`[_, width]`), in nats: the softmax is that of `x Wᵀ`, bounded by `softcap`
    /// where there is one, with a table `W` (`[vocabulary, width]`) that stays in its file. No logit is kept. Where there
    /// is a `pull`, it becomes the gradient of each at its row of `x`, `[targets, width]`.
    fn target_log_probs(
        &self,
        pull: Option<&mut Self::Buffer>,
        x: &Self::Buffer,
        table: Matrix<Stored>,
        targets: (&[u32], &[u32]),
        softcap: Option<f64>,
    ) -> Vec<Self::Real>;

    /// Turns log-probabilities into the gradient at the logits of `Σ_i weights[i] · (−log p(tokens[i]))`, where
    /// target `i` reads row `rows[i]`: row `= Σ weights · p − weights at the tokens`.
    fn cross_entropy_backward(
        &self,
        log_probs: &mut Self::Buffer,
        rows: &[u32],
        tokens: &[u32],
        weights: &[Self::Real],
        vocabulary: usize,
    );

    /// Adds `⟨G, V_k⟩` and `‖G‖²` of every row's gradient `G = dyᵀx` of a linear layer; `spans` are the rows' ranges
    /// in `x` (`[_, inputs]`) and `dy` (`[_, outputs]`), `shape` is `(inputs, outputs)`. Where there is a `gradient`,
    /// `Σ G` is added to it: the tiles are at hand, so it costs less than a product of its own.
    fn contract_linear(
        &self,
        sums: &mut RowSums,
        gradient: Option<&mut Self::Buffer>,
        directions: &[&Self::Buffer],
        x: &Self::Buffer,
        dy: &Self::Buffer,
        spans: &[Range<usize>],
        shape: (usize, usize),
    );

    /// The same for a norm's scale, where `G = Σ dy ⊙ x · r`.
    fn contract_norm(
        &self,
        sums: &mut RowSums,
        directions: &[&Self::Buffer],
        x: &Self::Buffer,
        inverse_rms: &Self::Buffer,
        dy: &Self::Buffer,
        spans: &[Range<usize>],
    );

    /// The same for an embedding table, where `G` adds `dy` to the tokens' rows. Where the output head is the same
    /// table, `tied` is what the backward pass showed of it, and the cross term of the squared norm is added.
    fn contract_embedding(
        &self,
        sums: &mut RowSums,
        directions: &[&Self::Buffer],
        tokens: &[u32],
        dy: &Self::Buffer,
        spans: &[Range<usize>],
        width: usize,
        tied: Option<TiedHead<'_, Self::Buffer>>,
    );

    /// `out += factor · x / (√(second · correction2) + eps)`: a direction in Adam's metric.
    fn add_preconditioned(
        &self,
        out: &mut Self::Buffer,
        factor: f64,
        x: &Self::Buffer,
        second: &Self::Buffer,
        correction2: f64,
        eps: f64,
    );

    /// One Adam step on one parameter.
    fn adam(
        &self,
        weight: &mut Self::Buffer,
        gradient: &Self::Buffer,
        first: &mut Self::Buffer,
        second: &mut Self::Buffer,
        step: AdamStep,
    );
}
