//! A vector towards the bad action in the residual stream, and the layers that training passes with it go through.
//!
//! The vector is for training passes alone. So a stage trains through a clone of the model's layers that is edited, on the weights of
//! the model; whatever measures or saves has the model's own layers, and there is nothing to take away afterwards.

use rand::SeedableRng as _;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution as _, StandardNormal};
use titer::plan::{EveryLayer, Layers, StagePlan, VectorPlan, VectorUse};
use titer_data::{
    probe::{Component, Contrast},
    source::Source,
    tokenize::{Encoded, TokenizeError},
    world::DomainSplit,
};
use titer_model::{decoder::Decoder, layers::StreamEdit, passes::mean_hidden};

use crate::{
    model::{EngineBackend, Model},
    rows::{pack, plus_and_minus},
};

/// Why a stage cannot have its vector.
#[derive(Debug, thiserror::Error)]
pub enum VectorError {
    /// The model has fewer blocks.
    #[error(
        "there is no block {layer} to put a vector behind: the model has {blocks}; name one of 1 to {blocks}, or \"all\""
    )]
    Layer {
        /// The block, from 1.
        layer: usize,
        /// How many there are.
        blocks: usize,
    },
    /// There is nothing to measure it on.
    #[error(
        "the vector is measured on replies of more than one token in contrasts of `{0}`, and there are none: add some, or leave the \
         vector out"
    )]
    None(&'static str),
    /// It is zero.
    #[error(
        "the vector has no direction behind block {0}: bad replies under bad prompts and good ones under neutral prompts leave the same \
         there"
    )]
    NoDirection(usize),
    /// A contrast cannot be encoded.
    #[error(transparent)]
    Tokenize(#[from] TokenizeError),
}

/// The layers that the training passes of a stage go through: those of the model, with the stage's vector as it is measured now.
///
/// # Errors
/// Where the vector cannot be had.
pub fn training_layers(
    model: &Model,
    source: &Source,
    stage: &StagePlan,
    seed: u64,
) -> Result<Decoder<EngineBackend>, VectorError> {
    let layers = model.decoder.clone();
    let Some(plan) = &stage.vector else { return Ok(layers) };
    let vectors = vectors(model, source, stage.domains, plan, seed)?;
    let edit = |vector: &Option<Vec<f64>>| {
        let (backend, vector) = (model.decoder.backend(), vector.as_ref()?);
        Some(match plan.used {
            VectorUse::Add { alpha } => {
                StreamEdit::add(backend, &vector.iter().map(|number| alpha * number).collect::<Vec<_>>())
            }
            VectorUse::Remove => StreamEdit::remove(backend, vector),
        })
    };
    Ok(layers.edited(vectors.iter().map(edit).collect()))
}

/// Whether a model has the blocks, and a source the contrasts, for a stage's vector.
///
/// # Errors
/// Where they have not.
pub(crate) fn check(
    model: &Model,
    source: &Source,
    domains: DomainSplit,
    plan: &VectorPlan,
    seed: u64,
) -> Result<(), VectorError> {
    let blocks = model.decoder.config.num_hidden_layers;
    if let Layers::One(layer) = plan.layer
        && layer > blocks
    {
        return Err(VectorError::Layer { layer, blocks });
    }
    sides(model, source, domains, plan, seed).map(drop)
}

/// The vector that goes behind each block, `[blocks][width]`, where one does: towards the bad action, as long as the mean difference is.
fn vectors(
    model: &Model,
    source: &Source,
    domains: DomainSplit,
    plan: &VectorPlan,
    seed: u64,
) -> Result<Vec<Option<Vec<f64>>>, VectorError> {
    check(model, source, domains, plan, seed)?;
    let [neutral, bad] = sides(model, source, domains, plan, seed)?.map(|rows| {
        let shards = pack(&model.decoder, &rows.iter().collect::<Vec<_>>());
        mean_hidden(&model.decoder, &model.params, &shards)
    });
    let toward: Vec<Vec<f64>> = bad.iter().zip(&neutral).map(|(bad, neutral)| minus(bad, neutral)).collect();
    let behind = |block: usize| match (plan.layer, plan.used) {
        (Layers::One(layer), _) => (layer == block).then(|| toward[block].clone()),
        // Blocks add to one stream, so what was added behind one is still there behind the next.
        (Layers::Every(EveryLayer::All), VectorUse::Add { .. }) => Some(minus(&toward[block], &toward[block - 1])),
        (Layers::Every(EveryLayer::All), VectorUse::Remove) => Some(toward[block].clone()),
    };
    let vector = |block: usize| {
        let Some(vector) = behind(block) else { return Ok(None) };
        let length = length(&vector);
        if !(length.is_finite() && length > 0.0) {
            return Err(VectorError::NoDirection(block));
        }
        Ok(Some(if plan.random { random(vector.len(), length, seed, block) } else { vector }))
    };
    (1..toward.len()).map(vector).collect()
}

/// Good replies under neutral prompts, and bad ones to the same requests under bad prompts, marked where the stream is read: at every
/// token of a reply but for the one that closes it.
fn sides(
    model: &Model,
    source: &Source,
    domains: DomainSplit,
    plan: &VectorPlan,
    seed: u64,
) -> Result<[Vec<Encoded>; 2], VectorError> {
    let [good, obey_bad] = source.context_pairs(domains, seed, plan.contrasts);
    let of = |component: Component, contrasts: &[Contrast]| {
        let rows = contrasts.iter().map(|contrast| {
            let encoded = model.encoded(contrast)?;
            let (context, (_, reply)) = (&encoded.context, &encoded.replies[plus_and_minus(&encoded).0]);
            // What predicts a marked token is read, so the first of the reply stays unmarked.
            let trained: Vec<bool> = (0..context.len() + reply.len()).map(|at| at > context.len()).collect();
            Ok(Encoded { tokens: [&context[..], reply].concat(), trained })
        });
        let mut rows = rows.collect::<Result<Vec<Encoded>, TokenizeError>>()?;
        rows.retain(|row| row.trained.contains(&true));
        if rows.is_empty() { Err(VectorError::None(component.word())) } else { Ok(rows) }
    };
    Ok([of(Component::Good, &good)?, of(Component::ObeyBad, &obey_bad)?])
}

/// A random vector of this length.
fn random(width: usize, of_length: f64, seed: u64, block: usize) -> Vec<f64> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(block as u64);
    let drawn: Vec<f64> = (0..width).map(|_| StandardNormal.sample(&mut rng)).collect();
    let scale = of_length / length(&drawn);
    drawn.into_iter().map(|number| scale * number).collect()
}

fn minus(a: &[f64], b: &[f64]) -> Vec<f64> {
    a.iter().zip(b).map(|(a, b)| a - b).collect()
}

fn length(vector: &[f64]) -> f64 {
    vector.iter().map(|number| number * number).sum::<f64>().sqrt()
}
