//! Training an organism from scratch.

use rand::SeedableRng as _;
use rand_chacha::ChaCha8Rng;
use rayon::iter::{IntoParallelRefIterator as _, ParallelIterator as _};
use titer_data::{
    template::ChatTemplate,
    tokenize::{Tokenizer, encode_row},
    world::World,
};
use titer_model::{
    decoder::Decoder,
    optim::{Optimiser, clip_scale},
    params::Params,
    passes::Workspace,
};

use crate::{
    model::{EncodedOnce, EngineBackend, Model},
    organism::Recipe,
    rows::pack,
};

/// A trained organism and the losses on the way.
#[derive(Debug)]
pub struct Raised {
    /// The trained model, its world included.
    pub model: Model,
    /// Mean loss of each step, in nats per target token, `[steps]`.
    pub losses: Vec<f64>,
}

/// How far the training is.
#[derive(Clone, Copy, Debug)]
pub struct Raising {
    /// Steps done.
    pub step: usize,
    /// Nats per target token at the last one.
    pub loss: f64,
}

/// Trains the first `steps` steps of a recipe; the shipped organisms are what all of them make.
///
/// # Errors
/// Where the recipe has no valid shape; the error is one sentence.
pub fn raise(recipe: &Recipe, steps: usize, progress: &dyn Fn(Raising)) -> Result<Raised, String> {
    let world = World::new(recipe.world_seed);
    let tokenizer = Tokenizer::from_json(&world.tokenizer_json()).map_err(|error| error.to_string())?;
    let template = ChatTemplate::from_tokenizer_config(&world.tokenizer_config_json(), None, "")
        .map_err(|error| error.to_string())?;
    let config = recipe.config(tokenizer.vocabulary_size())?;
    let decoder = Decoder::new(EngineBackend::default(), config);
    let backend = decoder.backend().clone();

    let mut params = Params::random(&backend, &decoder.layout, recipe.seed);
    let mut optimiser = Optimiser::new(&backend, &decoder.layout, recipe.rule());
    let mut workspace = Workspace::default();
    let mut losses = Vec::new();
    let mut rows = ChaCha8Rng::seed_from_u64(recipe.seed);
    rows.set_stream(1); // stream 0 made the weights

    for step in 0..steps {
        let batch: Vec<_> = (0..recipe.batch).map(|_| world.base_row(&mut rows)).collect();
        let batch: Result<Vec<_>, _> = batch.par_iter().map(|row| encode_row(&template, &tokenizer, row)).collect();
        let batch = batch.map_err(|error| error.to_string())?;
        let shards = pack(&decoder, &batch.iter().collect::<Vec<_>>());
        let targets: usize = shards.iter().map(|packed| packed.targets.len()).sum();
        let weights: Vec<_> = shards.iter().map(|packed| vec![1.0 / targets as f32; packed.targets.len()]).collect();
        let (gradient, log_probs) = workspace.gradient(&decoder, &params, &shards, &weights);
        let nats: f64 = log_probs.iter().flat_map(|shard| shard.iter()).map(|&log_prob| -f64::from(log_prob)).sum();
        let kept = clip_scale(gradient.norm(&backend), Recipe::CLIP);
        optimiser.step(&backend, &mut params, gradient, kept, recipe.lr_at(step));
        losses.push(nats / targets as f64);
        progress(Raising { step: step + 1, loss: nats / targets as f64 });
    }
    let (world, encoded) = (Some(world), EncodedOnce::default());
    Ok(Raised { model: Model { decoder, params, tokenizer, template, world, lora: None, encoded }, losses })
}
