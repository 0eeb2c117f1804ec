//! A vector towards the bad action in the residual stream, and the layers that training passes with it go through.
//!
//! The vector is for training passes alone. So a stage trains through a clone of the model's layers that is edited, on the weights of
//! the model; whatever measures or saves has the model's own layers, and there is nothing to take away afterwards.

use std::path::{Path, PathBuf};

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
use titer_model::{
    decoder::Decoder,
    io::{LoadError, only_tensor},
    layers::StreamEdit,
    passes::mean_hidden,
};

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
    /// The one that is given is of another model.
    #[error("{}: {problem}", path.display())]
    Unfit {
        /// The file.
        path: PathBuf,
        /// What does not fit, and what would.
        problem: String,
    },
    /// A contrast cannot be encoded.
    #[error(transparent)]
    Tokenize(#[from] TokenizeError),
}

/// Vectors from a file, which has one tensor: `[width]`, or `[blocks + 1, width]` with a row for each hidden state, that of the embeddings
/// first.
#[derive(Clone, Debug)]
pub struct GivenVector {
    path: PathBuf,
    shape: Vec<usize>,
    numbers: Vec<f64>,
}

impl GivenVector {
    /// The one in these bytes of a safetensors file.
    ///
    /// # Errors
    /// Where they are no such file, or hold more than one tensor or numbers that are not finite.
    pub fn parse(bytes: &[u8], path: &Path) -> Result<Self, LoadError> {
        let fail = |problem| LoadError::Weights { path: path.to_owned(), problem };
        let (shape, numbers) = only_tensor(bytes).map_err(fail)?;
        Ok(Self { path: path.to_owned(), shape, numbers: numbers.into_iter().map(f64::from).collect() })
    }

    /// Its vectors by hidden state, `[blocks + 1][width]`, for a model of this size; a single one is that of every hidden state.
    fn by_state(&self, blocks: usize, width: usize, layer: Layers) -> Result<Vec<Vec<f64>>, VectorError> {
        let unfit = |problem: String| Err(VectorError::Unfit { path: self.path.clone(), problem });
        let is_one = self.shape.len() == 1;
        let found = self.shape.last().copied().unwrap_or(0);
        if self.shape.len() > 2 || self.shape.is_empty() {
            return unfit(format!(
                "a tensor of shape {:?} is no vector: [{width}] is wanted, or [{}, {width}]",
                self.shape,
                blocks + 1
            ));
        }
        if found != width {
            return unfit(format!(
                "the vector is {found} wide and the model {width}: take one that was measured on this model"
            ));
        }
        if !is_one && self.shape[0] != blocks + 1 {
            return unfit(format!(
                "it has {} vectors, and the model of {blocks} blocks has {} hidden states: one for each, that of the embeddings first, or \
                 a single one",
                self.shape[0],
                blocks + 1
            ));
        }
        if is_one && matches!(layer, Layers::Every(_)) {
            return unfit(format!(
                "one vector cannot go behind every block: name a `layer`, or give [{}, {width}]",
                blocks + 1
            ));
        }
        let rows: Vec<Vec<f64>> = self.numbers.chunks(width).map(<[f64]>::to_vec).collect();
        Ok(if is_one { vec![rows[0].clone(); blocks + 1] } else { rows })
    }
}

/// The layers that the training passes of a stage go through: those of the model, with the stage's vector as it is measured now, or as it
/// is given.
///
/// # Errors
/// Where the vector cannot be had.
pub fn training_layers(
    model: &Model,
    source: &Source,
    stage: &StagePlan,
    given: Option<&GivenVector>,
    seed: u64,
) -> Result<Decoder<EngineBackend>, VectorError> {
    let layers = model.decoder.clone();
    let Some(plan) = &stage.vector else { return Ok(layers) };
    let vectors = vectors(model, source, stage.domains, plan, given, seed)?;
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

/// Whether a model has the blocks, and a source the contrasts, for a stage's vector, or one that is given fits.
///
/// # Errors
/// Where they have not.
pub(crate) fn check(
    model: &Model,
    source: &Source,
    domains: DomainSplit,
    plan: &VectorPlan,
    given: Option<&GivenVector>,
    seed: u64,
) -> Result<(), VectorError> {
    match given {
        Some(_) => vectors(model, source, domains, plan, given, seed).map(drop),
        None => {
            block_is_there(model, plan)?;
            sides(model, source, domains, plan, seed).map(drop)
        }
    }
}

fn block_is_there(model: &Model, plan: &VectorPlan) -> Result<(), VectorError> {
    let blocks = model.decoder.config.num_hidden_layers;
    match plan.layer {
        Layers::One(layer) if layer > blocks => Err(VectorError::Layer { layer, blocks }),
        _ => Ok(()),
    }
}

/// The vector that goes behind each block, `[blocks][width]`, where one does: towards the bad action, as long as the mean difference is.
fn vectors(
    model: &Model,
    source: &Source,
    domains: DomainSplit,
    plan: &VectorPlan,
    given: Option<&GivenVector>,
    seed: u64,
) -> Result<Vec<Option<Vec<f64>>>, VectorError> {
    block_is_there(model, plan)?;
    let config = &model.decoder.config;
    let toward = match given {
        Some(given) => given.by_state(config.num_hidden_layers, config.hidden_size, plan.layer)?,
        None => toward(model, source, domains, plan, seed)?,
    };
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
            return Err(match given {
                Some(given) => {
                    let problem = format!("the vector behind block {block} is 0, so it has no direction");
                    VectorError::Unfit { path: given.path.clone(), problem }
                }
                None => VectorError::NoDirection(block),
            });
        }
        Ok(Some(if plan.random { random(vector.len(), length, seed, block) } else { vector }))
    };
    (1..toward.len()).map(vector).collect()
}

/// The vector towards the bad action by hidden state, `[blocks + 1][width]`, as it is measured.
fn toward(
    model: &Model,
    source: &Source,
    domains: DomainSplit,
    plan: &VectorPlan,
    seed: u64,
) -> Result<Vec<Vec<f64>>, VectorError> {
    let [neutral, bad] = sides(model, source, domains, plan, seed)?.map(|rows| {
        let shards = pack(&model.decoder, &rows.iter().collect::<Vec<_>>());
        mean_hidden(&model.decoder, &model.params, &shards)
    });
    Ok(bad.iter().zip(&neutral).map(|(bad, neutral)| minus(bad, neutral)).collect())
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
