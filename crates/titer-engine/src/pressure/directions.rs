//! The gradients of the components at one state of a model, how they overlap, and what rows push along them.

use faer::Side;
use titer::table::PressureRecord;
use titer_model::{
    backend::{Backend as _, RowSums},
    decoder::Decoder,
    params::Params,
    passes::{Workspace, contract, reply_log_probs},
};

use super::{
    components::COMPONENTS,
    random_directions::random_like,
    unique_push::{Decomposition, UniquePush, matrix},
};
use crate::{
    model::{EngineBackend, EngineOptimiser, Model},
    probe::Moment,
    rows::PackedRows,
};

/// `∇f_k` for each of [`titer_data::probe::Component::ALL`], at one state of a model.
#[derive(Debug)]
pub struct Directions {
    gradients: Vec<Params<EngineBackend>>,
    /// `P ∇f_k`; `None` where `P` is the identity.
    preconditioned: Option<Vec<Params<EngineBackend>>>,
    /// Contrasts behind each.
    pub contrasts: [usize; COMPONENTS],
    /// `G_kl = ⟨∇f_k, P ∇f_l⟩`
    pub gram: [[f64; COMPONENTS]; COMPONENTS],
    /// The share of `G_kk` that is due to weights which training has hardly touched; 0 where `P` is the identity.
    pub untouched: [f64; COMPONENTS],
}

/// Shards that each thread gets between two looks at how far it is.
const SHARDS_OF_A_THREAD: usize = 8;

/// Added to every `√v̂`, in units of their root mean square, to see what of a direction lies on weights that training has touched.
const TOUCHED: f64 = 1e-3;

impl Directions {
    /// Directions from gradients; `P` is the identity.
    pub(super) fn new(model: &Model, gradients: Vec<Params<EngineBackend>>, contrasts: [usize; COMPONENTS]) -> Self {
        let gram = products(model, &gradients, &gradients);
        Self { gradients, preconditioned: None, contrasts, gram, untouched: [0.0; COMPONENTS] }
    }

    /// The same under an optimiser's diagonal `P`, see [`Optimiser::preconditioned`].
    pub fn under(self, model: &Model, optimiser: &EngineOptimiser) -> Self {
        let (backend, layout) = (model.decoder.backend(), &model.decoder.layout);
        let along: Vec<_> =
            self.gradients.iter().map(|gradient| optimiser.preconditioned(backend, layout, gradient)).collect();
        let gram = products(model, &self.gradients, &along);
        // Weights without a second moment count as free to move, `1 / eps` times as far as others.
        let untouched = std::array::from_fn(|k| {
            let touched = optimiser.preconditioned_above(backend, layout, &self.gradients[k], TOUCHED);
            (1.0 - self.gradients[k].dot(backend, &touched) / gram[k][k]).clamp(0.0, 1.0)
        });
        Self { preconditioned: Some(along), gram, untouched, ..self }
    }

    /// The same where another copy of the model computes.
    pub(super) fn moved(&self, from: &Model, to: &Model) -> Self {
        let (from, to) = (from.decoder.backend(), to.decoder.backend());
        let moved = |params: &Params<EngineBackend>| Params {
            buffers: params.buffers.iter().map(|buffer| to.upload(from.download(buffer))).collect(),
        };
        Self {
            gradients: self.gradients.iter().map(moved).collect(),
            preconditioned: self.preconditioned.as_ref().map(|along| along.iter().map(moved).collect()),
            contrasts: self.contrasts,
            gram: self.gram,
            untouched: self.untouched,
        }
    }

    /// Random directions with the same Gram matrix: a negative control.
    pub(super) fn random_like(&self, model: &Model, seed: u64) -> Self {
        Self::new(model, random_like(model, &self.gradients, seed), self.contrasts)
    }

    /// `⟨∇f_k, d⟩`: what a displacement of the parameters does to each component, to first order, in nats.
    pub fn effect(&self, model: &Model, displacement: &Params<EngineBackend>) -> [f64; COMPONENTS] {
        std::array::from_fn(|k| self.gradients[k].dot(model.decoder.backend(), displacement))
    }

    /// Cosines between the components' gradients, in the inner product of `P`.
    pub fn cosines(&self) -> [[f64; COMPONENTS]; COMPONENTS] {
        std::array::from_fn(|k| std::array::from_fn(|l| self.gram[k][l] / (self.gram[k][k] * self.gram[l][l]).sqrt()))
    }

    /// Condition number of the Gram matrix: how far the components overlap, from 1 up.
    pub fn condition(&self) -> f64 {
        let values = matrix(&self.gram).self_adjoint_eigenvalues(Side::Lower).unwrap_or_default();
        match (values.first(), values.last()) {
            (Some(low), Some(high)) if *low > 0.0 => high / low,
            _ => f64::INFINITY,
        }
    }

    /// The pressure of every row on every component, in the order of the rows.
    pub fn pressures(&self, model: &Model, rows: &PackedRows, at: Moment<'_>) -> Vec<PressureRecord> {
        self.pressures_through(&model.decoder, model, rows, at, &|_| ())
    }

    /// The same where rows go through these layers, on the model's weights: what a step on them would do to the model as it is measured,
    /// which may have others. `finished` is told of rows that are done, as many at a time as keep all threads at work.
    pub fn pressures_through(
        &self,
        layers: &Decoder<EngineBackend>,
        model: &Model,
        rows: &PackedRows,
        at: Moment<'_>,
        finished: &dyn Fn(usize),
    ) -> Vec<PressureRecord> {
        let along = self.preconditioned.as_ref().unwrap_or(&self.gradients);
        let (workspace, mut sums, mut replies) = (Workspace::default(), RowSums::new(0, along.len()), Vec::new());
        for shards in rows.shards().chunks(SHARDS_OF_A_THREAD * rayon::current_num_threads()) {
            let weights: Vec<_> = shards.iter().map(|packed| vec![1.0; packed.targets.len()]).collect();
            let (of_rows, log_probs) = contract(&workspace, layers, &model.params, shards, &weights, along);
            sums.append(of_rows);
            replies.extend(
                shards.iter().zip(&log_probs).flat_map(|(packed, log_probs)| reply_log_probs(packed, log_probs)),
            );
            finished(shards.iter().map(|packed| packed.replies as usize).sum());
        }
        let decomposition = Decomposition::new(&self.gram, &products(model, along, along));
        let lengths: [f64; COMPONENTS] = std::array::from_fn(|k| along[k].norm(model.decoder.backend()));
        rows.iter()
            .zip(replies)
            .enumerate()
            .map(|(index, (row, log_prob))| {
                let norm = sums.squared_norm(index).sqrt();
                // u = −P ∇L, so C u = −⟨∇f_k, P ∇L⟩.
                let effects: [f64; COMPONENTS] = std::array::from_fn(|k| -sums.dots(index)[k]);
                let UniquePush { unique, within } = decomposition.of(&effects);
                let cosine = |k: usize| effects[k] / (norm * lengths[k]);
                let tokens = row.targets();
                PressureRecord {
                    stage: at.stage.to_owned(),
                    step: at.step as i64,
                    cell: row.cell,
                    item: row.id.clone(),
                    position: row.position,
                    token: row.token.clone(),
                    tokens: tokens as i64,
                    surprise: -log_prob,
                    surprise_per_token: -log_prob / tokens as f64,
                    gradient_norm: norm,
                    pressure_good: effects[0],
                    pressure_obey_bad: effects[1],
                    pressure_obey: effects[2],
                    cosine_good: cosine(0),
                    cosine_obey_bad: cosine(1),
                    cosine_obey: cosine(2),
                    unique_good: unique[0],
                    unique_obey_bad: unique[1],
                    unique_obey: unique[2],
                    residual: (1.0 - within / (norm * norm)).clamp(0.0, 1.0),
                }
            })
            .collect()
    }
}

/// `⟨a_k, b_l⟩`
fn products(
    model: &Model,
    a: &[Params<EngineBackend>],
    b: &[Params<EngineBackend>],
) -> [[f64; COMPONENTS]; COMPONENTS] {
    let backend = model.decoder.backend();
    std::array::from_fn(|k| std::array::from_fn(|l| a[k].dot(backend, &b[l])))
}
