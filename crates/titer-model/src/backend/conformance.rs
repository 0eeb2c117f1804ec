//! Does a backend compute what it should? Every operation, forward and backward, beside the processor's in f64.
//!
//! A backend over someone else's library meets versions that nobody has tried. So this is not only a test: a library is checked when it
//! is first opened, and an operation that is off is named before it gives wrong numbers to anyone.

use std::ops::Range;

use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use super::{Activation, AdamParam, AdamStep, Backend, Cpu, Heads, Matrix, TiedHead, Write};
use crate::{
    packed::{Packed, Reach},
    real::Real,
    stored::{Dtype, Stored},
};

/// An operation, or a pair of them that belong together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// Numbers in and out, zeros, scale, multiply, add, products added, dot, sum.
    Elementwise,
    /// Matrix products, either side transposed, replaced and added.
    Products,
    /// Products with, and look-ups in, weights that nothing moves.
    Frozen,
    /// Look-ups and their transpose.
    Rows,
    /// Norm, its backward pass, its scale's gradient.
    Norm,
    /// Rotary positions, there and back.
    Rope,
    /// Attention.
    Attention,
    /// Its backward pass.
    AttentionBackward,
    /// The gated activation and its backward pass.
    Gated,
    /// Bounded numbers.
    Softcap,
    /// Log-probabilities, what is picked and drawn from them and which are the likeliest, their gradient.
    Loss,
    /// Log-probabilities of targets without a logit kept.
    FrozenHead,
    /// Contraction of a linear layer.
    ContractLinear,
    /// Contraction of a norm.
    ContractNorm,
    /// Contraction of an embedding, with a tied head and without.
    ContractEmbedding,
    /// Adam, and a direction in its metric.
    Adam,
}

impl Operation {
    /// All of them.
    pub const ALL: [Self; 16] = [
        Self::Elementwise,
        Self::Products,
        Self::Frozen,
        Self::Rows,
        Self::Norm,
        Self::Rope,
        Self::Attention,
        Self::AttentionBackward,
        Self::Gated,
        Self::Softcap,
        Self::Loss,
        Self::FrozenHead,
        Self::ContractLinear,
        Self::ContractNorm,
        Self::ContractEmbedding,
        Self::Adam,
    ];

    /// What messages call it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Elementwise => "elementwise operations",
            Self::Products => "matrix products",
            Self::Frozen => "products with frozen weights",
            Self::Rows => "look-ups",
            Self::Norm => "norms",
            Self::Rope => "rotary positions",
            Self::Attention => "attention",
            Self::AttentionBackward => "the backward pass of attention",
            Self::Gated => "gated activations",
            Self::Softcap => "softcaps",
            Self::Loss => "log-probabilities",
            Self::FrozenHead => "a frozen head's log-probabilities",
            Self::ContractLinear => "contractions of linear layers",
            Self::ContractNorm => "contractions of norms",
            Self::ContractEmbedding => "contractions of embeddings",
            Self::Adam => "Adam's step",
        }
    }
}

/// A batch and sizes for the operations.
#[derive(Clone, Debug)]
pub struct Trial {
    /// Which rows.
    pub packed: Packed,
    /// Head counts, widths, and what becomes of scores.
    pub heads: Heads,
    /// Width of the residual stream, odd where it may be.
    pub width: usize,
    /// Words.
    pub vocabulary: usize,
    /// Directions of contractions.
    pub directions: usize,
    /// Where the random numbers begin.
    pub seed: u64,
}

impl Trial {
    /// Rows of unlike lengths, of these tokens.
    pub fn of_rows(lengths: &[usize]) -> Self {
        let vocabulary = 37;
        let mut packed = Packed::new();
        for (row, &len) in lengths.iter().enumerate() {
            let tokens: Vec<u32> = (0..len).map(|at| ((at * at + 5 * row) % vocabulary) as u32).collect();
            let trained: Vec<bool> = (0..len).map(|at| at > 0 && at * 2 >= len).collect();
            packed.push_row(&tokens, &trained);
        }
        let heads = Heads { queries: 6, keys: 2, width: 10, scale: 0.3, softcap: None };
        Self { packed, heads, width: 23, vocabulary, directions: 3, seed: 7 }
    }
}

/// How far a backend's numbers are off for one operation: for each result the largest difference from the processor's in f64, over the
/// largest number of that result, or a hundredth of the largest of all results where that is more.
pub fn error_of<B: Backend>(backend: &B, operation: Operation, trial: &Trial) -> f64 {
    let expected = numbers(&Cpu::<f64>::new(), operation, trial);
    let found = numbers(backend, operation, trial);
    let lengths = |results: &[Vec<f64>]| results.iter().map(Vec::len).collect::<Vec<_>>();
    if lengths(&expected) != lengths(&found) || found.iter().flatten().any(|number| !number.is_finite()) {
        return f64::INFINITY;
    }
    let largest = |numbers: &[f64]| numbers.iter().fold(0.0, |most: f64, number| most.max(number.abs()));
    let floor = (0.01 * largest(&expected.concat())).max(f64::MIN_POSITIVE);
    let off = |(expected, found): (&Vec<f64>, &Vec<f64>)| {
        let off: Vec<f64> = expected.iter().zip(found).map(|(a, b)| a - b).collect();
        largest(&off) / largest(expected).max(floor)
    };
    expected.iter().zip(&found).map(off).fold(0.0, f64::max)
}

/// Random numbers, the same for all backends.
struct Source(ChaCha8Rng);

impl Source {
    fn numbers(&mut self, len: usize) -> Vec<f64> {
        // f32 numbers, so that all backends begin with the same.
        (0..len).map(|_| f64::from(self.0.random::<f32>() * 2.0 - 1.0)).collect()
    }

    fn buffer<B: Backend>(&mut self, backend: &B, len: usize) -> B::Buffer {
        backend.upload(self.numbers(len).into_iter().map(B::Real::of).collect())
    }

    /// Activations, in the type that a backend has for them: what a product with the unit matrix gives.
    fn activations<B: Backend>(&mut self, backend: &B, rows: usize, width: usize) -> B::Buffer {
        let numbers = self.buffer(backend, rows * width);
        let unit = (0..width * width).map(|at| B::Real::of(if at % (width + 1) == 0 { 1.0 } else { 0.0 }));
        let (mut out, unit) = (B::Buffer::default(), backend.upload(unit.collect()));
        backend.matmul(&mut out, Matrix::new(&numbers, rows, width), Matrix::new(&unit, width, width), Write::Replace);
        out
    }

    fn stored(&mut self, len: usize, dtype: Dtype) -> Stored {
        let bytes: Vec<u8> = self.numbers(len).iter().flat_map(|&number| (number as f32).to_le_bytes()).collect();
        let range = 0..bytes.len();
        Stored::new(std::sync::Arc::new(bytes), range, Dtype::F32).rounded(dtype)
    }
}

/// What an operation gives, one list for each result.
fn numbers<B: Backend>(backend: &B, operation: Operation, trial: &Trial) -> Vec<Vec<f64>> {
    let mut source = Source(ChaCha8Rng::seed_from_u64(trial.seed));
    let read = |buffer: &B::Buffer| backend.download(buffer).into_iter().map(Real::f64).collect::<Vec<f64>>();
    let tokens = trial.packed.tokens.len();
    match operation {
        Operation::Elementwise => {
            let (a, b) = (source.buffer(backend, 101), source.buffer(backend, 101));
            let mut sum = a.clone();
            backend.add_scaled(&mut sum, B::Real::of(0.75), &b);
            backend.scale(&mut sum, B::Real::of(-1.5));
            let mut product = sum.clone();
            backend.multiply(&mut product, &b);
            let mut zeros = b.clone();
            backend.zero(&mut zeros, 7);
            let mut products = a.clone();
            backend.add_product(&mut products, &sum, &b);
            let mut cleared = [a.clone(), backend.zeros(3)];
            backend.clear(cleared.iter_mut().collect());
            let scalars = vec![backend.dot(&[(&a, &b), (&b, &sum)]), backend.sum(&[&b, &sum])];
            vec![
                read(&a),
                read(&sum),
                read(&product),
                read(&zeros),
                read(&backend.zeros(5)),
                read(&products),
                read(&cleared[0]),
                scalars,
            ]
        }
        Operation::Products => products(backend, &mut source, tokens, trial.width).iter().map(read).collect(),
        Operation::Frozen => frozen(backend, &mut source, trial).iter().map(read).collect(),
        Operation::Rows => {
            let (width, ids) = (trial.width, backend.place(&trial.packed.tokens));
            let (mut rows, table) = (B::Buffer::default(), source.buffer(backend, trial.vocabulary * width));
            backend.gather(&mut rows, &table, &ids, width);
            let mut scaled = rows.clone();
            backend.scale_rows(&mut scaled, &source.buffer(backend, tokens), width);
            let mut added = table.clone();
            backend.scatter_add(&mut added, &scaled, &ids, width);
            vec![read(&rows), read(&scaled), read(&added)]
        }
        Operation::Norm => {
            let width = trial.width;
            let (x, dy) = (source.activations(backend, tokens, width), source.activations(backend, tokens, width));
            let scale = source.buffer(backend, width);
            let (mut y, mut inverse_rms) = Default::default();
            backend.rms_norm(&mut y, &mut inverse_rms, &x, &scale, 1e-3);
            let (mut dx, mut dscale) = (source.activations(backend, tokens, width), source.buffer(backend, width));
            backend.rms_norm_backward(&mut dx, &dy, &x, &scale, &inverse_rms);
            backend.rms_norm_scale_gradient(&mut dscale, &dy, &x, &inverse_rms);
            [&y, &inverse_rms, &dx, &dscale].map(read).to_vec()
        }
        Operation::Rope => {
            let (width, heads) = (trial.heads.width, trial.heads.queries);
            let positions = trial.packed.positions.iter().max().map_or(1, |&last| last as usize + 1);
            let table = source.buffer(backend, positions * width);
            let mut x = source.activations(backend, tokens, heads * width);
            let ids = backend.place(&trial.packed.positions);
            backend.rope(&mut x, &table, &ids, width, false);
            let mut back = x.clone();
            backend.rope(&mut back, &table, &ids, width, true);
            vec![read(&x), read(&back)]
        }
        Operation::Attention | Operation::AttentionBackward => {
            let backward = operation == Operation::AttentionBackward;
            let at_outputs: Vec<Reach> =
                trial.packed.outputs.iter().map(|&at| trial.packed.reach[at as usize]).collect();
            let near = |reach: &[Reach]| reach.iter().map(|reach| reach.within(3)).collect::<Vec<_>>();
            let reaches =
                [trial.packed.reach.clone(), at_outputs.clone(), near(&trial.packed.reach), near(&at_outputs)];
            let of = |reach: &Vec<Reach>| attention(backend, &mut source, reach, tokens, trial.heads, backward);
            reaches.iter().flat_map(of).map(|buffer| read(&buffer)).collect()
        }
        Operation::Gated => {
            let mut found = Vec::new();
            for activation in [Activation::Silu, Activation::GeluTanh] {
                let [mut gate, mut up, dout] =
                    std::array::from_fn(|_| source.activations(backend, tokens, trial.width));
                let mut out = B::Buffer::default();
                backend.gated(&mut out, &gate, &up, activation);
                backend.gated_backward(&mut gate, &mut up, &dout, activation);
                found.extend([&out, &gate, &up].map(read));
            }
            found
        }
        Operation::Softcap => {
            let (mut x, mut slopes) = (source.activations(backend, tokens, trial.width), B::Buffer::default());
            backend.softcap(&mut x, &mut slopes, 0.4);
            vec![read(&x), read(&slopes)]
        }
        Operation::Loss => loss(backend, &mut source, trial),
        Operation::FrozenHead => frozen_head(backend, &mut source, trial),
        Operation::ContractLinear | Operation::ContractNorm | Operation::ContractEmbedding => {
            contractions(backend, &mut source, trial, operation)
        }
        Operation::Adam => adam(backend, &mut source),
    }
}

fn products<B: Backend>(backend: &B, source: &mut Source, tokens: usize, width: usize) -> Vec<B::Buffer> {
    let outputs = width + 4;
    let x = source.activations(backend, tokens, width);
    let (w, dy) = (source.buffer(backend, outputs * width), source.activations(backend, tokens, outputs));
    let (a, w) = (Matrix::new(&x, tokens, width), Matrix::new(&w, outputs, width));
    let (mut y, mut dx) = Default::default();
    backend.matmul(&mut y, a, w.t(), Write::Replace);
    let before = y.clone();
    backend.matmul(&mut y, a, w.t(), Write::Add);
    backend.matmul(&mut dx, Matrix::new(&dy, tokens, outputs), w, Write::Replace);
    let mut scaled = B::Buffer::default();
    backend.matmul_scaled(&mut scaled, B::Real::of(0.7), a, w.t());
    let mut gradient = source.buffer(backend, outputs * width);
    backend.matmul(&mut gradient, Matrix::new(&dy, tokens, outputs).t(), a, Write::Add);
    // The first rows of a longer buffer, as biases are added.
    let (ones, bias) = (backend.upload(vec![B::Real::of(1.0); tokens + 3]), source.buffer(backend, outputs));
    backend.matmul(&mut y, Matrix::new(&ones, tokens, 1), Matrix::new(&bias, 1, outputs), Write::Add);
    vec![before, y, dx, scaled, gradient]
}

fn frozen<B: Backend>(backend: &B, source: &mut Source, trial: &Trial) -> Vec<B::Buffer> {
    let (tokens, width, words) = (trial.packed.tokens.len(), trial.width, trial.vocabulary);
    let (mut found, ids) = (Vec::new(), backend.place(&trial.packed.tokens));
    for dtype in Dtype::ALL {
        let stored = source.stored(words * width, dtype);
        let weight = backend.freeze(&stored, width);
        let (x, dy) = (source.activations(backend, tokens, width), source.activations(backend, tokens, words));
        let w = Matrix { data: &weight, rows: words, columns: width, transposed: false };
        let [mut rows, mut y, mut dx] = Default::default();
        backend.gather_frozen(&mut rows, &weight, &ids, width);
        backend.matmul_frozen(&mut y, Matrix::new(&x, tokens, width), w.t(), Write::Replace);
        backend.matmul_frozen(&mut dx, Matrix::new(&dy, tokens, words), w, Write::Replace);
        backend.matmul_frozen(&mut dx, Matrix::new(&dy, tokens, words), w, Write::Add);
        found.extend([rows, y, dx]);
    }
    found
}

fn attention<B: Backend>(
    backend: &B,
    source: &mut Source,
    reach: &[Reach],
    tokens: usize,
    heads: Heads,
    backward: bool,
) -> Vec<B::Buffer> {
    let (queries, keys) = (heads.queries * heads.width, heads.keys * heads.width);
    let q = source.activations(backend, reach.len(), queries);
    let (k, v) = (source.activations(backend, tokens, keys), source.activations(backend, tokens, keys));
    let (reach_of, dout) = (backend.place_reach(reach), source.activations(backend, reach.len(), queries));
    let (mut out, mut weights) = Default::default();
    backend.attention(&mut out, &mut weights, &q, &k, &v, &reach_of, heads);
    if !backward {
        return vec![out];
    }
    let [mut dq, mut dk, mut dv] = Default::default();
    let gradients = (&mut dq, &mut dk, &mut dv);
    backend.attention_backward(gradients, &dout, (&out, &weights), (&q, &k, &v), &reach_of, heads);
    vec![dq, dk, dv]
}

fn targets(packed: &Packed) -> (Vec<u32>, Vec<u32>) {
    packed.targets.iter().map(|target| (target.output, target.token)).unzip()
}

fn loss<B: Backend>(backend: &B, source: &mut Source, trial: &Trial) -> Vec<Vec<f64>> {
    let (outputs, words) = (trial.packed.outputs.len(), trial.vocabulary);
    let (rows, tokens) = targets(&trial.packed);
    let mut logits = source.activations(backend, outputs, words);
    backend.scale(&mut logits, B::Real::of(4.0));
    backend.log_softmax(&mut logits, words);
    let (placed_rows, placed_tokens) = (backend.place(&rows), backend.place(&tokens));
    let read = |numbers: Vec<B::Real>| numbers.into_iter().map(Real::f64).collect::<Vec<f64>>();
    let mut found = vec![read(backend.download(&logits))];
    found.push(read(backend.pick(&logits, &placed_rows, &placed_tokens, words)));
    // Half-way into the share of a word, where rounding does not decide; one of them is the last.
    let shares: Vec<f64> = found[0].iter().map(|log_prob| log_prob.exp()).collect();
    let middle = |row: usize| {
        let word = (row * 7 + words - 1) % words;
        let of_row = &shares[row * words..(row + 1) * words];
        of_row[..word].iter().sum::<f64>() + of_row[word] / 2.0
    };
    let (all, uniforms): (Vec<u32>, Vec<f64>) = (0..outputs).map(|row| (row as u32, middle(row))).unzip();
    let drawn = backend.draw(&logits, &all, &uniforms, words);
    found.push(drawn.into_iter().map(f64::from).collect());
    // In numbers that are not rounded, since which of two is the likelier is a matter of the last digit.
    let mut exact = source.buffer(backend, outputs * words);
    backend.scale(&mut exact, B::Real::of(4.0));
    backend.log_softmax(&mut exact, words);
    for (token, log_prob) in backend.likeliest(&exact, &all, 0.1, words).into_iter().flatten() {
        found.push(vec![f64::from(token), log_prob.f64()]);
    }
    let weights: Vec<B::Real> = source.numbers(rows.len()).into_iter().map(B::Real::of).collect();
    backend.cross_entropy_backward(&mut logits, &placed_rows, &placed_tokens, &weights, words);
    found.push(read(backend.download(&logits)));
    found
}

fn frozen_head<B: Backend>(backend: &B, source: &mut Source, trial: &Trial) -> Vec<Vec<f64>> {
    let (outputs, width, words) = (trial.packed.outputs.len(), trial.width, trial.vocabulary);
    let (rows, tokens) = targets(&trial.packed);
    let (rows, tokens) = (backend.place(&rows), backend.place(&tokens));
    let read = |numbers: Vec<B::Real>| numbers.into_iter().map(Real::f64).collect::<Vec<f64>>();
    let mut found = Vec::new();
    for (dtype, cap) in [(Dtype::Bf16, None), (Dtype::F32, Some(2.5))] {
        let table = backend.freeze(&source.stored(words * width, dtype), width);
        let x = source.activations(backend, outputs, width);
        let table = Matrix::new(&table, words, width);
        let mut pull = B::Buffer::default();
        found.push(read(backend.target_log_probs(Some(&mut pull), &x, table, (&rows, &tokens), cap)));
        found.push(read(backend.download(&pull)));
        found.push(read(backend.target_log_probs(None, &x, table, (&rows, &tokens), cap)));
    }
    found
}

fn contractions<B: Backend>(backend: &B, source: &mut Source, trial: &Trial, operation: Operation) -> Vec<Vec<f64>> {
    let Trial { packed, width, vocabulary, .. } = trial;
    let (tokens, width, words, outputs) = (packed.tokens.len(), *width, *vocabulary, packed.outputs.len());
    let ranges: Vec<Range<usize>> = packed.row_starts.windows(2).map(|at| at[0] as usize..at[1] as usize).collect();
    let first_output = |token: usize| packed.outputs.partition_point(|&at| (at as usize) < token);
    let at_outputs: Vec<Range<usize>> =
        ranges.iter().map(|range| first_output(range.start)..first_output(range.end)).collect();
    let (spans, output_spans) = (backend.place_spans(&ranges), backend.place_spans(&at_outputs));
    let along = |source: &mut Source, len: usize| -> Vec<B::Buffer> {
        (0..trial.directions).map(|_| source.buffer(backend, len)).collect()
    };
    let mut found = Vec::new();
    let mut read = |sums: B::Sums| {
        let sums = backend.read_sums(sums);
        found.push((0..sums.rows()).flat_map(|row| sums.dots(row).to_vec()).collect());
        found.push((0..sums.rows()).map(|row| sums.squared_norm(row)).collect());
    };
    let sums = || backend.sums(ranges.len(), trial.directions);
    let mut gradients = Vec::new();
    match operation {
        Operation::ContractLinear => {
            for (outputs, with_gradient) in [(5, true), (words, false), (5, false)] {
                let (x, dy) =
                    (source.activations(backend, tokens, width), source.activations(backend, tokens, outputs));
                let along = along(source, outputs * width);
                let mut gradient = with_gradient.then(|| source.buffer(backend, outputs * width));
                let mut of = sums();
                let along: Vec<&B::Buffer> = along.iter().collect();
                backend.contract_linear(&mut of, gradient.as_mut(), &along, &x, &dy, &spans, (width, outputs));
                read(of);
                gradients.extend(gradient);
            }
        }
        Operation::ContractNorm => {
            for heads in [1, 3] {
                let [x, dy] = std::array::from_fn(|_| source.activations(backend, tokens * heads, width));
                let (along, inverse_rms) = (along(source, width), source.buffer(backend, tokens * heads));
                let (mut of, along) = (sums(), along.iter().collect::<Vec<_>>());
                backend.contract_norm(&mut of, &along, &x, &inverse_rms, &dy, &spans, heads);
                read(of);
            }
        }
        _ => {
            for is_tied in [false, true] {
                let (ids, dy) = (backend.place(&packed.tokens), source.activations(backend, tokens, width));
                let (x, d_logits) =
                    (source.activations(backend, outputs, width), source.activations(backend, outputs, words));
                let along = along(source, words * width);
                let (mut of, along) = (sums(), along.iter().collect::<Vec<_>>());
                let tied = is_tied.then_some(TiedHead { x: &x, dy: &d_logits, spans: &output_spans });
                backend.contract_embedding(&mut of, &along, &ids, &dy, &spans, width, tied);
                read(of);
            }
        }
    }
    found.extend(gradients.iter().map(|gradient| backend.download(gradient).into_iter().map(Real::f64).collect()));
    found
}

fn adam<B: Backend>(backend: &B, source: &mut Source) -> Vec<Vec<f64>> {
    const LEN: usize = 91;
    let [mut weight, gradient, mut first] = std::array::from_fn(|_| source.buffer(backend, LEN));
    let mut second =
        backend.upload(source.numbers(LEN).into_iter().map(|number| B::Real::of(number * number)).collect());
    let step =
        AdamStep { lr: 0.005, steps: 7, weight_decay: 1.1, beta1: 0.9, beta2: 0.99, eps: 1e-6, gradient_scale: 0.5 };
    let moved = AdamParam { weight: &mut weight, gradient: &gradient, first: &mut first, second: &mut second };
    backend.adam(vec![moved], step);
    let mut direction = source.buffer(backend, LEN);
    backend.add_preconditioned(&mut direction, -0.3, &gradient, &second, 1.7, 1e-6);
    [&weight, &first, &second, &direction]
        .map(|buffer| backend.download(buffer).into_iter().map(Real::f64).collect())
        .to_vec()
}
