//! The components as functionals of the parameters: mean margins over contrasts, their values and gradients.

use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use titer_data::{
    probe::{Component, Contrast, Probe, Side},
    source::Source,
    tokenize::{EncodedContrast, TokenizeError},
    world::ProbeUse,
};
use titer_model::{
    packed::Packed,
    params::Params,
    passes::{Workspace, reply_log_probs, score},
};

use super::{COMPONENTS, Directions};
use crate::{
    model::{EngineBackend, Model},
    rows::pack_contrasts,
};

/// `f_k = mean over contrasts of (log p⁺ − log p⁻)` for each of [`Component::ALL`], in nats; contrasts encoded once.
#[derive(Debug)]
pub struct Margins([Margin; COMPONENTS]);

/// One of them: a mean margin over contrasts of one component.
#[derive(Debug)]
pub struct Margin {
    /// How many.
    pub(super) contrasts: usize,
    shards: Vec<Packed>,
    /// +1, −1 or 0 for every reply of every shard: what it counts for in the margin.
    signs: Vec<Vec<f32>>,
}

impl Margins {
    /// The margins on a source's contrasts with seen and paraphrased prompts in trained domains, `items` of each kind.
    ///
    /// # Errors
    /// Where a contrast cannot be encoded.
    pub fn of_source(
        model: &Model,
        source: &Source,
        probe_use: ProbeUse,
        seed: u64,
        items: usize,
    ) -> Result<Self, TokenizeError> {
        Self::of_probes(model, &source.probes(probe_use, seed, items))
    }

    /// The margins on the contrasts of those of these probes that are differentiated, see [`Probe::is_differentiated`].
    ///
    /// # Errors
    /// Where a contrast cannot be encoded.
    pub fn of_probes(model: &Model, probes: &[Probe]) -> Result<Self, TokenizeError> {
        let of_component = |component: Component| -> Vec<&Contrast> {
            let wanted = probes.iter().filter(|probe| probe.component == component && probe.is_differentiated());
            wanted.flat_map(|probe| &probe.contrasts).collect()
        };
        Self::new(model, Component::ALL.map(of_component))
    }

    /// The margins on these contrasts, at least one for each component.
    ///
    /// # Errors
    /// Where a contrast cannot be encoded.
    pub fn new(model: &Model, contrasts: [Vec<&Contrast>; COMPONENTS]) -> Result<Self, TokenizeError> {
        let each: Vec<Margin> =
            contrasts.iter().map(|contrasts| Margin::new(model, contrasts)).collect::<Result<_, _>>()?;
        Ok(Self(each.try_into().expect("one for each component")))
    }

    /// The same contrasts with the sides of about half of them swapped at random: a negative control.
    pub fn swapped(&self, seed: u64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut swap = |margin: &Margin| {
            let signs = margin.signs.iter().map(|signs| {
                let sign = |pair: &[f32]| if rng.random() { [pair[1], pair[0]] } else { [pair[0], pair[1]] };
                signs.chunks_exact(2).flat_map(sign).collect()
            });
            Margin { signs: signs.collect(), shards: margin.shards.clone(), contrasts: margin.contrasts }
        };
        Self(std::array::from_fn(|k| swap(&self.0[k])))
    }

    /// Contrasts behind each component.
    pub fn contrasts(&self) -> [usize; COMPONENTS] {
        std::array::from_fn(|k| self.0[k].contrasts)
    }

    /// `f_k`, nats a reply.
    pub fn values(&self, model: &Model) -> [f64; COMPONENTS] {
        self.each(model).map(|margins| margins.iter().sum::<f64>() / margins.len() as f64)
    }

    /// The margin of every contrast of each component, nats a reply.
    pub fn each(&self, model: &Model) -> [Vec<f64>; COMPONENTS] {
        std::array::from_fn(|k| self.0[k].each(model))
    }

    /// `∇f_k` at this state of the model.
    pub fn directions(&self, model: &Model) -> Directions {
        let mut workspace = Workspace::default();
        let gradients = self.0.iter().map(|margin| margin.look(model, &mut workspace).1).collect();
        Directions::new(model, gradients, self.contrasts())
    }
}

impl Margin {
    /// The mean margin over these contrasts.
    ///
    /// # Errors
    /// Where one cannot be encoded.
    pub fn new(model: &Model, contrasts: &[&Contrast]) -> Result<Self, TokenizeError> {
        let encode = |contrast: &&Contrast| {
            let encoded = model.encoded(contrast)?;
            // The baseline context belongs to the gap, and only two replies to the margin.
            let in_margin = |(side, _): &(Side, Vec<u32>)| matches!(side, Side::Plus | Side::Minus);
            let replies = encoded.replies.iter().filter(|reply| in_margin(reply)).cloned().collect();
            Ok(EncodedContrast { id: encoded.id.clone(), context: encoded.context.clone(), replies, baseline: None })
        };
        let encoded = contrasts.iter().map(encode).collect::<Result<Vec<_>, TokenizeError>>()?;
        let sign = |side: Side| if side == Side::Plus { 1.0 } else { -1.0 };
        let mut all = encoded.iter().flat_map(|contrast| &contrast.replies).map(|(side, _)| sign(*side));
        let shards = pack_contrasts(&model.decoder, &encoded);
        let signs = shards.iter().map(|packed| all.by_ref().take(packed.replies as usize).collect()).collect();
        Ok(Self { contrasts: encoded.len(), shards, signs })
    }

    /// The margin of every contrast, nats a reply.
    pub fn each(&self, model: &Model) -> Vec<f64> {
        self.signed(score(&model.decoder, &model.params, &self.shards).iter().map(Vec::as_slice))
    }

    fn signed<'a>(&self, scores: impl Iterator<Item = &'a [f32]>) -> Vec<f64> {
        let signed = |((packed, signs), scores): ((&Packed, &Vec<f32>), &[f32])| -> Vec<f64> {
            let replies = reply_log_probs(packed, scores);
            replies.iter().zip(signs).map(|(reply, sign)| reply * f64::from(*sign)).collect()
        };
        let replies: Vec<f64> = self.shards.iter().zip(&self.signs).zip(scores).flat_map(signed).collect();
        replies.chunks_exact(2).map(|pair| pair[0] + pair[1]).collect()
    }

    /// The mean log-probability of the replies on one side of the margin, 1 for the plus and −1 for the minus, in nats.
    pub fn side(&self, model: &Model, side: f32) -> f64 {
        let scores = score(&model.decoder, &model.params, &self.shards);
        let shards = self.shards.iter().zip(&scores).zip(&self.signs);
        let on_side = |((packed, scores), signs): ((&Packed, &Vec<f32>), &Vec<f32>)| -> f64 {
            let replies = reply_log_probs(packed, scores);
            replies.iter().zip(signs).filter(|(_, sign)| **sign == side).map(|(reply, _)| reply).sum()
        };
        shards.map(on_side).sum::<f64>() / self.contrasts as f64
    }

    /// The margin of every contrast, nats a reply, and the gradient of their mean; one pass gives both.
    pub fn look(&self, model: &Model, workspace: &mut Workspace<EngineBackend>) -> (Vec<f64>, Params<EngineBackend>) {
        // The engine's weights are on −log p.
        let share = -1.0 / self.contrasts as f32;
        let weights = |(packed, signs): (&Packed, &Vec<f32>)| -> Vec<f32> {
            packed.targets.iter().map(|target| share * signs[target.reply as usize]).collect()
        };
        let weights: Vec<Vec<f32>> = self.shards.iter().zip(&self.signs).map(weights).collect();
        let (gradient, scores) = workspace.gradient(&model.decoder, &model.params, &self.shards, &weights);
        (self.signed(scores.into_iter()), gradient.clone())
    }
}
