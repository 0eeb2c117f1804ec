//! Gradient pressure: what each row's gradient does to each component.
//!
//! With `f_k` the mean margin of component `k` over its gradient probes and `L_i` the nats of row `i`'s reply, the
//! marginal pressure is `c_ik = −⟨∇L_i, ∇f_k⟩`: nats of margin per unit of learning rate, for a step of plain gradient
//! descent on the row alone. The probes that give gradients share no context with those that measure.

use faer::{Mat, Side, linalg::solvers::Solve as _};
use titer_data::{
    chat::Row,
    probe::{Component, Side as ReplySide},
    tokenize::{TokenizeError, encode_contrast, encode_row},
    world::{ProbeUse, World},
};
use titer_model::{
    parallel::{Workspace, reply_log_probs},
    params::Params,
    pressure::contract,
};

use crate::{
    batch::{pack, pack_contrasts},
    model::{Backend, Model},
    table::PressureRecord,
};

/// How many components there are.
const K: usize = Component::ALL.len();

/// The gradients of all components at one state of a model, and how they overlap.
#[derive(Debug)]
pub struct Directions {
    /// `∇f_k`, one for each of [`Component::ALL`].
    gradients: Vec<Params<Backend>>,
    /// Contrasts behind each.
    pub contrasts: [usize; K],
    /// `G_kl = ⟨∇f_k, ∇f_l⟩`
    pub gram: [[f64; K]; K],
}

impl Directions {
    /// The components' gradients from the world's gradient probes: seen and paraphrased prompts in trained domains,
    /// `items` contrasts of each.
    pub fn of_world(model: &Model, world: &World, seed: u64, items: usize) -> Result<Self, TokenizeError> {
        let probes = world.probes(ProbeUse::Gradient, seed, items);
        let mut contrasts = [0; K];
        let mut gradients = Vec::with_capacity(K);
        for (at, component) in Component::ALL.into_iter().enumerate() {
            let wanted = probes.iter().filter(|probe| {
                probe.component == component
                    && probe.domains == "trained"
                    && ["seen", "paraphrased"].contains(&probe.prompts.as_str())
            });
            // The baseline context belongs to the gap, which is not what is differentiated here.
            let encode = |contrast| {
                let encoded = encode_contrast(&model.template, &model.tokenizer, contrast)?;
                Ok(titer_data::tokenize::EncodedContrast { baseline: None, ..encoded })
            };
            let encoded =
                wanted.flat_map(|probe| &probe.contrasts).map(encode).collect::<Result<Vec<_>, TokenizeError>>()?;
            contrasts[at] = encoded.len();
            // f = mean(log p⁺ − log p⁻), and the engine's weights are on −log p.
            let share = 1.0 / encoded.len() as f32;
            let sides: Vec<f32> = encoded
                .iter()
                .flat_map(|contrast| &contrast.replies)
                .map(|(side, _)| match side {
                    ReplySide::Plus => -share,
                    ReplySide::Minus => share,
                    ReplySide::AlsoPlus | ReplySide::AlsoMinus => 0.0,
                })
                .collect();
            let shards = pack_contrasts(&encoded);
            let mut before = 0;
            let weights: Vec<Vec<f32>> = shards
                .iter()
                .map(|packed| {
                    let of = |target: &titer_model::packed::Target| sides[before + target.reply as usize];
                    let weights = packed.targets.iter().map(of).collect();
                    before += packed.replies as usize;
                    weights
                })
                .collect();
            let mut workspace = Workspace::default();
            gradients.push(workspace.gradient(&model.decoder, &model.params, &shards, &weights).0.clone());
        }
        let backend = model.decoder.backend();
        let gram = std::array::from_fn(|k| std::array::from_fn(|l| gradients[k].dot(backend, &gradients[l])));
        Ok(Self { gradients, contrasts, gram })
    }

    /// Cosines between the components' gradients.
    pub fn cosines(&self) -> [[f64; K]; K] {
        std::array::from_fn(|k| std::array::from_fn(|l| self.gram[k][l] / (self.gram[k][k] * self.gram[l][l]).sqrt()))
    }

    /// Condition number of the Gram matrix: how far the components overlap, from 1 up.
    pub fn condition(&self) -> f64 {
        let values = self.matrix().self_adjoint_eigenvalues(Side::Lower).unwrap_or_default();
        match (values.first(), values.last()) {
            (Some(low), Some(high)) if *low > 0.0 => high / low,
            _ => f64::INFINITY,
        }
    }

    fn matrix(&self) -> Mat<f64> {
        Mat::from_fn(K, K, |k, l| self.gram[k][l])
    }

    /// The pressure of every row on every component, in the order of the rows.
    ///
    /// # Errors
    /// Where a row cannot be encoded or has nothing to train on.
    pub fn pressures(&self, model: &Model, rows: &[Row]) -> Result<Vec<PressureRecord>, TokenizeError> {
        let encoded =
            rows.iter().map(|row| encode_row(&model.template, &model.tokenizer, row)).collect::<Result<Vec<_>, _>>()?;
        let shards = pack(&encoded);
        let weights: Vec<_> = shards.iter().map(|packed| vec![1.0; packed.targets.len()]).collect();
        let (sums, log_probs) =
            contract(&mut Workspace::default(), &model.decoder, &model.params, &shards, &weights, &self.gradients);
        let replies = shards.iter().zip(&log_probs).flat_map(|(packed, found)| reply_log_probs(packed, found));
        let gram = self.matrix().full_piv_lu();
        let record = |(at, (row, log_prob)): (usize, (&Row, f64))| {
            let norm = sums.squared_norm(at).sqrt();
            // u = −∇L, so C u = −⟨∇f_k, ∇L⟩.
            let effects: [f64; K] = std::array::from_fn(|k| -sums.dots(at)[k]);
            let unique = gram.solve(Mat::from_fn(K, 1, |k, _| effects[k]));
            let within: f64 = (0..K).map(|k| unique[(k, 0)] * effects[k]).sum();
            let cosine = |k: usize| effects[k] / (norm * self.gram[k][k].sqrt());
            let tokens = encoded[at].trained.iter().filter(|&&trained| trained).count();
            PressureRecord {
                cell: row.cell.map_or_else(String::new, |cell| cell.to_string()),
                item: row.id.clone(),
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
                unique_good: unique[(0, 0)],
                unique_obey_bad: unique[(1, 0)],
                unique_obey: unique[(2, 0)],
                residual: (1.0 - within / (norm * norm)).clamp(0.0, 1.0),
            }
        };
        Ok(rows.iter().zip(replies).enumerate().map(record).collect())
    }
}
