//! The kernel: how rows of every kind move every margin, measured once on one model.
//!
//! The reply of a row is good, bad or neither. With `q` the probability that it is either and `σ(x)` that it is then the
//! good one, `∇log p(good) = σ(−x) D + ρ O` and `∇log p(bad) = −σ(x) D + ρ O`, where `D = ∇x`, `O = (1 − q₀) ∇z` with
//! `z = log q/(1 − q)`, and `ρ = (1 − q)/(1 − q₀)` is 1 at the start. So every kind of prompt has two directions, `D` and
//! `O`, and two margins, `x` and `z`, which say how hard its rows push along them. Rows of a kind differ in `x`, those of long
//! replies by hundreds of nats: the mean of `σ(−x)` is taken to be `σ(−x / s)`, with the spread `s` of normal log-odds.
//!
//! Plain gradient descent needs the products of directions with the gradients of margins. Adam divides every coordinate by
//! the root of its second moment, which depends on the mix; so products are kept by *bucket*, a set of coordinates whose
//! second moments under the kinds of rows have the same proportions, and there the division can be done for any mix:
//!
//! ```text
//! ⟨P D_j, ∇m_l⟩ = Σ_b K_jlb / √v_b,    v_b = Σ_jk c_j c_k Q_jkb + Σ_kind noise_b
//! ```

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use titer_data::{
    cell::PromptKind,
    probe::{Component, ProbePrompts},
    world::DomainSplit,
};

use crate::{results::Split, stats::logistic};

/// What a kernel was measured on. A forecast for anything else is refused.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct About {
    /// The model's name.
    pub base: String,
    /// Hash of everything that it computes with.
    pub model: String,
    /// Hash of the user's rows and contrasts; empty for those of an organism's world.
    pub data: String,
    /// What is trained of it and how it is held, in words; empty for all weights as they are in their file.
    pub held: String,
    /// The seed of rows and contrasts.
    pub seed: u64,
    /// Rows of each kind.
    pub rows: usize,
    /// Contrasts of each probe whose gradient was taken.
    pub contrasts: usize,
    /// Contrasts of each probe that were measured.
    pub items: usize,
    /// Optimiser steps that the model had behind it.
    pub step: usize,
    /// Whether there are buckets, so that Adam can be forecast.
    pub adam: bool,
}

impl About {
    /// Of the analytic toy.
    pub(super) fn toy() -> Self {
        let text = || String::from("toy");
        Self {
            base: text(),
            model: text(),
            data: String::new(),
            held: String::new(),
            seed: 0,
            rows: 1,
            contrasts: 1,
            items: 1,
            step: 0,
            adam: true,
        }
    }
}

/// The rows of one kind of prompt.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Kind {
    /// The kind.
    pub prompt: PromptKind,
    /// The request domains; none for a user's own rows.
    #[serde(serialize_with = "or_empty", deserialize_with = "none_if_empty")]
    pub domains: Option<DomainSplit>,
    /// `x` at the start: log-odds of the good action against the bad one, nats.
    pub action: f64,
    /// `s = √(1 + π v / 8)` with the variance `v` of the rows' `x`, nats; 1 where all rows are alike.
    pub spread: f64,
    /// `z` at the start: log-odds of either action against all other replies, nats.
    pub known: f64,
    /// Whether good and bad replies were there to be measured.
    pub shown: [bool; 2],
}

impl Kind {
    /// A kind of rows that are alike, with margin `action` and a probability of other replies.
    pub fn new(prompt: PromptKind, domains: Option<DomainSplit>, action: f64, other: f64, shown: [bool; 2]) -> Self {
        let other = other.clamp(1e-9, 1.0 - 1e-9);
        Self { prompt, domains, action, spread: 1.0, known: ((1.0 - other) / other).ln(), shown }
    }

    /// The probability of replies that are neither good nor bad, at the start.
    pub fn other(&self) -> f64 {
        logistic(-self.known)
    }
}

/// A margin that is forecast.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ProbeOutput {
    /// The component.
    pub component: Component,
    /// Which prompts.
    pub prompts: ProbePrompts,
    /// Which request domains.
    pub domains: DomainSplit,
    /// The mean margin at the start, nats.
    pub margin: f64,
    /// Log-odds of each measured contrast's rate at the start, nats.
    pub rates: Vec<f64>,
}

impl ProbeOutput {
    /// A margin with its contrasts' log-odds.
    pub fn new(split: Split, margin: f64, rates: Vec<f64>) -> Self {
        let Split { component, prompts, domains } = split;
        Self { component, prompts, domains, margin, rates }
    }

    /// Which probe of a run it is.
    pub fn split(&self) -> Split {
        Split { component: self.component, prompts: self.prompts, domains: self.domains }
    }

    /// The rate once the margin has moved by `change`: every contrast's log-odds move by as much.
    pub fn rate(&self, change: f64) -> f64 {
        let moved = self.rates.iter().map(|rate| logistic(rate + change));
        moved.sum::<f64>() / self.rates.len().max(1) as f64
    }
}

/// Domains as a kernel's file has them: empty where its kinds do not differ in them.
#[expect(clippy::ref_option, reason = "serde gives a reference")]
fn or_empty<S: Serializer>(domains: &Option<DomainSplit>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(domains.map_or("", DomainSplit::word))
}

/// The same read back.
fn none_if_empty<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<DomainSplit>, D::Error> {
    let text = String::deserialize(deserializer)?;
    (!text.is_empty()).then(|| text.parse().map_err(D::Error::custom)).transpose()
}

/// Products of directions `j` with gradients `l` of margins: for plain descent, and by bucket.
#[derive(Clone, Debug, PartialEq)]
pub struct KernelProducts {
    /// How many margins.
    pub outputs: usize,
    /// How many buckets.
    pub buckets: usize,
    /// `⟨D_j, ∇m_l⟩`, `[directions][outputs]`
    pub plain: Vec<f64>,
    /// `Σ_{c in b} D_jc ∇m_lc / √s_c` with the coordinate's scale `s`, `[directions][outputs][buckets]`
    pub by_bucket: Vec<f64>,
}

/// Second moments of rows' gradients.
#[derive(Clone, Debug, PartialEq)]
pub struct Moments {
    /// How many directions: two for each kind.
    pub directions: usize,
    /// How many buckets.
    pub buckets: usize,
    /// `⟨D_j, D_k⟩`, `[directions][directions]`
    pub gram: Vec<f64>,
    /// Traces of the covariance of a kind's rows, of (D, D), (D, O) and (O, O), `[kinds][3]`
    pub noise: Vec<f64>,
    /// Means of `D_j D_k / s` over the coordinates of a bucket, `[directions][directions][buckets]`
    pub squares: Vec<f64>,
    /// The same of the covariances, `[kinds][3][buckets]`
    pub noise_by_bucket: Vec<f64>,
    /// Mean of `√s` over the coordinates of a bucket, for Adam's `eps`, `[buckets]`
    pub scale: Vec<f64>,
}

impl KernelProducts {
    /// Of few coordinates, each of which has scale 1 and is in the bucket that `bucket` says.
    pub(super) fn of<const P: usize>(
        buckets: usize,
        directions: &[[f64; P]],
        outputs: &[[f64; P]],
        bucket: impl Fn(usize) -> usize,
    ) -> Self {
        let mut plain = Vec::new();
        let mut by_bucket = vec![0.0; directions.len() * outputs.len() * buckets];
        for (j, direction) in directions.iter().enumerate() {
            for (l, output) in outputs.iter().enumerate() {
                plain.push((0..P).map(|c| direction[c] * output[c]).sum());
                for c in 0..P {
                    by_bucket[(j * outputs.len() + l) * buckets + bucket(c)] += direction[c] * output[c];
                }
            }
        }
        Self { outputs: outputs.len(), buckets, plain, by_bucket }
    }
}

impl Moments {
    /// Of few coordinates with scale 1, where all rows of a kind are alike.
    pub(super) fn of<const P: usize>(buckets: usize, directions: &[[f64; P]], bucket: impl Fn(usize) -> usize) -> Self {
        let count = directions.len();
        let mut size = vec![0.0; buckets];
        (0..P).for_each(|c| size[bucket(c)] += 1.0);
        let mut gram = vec![0.0; count * count];
        let mut squares = vec![0.0; count * count * buckets];
        for j in 0..count {
            for k in 0..count {
                for c in 0..P {
                    let product = directions[j][c] * directions[k][c];
                    gram[j * count + k] += product;
                    squares[(j * count + k) * buckets + bucket(c)] += product / size[bucket(c)];
                }
            }
        }
        let kinds = count / 2;
        let (noise, noise_by_bucket) = (vec![0.0; kinds * 3], vec![0.0; kinds * 3 * buckets]);
        Self { directions: count, buckets, gram, noise, squares, noise_by_bucket, scale: vec![1.0; buckets] }
    }
}

/// A kernel that was measured again at pilots, in the same buckets: what counts depends on how far the model has gone, from the
/// base model to its pilots in proportion to a kind's log-odds `x`, as where a gate opens.
#[derive(Clone, Debug, PartialEq)]
pub struct Gate {
    /// The kind of prompt.
    pub kind: usize,
    /// Its `x` at the pilots, nats.
    pub at_pilots: f64,
    /// The products at the pilots.
    pub whole: KernelProducts,
    /// The same with one group of rows and contrasts left out at a time.
    pub replicas: Vec<KernelProducts>,
    /// Second moments at the pilots.
    pub moments: Moments,
}

/// Everything that a forecast needs to know of a model.
#[derive(Clone, Debug, PartialEq)]
pub struct Kernel {
    /// What it was measured on.
    pub about: About,
    /// The kinds of rows; kind `k` has directions `2k` (D) and `2k + 1` (O).
    pub kinds: Vec<Kind>,
    /// The margins that are forecast. In a contraction they are followed by `D` and `O` of every kind, which move `x` and `z`.
    pub probes: Vec<ProbeOutput>,
    /// Whether it changes along the way.
    pub gate: Option<Gate>,
    /// The products, from all rows and contrasts.
    pub whole: KernelProducts,
    /// The same with one group of rows and contrasts left out at a time: for the sampling error.
    pub replicas: Vec<KernelProducts>,
    /// Second moments.
    pub moments: Moments,
}

impl Kernel {
    /// The kind with this prompt; in these domains, where kinds differ in them.
    pub fn kind(&self, prompt: PromptKind, domains: DomainSplit) -> Option<usize> {
        self.kinds.iter().position(|kind| kind.prompt == prompt && kind.domains.is_none_or(|known| known == domains))
    }

    /// The probe that leads a component: seen prompts in trained domains.
    pub fn leading(&self, component: Component) -> Option<usize> {
        self.probes.iter().position(|probe| probe.split() == Split::leading(component))
    }
}
