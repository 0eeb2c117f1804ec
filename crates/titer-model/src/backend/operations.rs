//! The operations that a decoder is written over.

use std::ops::{Range, RangeInclusive};

use super::{Activation, AdamParam, AdamStep, Heads, Matrix, RowSums, TiedHead, Write};
use crate::{packed::Reach, real::Real, stored::Stored};

/// Where and how the numbers are computed.
///
/// What a pass reads of its batch (tokens, positions, reach, the rows' spans) is *placed* where the backend reads it, once a pass; sums
/// over rows stay there until the pass ends.
pub trait Backend: Clone + Sync + Send {
    /// The number type of weights that move, gradients, moments, directions, and of numbers that go in and out.
    type Real: Real;
    /// A resizable array of numbers; the default one is empty. A backend may hold activations in a shorter type than [`Backend::Real`].
    type Buffer: Default + Clone + std::fmt::Debug + Send + Sync;
    /// A weight that nothing moves, where the backend multiplies it. A clone is the same weight.
    type Frozen: Clone + std::fmt::Debug + Send + Sync;
    /// Tokens, positions or rows, placed.
    type Ids: std::fmt::Debug + Send + Sync;
    /// What queries reach, placed.
    type PlacedReach: std::fmt::Debug + Send + Sync;
    /// The rows' ranges in a batch, placed.
    type Spans: std::fmt::Debug + Send + Sync;
    /// [`RowSums`] in the making.
    type Sums: std::fmt::Debug + Send;

    /// How many passes are worth running at once, on threads of their own.
    fn at_once(&self) -> usize;

    /// Tokens that a shard of a batch should hold, in a decoder of this width, where a token takes so many bytes at least on the way to a
    /// backward pass: at most so many, and so many at least where a batch that would be one shard is cut in two for two threads.
    fn shard_tokens(&self, width: usize, bytes: usize) -> RangeInclusive<usize>;

    /// Whether activations of so many bytes, on the way to a backward pass, should be computed again there and not kept.
    fn recomputes(&self, bytes: usize) -> bool;

    /// A buffer with these numbers.
    fn upload(&self, values: Vec<Self::Real>) -> Self::Buffer;

    /// A buffer of zeros, in [`Backend::Real`].
    fn zeros(&self, len: usize) -> Self::Buffer;

    /// A weight that stays as its file has it; `columns` is the length of its rows.
    fn freeze(&self, stored: &Stored, columns: usize) -> Self::Frozen;

    /// Weights that stay as their files have them, each with the length of its rows; `None` where there is none.
    fn freeze_all(&self, weights: &[Option<(&Stored, usize)>]) -> Vec<Option<Self::Frozen>> {
        weights.iter().map(|weight| weight.map(|(stored, columns)| self.freeze(stored, columns))).collect()
    }

    /// Places tokens, positions or rows.
    fn place(&self, ids: &[u32]) -> Self::Ids;

    /// Places what queries reach, of keys in the order of the batch.
    fn place_reach(&self, reach: &[Reach]) -> Self::PlacedReach;

    /// Places the rows' ranges.
    fn place_spans(&self, spans: &[Range<usize>]) -> Self::Spans;

    /// Zeros for this many rows and directions.
    fn sums(&self, rows: usize, directions: usize) -> Self::Sums;

    /// What has been summed.
    fn read_sums(&self, sums: Self::Sums) -> RowSums;

    /// The numbers of a buffer.
    fn download(&self, buffer: &Self::Buffer) -> Vec<Self::Real>;

    /// How many numbers a buffer holds.
    fn len(&self, buffer: &Self::Buffer) -> usize;

    /// Makes it this many zeros: of the type that it has, or of activations where it was empty.
    fn zero(&self, buffer: &mut Self::Buffer, len: usize);

    /// Sets every number to zero; what is empty stays so.
    fn clear(&self, buffers: Vec<&mut Self::Buffer>) {
        for buffer in buffers {
            let len = self.len(buffer);
            self.zero(buffer, len);
        }
    }

    /// `out *= factor`
    fn scale(&self, out: &mut Self::Buffer, factor: Self::Real);

    /// `out ⊙= x`
    fn multiply(&self, out: &mut Self::Buffer, x: &Self::Buffer);

    /// `out += factor · x`
    fn add_scaled(&self, out: &mut Self::Buffer, factor: Self::Real, x: &Self::Buffer);

    /// `out += a ⊙ b`
    fn add_product(&self, out: &mut Self::Buffer, a: &Self::Buffer, b: &Self::Buffer);

    /// `Σ ⟨a, b⟩` over pairs of buffers of one length, accumulated in f64 in a fixed order.
    fn dot(&self, pairs: &[(&Self::Buffer, &Self::Buffer)]) -> f64;

    /// The sum of all numbers, accumulated in f64 in a fixed order.
    fn sum(&self, buffers: &[&Self::Buffer]) -> f64;

    /// `out = a · b` or `out += a · b`; `out` is resized when it is replaced.
    fn matmul(&self, out: &mut Self::Buffer, a: Matrix<Self::Buffer>, b: Matrix<Self::Buffer>, write: Write);

    /// `out = factor · a · b`
    fn matmul_scaled(
        &self,
        out: &mut Self::Buffer,
        factor: Self::Real,
        a: Matrix<Self::Buffer>,
        b: Matrix<Self::Buffer>,
    ) {
        self.matmul(out, a, b, Write::Replace);
        self.scale(out, factor);
    }

    /// [`Backend::matmul`] with a weight that nothing moves.
    fn matmul_frozen(&self, out: &mut Self::Buffer, a: Matrix<Self::Buffer>, b: Matrix<Self::Frozen>, write: Write);

    /// `out[i] = table[ids[i]]`, rows of `width` numbers.
    fn gather(&self, out: &mut Self::Buffer, table: &Self::Buffer, ids: &Self::Ids, width: usize);

    /// [`Backend::gather`] from a table that nothing moves.
    fn gather_frozen(&self, out: &mut Self::Buffer, table: &Self::Frozen, ids: &Self::Ids, width: usize);

    /// `rows[i] *= factors[i]`, rows of `width` numbers.
    fn scale_rows(&self, rows: &mut Self::Buffer, factors: &Self::Buffer, width: usize);

    /// `table[ids[i]] += rows[i]`, rows of `width` numbers.
    fn scatter_add(&self, table: &mut Self::Buffer, rows: &Self::Buffer, ids: &Self::Ids, width: usize);

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
    fn rope(&self, x: &mut Self::Buffer, table: &Self::Buffer, positions: &Self::Ids, head_width: usize, inverse: bool);

    /// Softmax attention of each query over the keys it reaches, its scores scaled and bounded as `heads` says. `out` is
    /// like `q` (`[queries, heads.queries · heads.width]`); `weights` keeps what the backward pass needs of the softmax.
    fn attention(
        &self,
        out: &mut Self::Buffer,
        weights: &mut Self::Buffer,
        q: &Self::Buffer,
        k: &Self::Buffer,
        v: &Self::Buffer,
        reach: &Self::PlacedReach,
        heads: Heads,
    );

    /// Gradients `(dq, dk, dv)` at the inputs `(q, k, v)` of [`Backend::attention`], whose `(out, weights)` are `forward`; they are
    /// replaced.
    fn attention_backward(
        &self,
        gradients: (&mut Self::Buffer, &mut Self::Buffer, &mut Self::Buffer),
        dout: &Self::Buffer,
        forward: (&Self::Buffer, &Self::Buffer),
        inputs: (&Self::Buffer, &Self::Buffer, &Self::Buffer),
        reach: &Self::PlacedReach,
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
    fn pick(
        &self,
        log_probs: &Self::Buffer,
        rows: &Self::Ids,
        tokens: &Self::Ids,
        vocabulary: usize,
    ) -> Vec<Self::Real>;

    /// For each of `uniforms`, numbers in `[0, 1)`, the token at which the cumulative probability passes it, by the row of `log_probs` at
    /// the same place in `rows`.
    fn draw(&self, log_probs: &Self::Buffer, rows: &[u32], uniforms: &[f64], vocabulary: usize) -> Vec<u32>;

    /// For each of `rows`, the likeliest tokens by that row of `log_probs`, with their log-probabilities, nats, the likeliest first: as many as
    /// it takes to leave out no more than `tail` of the probability.
    fn likeliest(
        &self,
        log_probs: &Self::Buffer,
        rows: &[u32],
        tail: f64,
        vocabulary: usize,
    ) -> Vec<Vec<(u32, Self::Real)>>;

    /// `log p(words[i])` at row `rows[i]` of `x` (`[_, width]`), in nats: the softmax is that of `x Wᵀ`, bounded by `softcap`
    /// where there is one, with a table `W` (`[vocabulary, width]`) that nothing moves. No logit is kept. Where there
    /// is a `pull`, it becomes the gradient of each at its row of `x`, `[targets, width]`.
    fn target_log_probs(
        &self,
        pull: Option<&mut Self::Buffer>,
        x: &Self::Buffer,
        table: Matrix<Self::Frozen>,
        targets: (&Self::Ids, &Self::Ids),
        softcap: Option<f64>,
    ) -> Vec<Self::Real>;

    /// Turns log-probabilities into the gradient at the logits of `Σ_i weights[i] · (−log p(tokens[i]))`, where
    /// target `i` reads row `rows[i]`: row `= Σ weights · p − weights at the tokens`.
    fn cross_entropy_backward(
        &self,
        log_probs: &mut Self::Buffer,
        rows: &Self::Ids,
        tokens: &Self::Ids,
        weights: &[Self::Real],
        vocabulary: usize,
    );

    /// Adds `⟨G, V_k⟩` and `‖G‖²` of every row's gradient `G = dyᵀx` of a linear layer; `spans` are the rows' ranges
    /// in `x` (`[_, inputs]`) and `dy` (`[_, outputs]`), `shape` is `(inputs, outputs)`. Where there is a `gradient`,
    /// `Σ G` is added to it: the tiles are at hand, so it costs less than a product of its own.
    fn contract_linear(
        &self,
        sums: &mut Self::Sums,
        gradient: Option<&mut Self::Buffer>,
        directions: &[&Self::Buffer],
        x: &Self::Buffer,
        dy: &Self::Buffer,
        spans: &Self::Spans,
        shape: (usize, usize),
    );

    /// The same for a norm's scale, where `G = Σ dy ⊙ x · r`; `x` and `dy` have `heads` rows for each of the spans' positions.
    fn contract_norm(
        &self,
        sums: &mut Self::Sums,
        directions: &[&Self::Buffer],
        x: &Self::Buffer,
        inverse_rms: &Self::Buffer,
        dy: &Self::Buffer,
        spans: &Self::Spans,
        heads: usize,
    );

    /// The same for an embedding table, where `G` adds `dy` to the tokens' rows. Where the output head is the same
    /// table, `tied` is what the backward pass showed of it, and the cross term of the squared norm is added.
    fn contract_embedding(
        &self,
        sums: &mut Self::Sums,
        directions: &[&Self::Buffer],
        tokens: &Self::Ids,
        dy: &Self::Buffer,
        spans: &Self::Spans,
        width: usize,
        tied: Option<TiedHead<'_, Self::Buffer, Self::Spans>>,
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

    /// One Adam step on parameters that decay alike.
    fn adam(&self, moved: Vec<AdamParam<'_, Self::Buffer>>, step: AdamStep);
}
