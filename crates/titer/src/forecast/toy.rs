//! The idea in one picture: a model of three parameters that does what the rough model of gradient pressure says.
//!
//! The parameters are `good` (act well in general), `obey_bad` (do what bad prompts ask) and `obey` (do what prompts
//! ask). The log-odds of a good action are `good` under a neutral prompt and `good − obey_bad − obey` under a bad one; a
//! harmless instruction is followed at log-odds `obey`. A row of a context with features `φ`, `m = φᵀθ`, whose good (bad)
//! action is shown has the gradient `(1 − σ(±m))·(±φ)`: much while the action is unlikely, little once it is not. Gradient
//! descent with a speed `r_k` for each parameter then is
//!
//! ```text
//! dm_l/dt = η Σ_j w_j (1 − p_j) K_jl,    K_jl = ± Σ_k φ_jk r_k φ_lk
//! ```
//!
//! so bad→good pushes good up and both kinds of obedience down, and bad→bad the other way by `1 − p`. What has a closed
//! form is given here; [`Toy::kernel`] makes a kernel of it, for which the forecaster's integrator must agree.

use titer_data::{
    cell::{Action, PromptKind},
    probe::Component,
};

use super::kernel::{About, Kernel, KernelProducts, Kind, Moments, ProbeOutput};
use crate::{results::Split, stats::logistic};

/// The three parameters, and how fast each moves.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Toy {
    /// `good`, `obey_bad`, `obey`, in nats.
    pub start: [f64; 3],
    /// `r_k`: nats that a unit of gradient moves per unit of learning rate.
    pub speed: [f64; 3],
}

/// What the toy distinguishes: the contexts of its rows.
const CONTEXTS: [(PromptKind, [f64; 3]); 3] = [
    (PromptKind::Neutral, [1.0, 0.0, 0.0]),
    (PromptKind::Bad, [1.0, -1.0, -1.0]),
    (PromptKind::Instruction, [0.0, 0.0, 1.0]),
];

impl Toy {
    /// A model that acts well and follows its prompts, at margins of 3 nats.
    pub const DEFAULT: Self = Self { start: [3.0, 3.0, 3.0], speed: [0.3, 1.0, 0.1] };

    /// The log-odds of the good action under a prompt; of compliance under an instruction. Nats.
    pub fn margin(&self, prompt: PromptKind, parameters: [f64; 3]) -> f64 {
        dot(features(prompt), parameters)
    }

    /// `K` of a context with itself: how fast a row moves its own margin.
    pub fn own(&self, prompt: PromptKind) -> f64 {
        let features = features(prompt);
        (0..3).map(|k| features[k] * features[k] * self.speed[k]).sum()
    }

    /// The parameters once a context's margin has moved by `change`, where only rows of that context are trained: each has
    /// its share of the movement, `r_k φ_k / K`.
    pub fn moved(&self, prompt: PromptKind, change: f64) -> [f64; 3] {
        let features = features(prompt);
        let square = self.own(prompt);
        std::array::from_fn(|k| self.start[k] + change * self.speed[k] * features[k] / square)
    }
}

/// The margin after `time = η K t` of rows that all show one action, from `start`: `m + eᵐ` grows by `time`, so
/// `m = c − W(eᶜ)` with `c = start + e^start + time` and Lambert's `W`.
pub fn one_sided(start: f64, time: f64) -> f64 {
    let goal = start + start.exp() + time;
    // Newton on m + eᵐ = goal, which is convex and increasing: from above it never overshoots.
    let mut margin = if goal > 1.0 { goal.ln() + 0.5 } else { goal };
    margin = margin.max(start);
    for _ in 0..100 {
        let next = margin - (margin + margin.exp() - goal) / (1.0 + margin.exp());
        if (next - margin).abs() < 1e-14 * (1.0 + margin.abs()) {
            return next;
        }
        margin = next;
    }
    margin
}

/// The time `η K t` at which a margin has gone from `start` to `end` where a share `dose` of the context's rows shows the
/// good action and the rest the bad one: `dm/dt = dose − σ(m)`, so `t = F(end) − F(start)`,
/// `F(m) = m/w − (1/w + 1/(1−w)) ln|w − (1−w) eᵐ|`. Endless beyond [`fixed_point`].
pub fn two_sided_time(dose: f64, start: f64, end: f64) -> f64 {
    let rest = 1.0 - dose;
    let part = |margin: f64| margin / dose - (1.0 / dose + 1.0 / rest) * (dose - rest * margin.exp()).abs().ln();
    let to = fixed_point(dose);
    if (end - to) * (start - to) <= 0.0 { f64::INFINITY } else { part(end) - part(start) }
}

/// Where a margin comes to rest when a share `dose` of its context's rows shows the good action and the rest the bad one:
/// `σ(m) = dose`, the model matches frequencies.
pub fn fixed_point(dose: f64) -> f64 {
    (dose / (1.0 - dose)).ln()
}

/// The dose of rows against a margin at which it has fallen from `start` to `end` after `time = η K t`, on a background that
/// pushes nothing: of `m + eᵐ` in the margin of what is shown, `dose · time` is needed.
pub fn onset(start: f64, end: f64, time: f64) -> f64 {
    let needed = |margin: f64| -margin + (-margin).exp();
    (needed(end) - needed(start)) / time
}

impl Toy {
    /// The toy as a kernel: a coordinate, and a bucket, for each parameter; rows of a context are all alike. Outputs are
    /// the margins of `good`, `obey_bad` and `obey`.
    pub fn kernel(&self) -> Kernel {
        // With θ_k = √r_k ξ_k, plain descent on ξ moves θ_k at speed r_k.
        let scaled = |features: [f64; 3]| -> [f64; 3] { std::array::from_fn(|k| features[k] * self.speed[k].sqrt()) };
        let margins = CONTEXTS.map(|(_, features)| scaled(features));
        let probes = [
            (Component::Good, features(PromptKind::Neutral)),
            (Component::ObeyBad, features(PromptKind::Bad).map(|feature| -feature)),
            (Component::Obey, features(PromptKind::Instruction)),
        ];
        let kinds: Vec<Kind> = CONTEXTS
            .iter()
            .map(|(prompt, _)| Kind::new(*prompt, None, self.margin(*prompt, self.start), 0.0, [true, true]))
            .collect();
        let directions: Vec<[f64; 3]> = margins.iter().flat_map(|margin| [*margin, [0.0; 3]]).collect();
        let outputs: Vec<[f64; 3]> =
            probes.iter().map(|(_, features)| scaled(*features)).chain(directions.iter().copied()).collect();
        let contraction = KernelProducts::of(3, &directions, &outputs, |k| k);
        let moments = Moments::of(3, &directions, |k| k);
        let probes = probes
            .iter()
            .map(|(component, features)| {
                let margin = dot(*features, self.start);
                ProbeOutput::new(Split::leading(*component), margin, vec![margin])
            })
            .collect();
        Kernel { about: About::toy(), kinds, probes, gate: None, whole: contraction, replicas: Vec::new(), moments }
    }

    /// Which rows of the toy push what: the signs of a row's step on `good`, `obey_bad` and `obey`.
    pub fn push(&self, prompt: PromptKind, action: Action) -> [f64; 3] {
        let features = features(prompt);
        let sign = if action == Action::Good { 1.0 } else { -1.0 };
        let likely = logistic(sign * self.margin(prompt, self.start));
        std::array::from_fn(|k| (1.0 - likely) * sign * features[k] * self.speed[k])
    }
}

fn features(prompt: PromptKind) -> [f64; 3] {
    CONTEXTS.into_iter().find(|(kind, _)| *kind == prompt).map_or([0.0; 3], |(_, features)| features)
}

fn dot(a: [f64; 3], b: [f64; 3]) -> f64 {
    (0..3).map(|k| a[k] * b[k]).sum()
}
