//! Every decoder family against transformers (`reference/make_families.py` made the folders), and what must hold for
//! each of them besides.

use std::path::{Path, PathBuf};

use rand::SeedableRng as _;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution as _, StandardNormal};
use safetensors::SafeTensors;
use titer_model::{
    backend::{Backend as _, Cpu},
    decoder::{Decoder, Tape},
    io::{load, open, read_config, save},
    packed::Packed,
    params::{Layout, Params},
    passes::{Accumulate, Workspace, contract, reply_log_probs},
    real::Real,
    shape::{LoraConfig, RopeScaling, Variant},
};

fn folder(family: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/reference/families").join(family)
}

struct Model<T: Real> {
    decoder: Decoder<Cpu<T>>,
    params: Params<Cpu<T>>,
}

impl<T: Real> Model<T> {
    fn open(family: &str) -> Self {
        let (decoder, params) = open(Cpu::new(), &folder(family)).unwrap();
        Self { decoder, params }
    }

    fn gradient(&self, packed: &Packed, weights: &[T]) -> Params<Cpu<T>> {
        let (mut tape, mut gradient) = (Tape::default(), Params::zeros(self.decoder.backend(), &self.decoder.layout));
        self.decoder.forward(&self.params, packed, &mut tape);
        let mut visitor = Accumulate { gradient: &mut gradient };
        self.decoder.backward(&self.params, packed, weights, &mut tape, &mut visitor);
        gradient
    }

    fn loss(&self, params: &Params<Cpu<T>>, packed: &Packed, weights: &[T]) -> f64 {
        let log_probs = self.decoder.forward(params, packed, &mut Tape::default());
        log_probs.iter().zip(weights).map(|(log_prob, weight)| -weight.f64() * log_prob.f64()).sum()
    }
}

/// The rows of the reference: tokens, which of them are targets, weight.
fn rows() -> Vec<(Vec<u32>, Vec<bool>, f64)> {
    let json: serde_json::Value = serde_json::from_slice(&fs_err::read(folder("rows.json")).unwrap()).unwrap();
    let tokens: Vec<Vec<u32>> = serde_json::from_value(json["rows"].clone()).unwrap();
    let trained: Vec<Vec<bool>> = serde_json::from_value(json["trained"].clone()).unwrap();
    let weights: Vec<f64> = serde_json::from_value(json["weights"].clone()).unwrap();
    tokens.into_iter().zip(trained).zip(weights).map(|((tokens, trained), weight)| (tokens, trained, weight)).collect()
}

fn pack<T: Real>(rows: &[(Vec<u32>, Vec<bool>, f64)]) -> (Packed, Vec<T>) {
    let mut packed = Packed::new();
    rows.iter().for_each(|(tokens, trained, _)| packed.push_row(tokens, trained));
    let weights = packed.targets.iter().map(|target| T::of(rows[target.reply as usize].2)).collect();
    (packed, weights)
}

/// Log-probabilities at every token of the reference's rows.
fn every_log_prob<T: Real>(decoder: &Decoder<Cpu<T>>, params: &Params<Cpu<T>>) -> Vec<f64> {
    let mut packed = Packed::new();
    for (mut tokens, ..) in rows() {
        tokens.push(0);
        packed.push_row(&tokens, &(0..tokens.len()).map(|at| at > 0).collect::<Vec<_>>());
    }
    decoder.log_probs(params, &packed, &mut Tape::default()).into_iter().map(Real::f64).collect()
}

fn largest(numbers: impl IntoIterator<Item = f64>) -> f64 {
    numbers.into_iter().fold(0.0, |top, x| top.max(x.abs()))
}

fn distance(a: &[f64], b: &[f64]) -> f64 {
    assert_eq!(a.len(), b.len());
    largest(a.iter().zip(b).map(|(a, b)| a - b))
}

fn agrees_with_transformers<T: Real>(family: &str, of_log_probs: f64, of_gradients: f64) {
    let bytes = fs_err::read(folder(family).join("reference.safetensors")).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let tensor = |name: &str| -> Vec<f64> {
        let quads = file.tensor(name).unwrap().data().as_chunks::<4>().0;
        quads.iter().map(|&quad| f64::from(f32::from_le_bytes(quad))).collect()
    };
    let model = Model::<T>::open(family);
    let logits = (0..rows().len()).flat_map(|row| tensor(&format!("logits/{row}"))).collect::<Vec<_>>();
    let log_softmax = |row: &[f64]| {
        let log_sum = row.iter().map(|x| x.exp()).sum::<f64>().ln();
        row.iter().map(|x| x - log_sum).collect::<Vec<_>>()
    };
    let wanted: Vec<f64> = logits.chunks_exact(model.decoder.config.vocab_size).flat_map(log_softmax).collect();
    let error = distance(&every_log_prob(&model.decoder, &model.params), &wanted);
    assert!(error < of_log_probs, "{family}: log-probabilities are off by {error:e}");

    let (packed, weights) = pack(&rows());
    let gradient = model.gradient(&packed, &weights);
    assert_eq!(file.names().iter().filter(|name| name.starts_with("gradient/")).count(), gradient.buffers.len());
    for (spec, found) in model.decoder.layout.specs.iter().zip(&gradient.buffers) {
        let wanted = tensor(&format!("gradient/{}", spec.name));
        let found: Vec<f64> = found.iter().map(|x| x.f64()).collect();
        let error = distance(&found, &wanted) / largest(wanted);
        assert!(error < of_gradients, "{family}: gradient of {}: relative error {error:e}", spec.name);
    }
}

/// The same weights with part of the variant taken away.
fn without(family: &str, change: impl Fn(&mut Variant)) -> f64 {
    let Model { decoder, params } = Model::<f64>::open(family);
    let mut config = decoder.config.clone();
    change(&mut config.variant);
    assert_ne!(config, decoder.config, "{family} does not have it");
    let changed = Decoder::new(Cpu::new(), config);
    distance(&every_log_prob(&changed, &params), &every_log_prob(&decoder, &params))
}

/// Rows and contrasts, in one batch; and each of them by itself.
fn mixed() -> (Packed, Vec<Packed>) {
    let push: [&dyn Fn(&mut Packed); 4] = [
        &|packed| {
            packed.push_row(&[7, 3, 9, 9, 1, 4, 60, 2, 8], &[false, true, false, true, true, true, true, false, true])
        },
        &|packed| packed.push_contrast(&[5, 6, 5, 12, 33, 2], [[4, 9, 5, 6, 7, 1, 3].as_slice(), &[8]]),
        &|packed| packed.push_row(&[1, 2, 3], &[false, false, true]),
        &|packed| packed.push_contrast(&[40, 41], [[4, 9, 11].as_slice(), &[8, 9]]),
    ];
    let (mut all, mut each) = (Packed::new(), vec![Packed::new(); 4]);
    push.iter().for_each(|push| push(&mut all));
    push.iter().zip(&mut each).for_each(|(push, alone)| push(alone));
    (all, each)
}

fn random(layout: &Layout, seed: u64) -> Params<Cpu<f64>> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let draw = |len: usize| (0..len).map(|_| StandardNormal.sample(&mut rng)).collect::<Vec<f64>>();
    let trained = layout.specs.iter().map(|spec| if spec.trained { spec.len() } else { 0 });
    Params { buffers: trained.map(draw).collect() }
}

/// Contraction against one backward pass per row, and both against central differences.
fn contracts(model: &Model<f64>, family: &str) {
    let (decoder, backend) = (&model.decoder, model.decoder.backend());
    let directions: Vec<_> = (1..=3).map(|seed| random(&decoder.layout, seed)).collect();
    let (all, each) = mixed();
    let weigh = |at: usize| [1.0, -0.5, 2.0][at % 3];
    let weights: Vec<f64> = (0..all.targets.len()).map(weigh).collect();
    let shards = [all.clone()];
    let (sums, _) =
        contract(&Workspace::default(), decoder, &model.params, &shards, std::slice::from_ref(&weights), &directions);
    let mut weights = weights.as_slice();
    for (row, alone) in each.iter().enumerate() {
        let (own, rest) = weights.split_at(alone.targets.len());
        weights = rest;
        let brute = model.gradient(alone, own);
        let norm = brute.norm(backend);
        assert!((sums.squared_norm(row).sqrt() / norm - 1.0).abs() < 1e-10, "{family}: norm of row {row}");
        for (found, direction) in sums.dots(row).iter().zip(&directions) {
            let scale = norm * direction.norm(backend);
            let error = (found - brute.dot(backend, direction)).abs() / scale;
            assert!(error < 1e-10, "{family}: row {row} is off by {error:e}");
            let moved = |step: f64| {
                let mut params = model.params.clone();
                for (to, along) in params.buffers.iter_mut().zip(&direction.buffers).filter(|(_, v)| !v.is_empty()) {
                    backend.add_scaled(to, step, along);
                }
                model.loss(&params, alone, own)
            };
            let error = ((moved(1e-5) - moved(-1e-5)) / 2e-5 - found).abs() / scale;
            assert!(error < 1e-6, "{family}: row {row} is off its central difference by {error:e}");
        }
    }
}

fn contracts_with_adapters(family: &str) {
    let config = LoraConfig::all(2);
    let Model { decoder, params } = Model::<f64>::open(family);
    let decoder = decoder.with_lora(&config);
    let mut params = params.with_lora(decoder.backend(), &decoder.layout, 1);
    let moved = random(&decoder.layout, 9);
    for (to, along) in params.buffers.iter_mut().zip(&moved.buffers).filter(|(_, along)| !along.is_empty()) {
        decoder.backend().add_scaled(to, 0.1, along);
    }
    let adapters = decoder.layout.specs.iter().filter(|spec| spec.trained).count();
    let layers = if family == "phi3" { 2 } else { 7 }; // the others of Phi 3 are parts of tensors
    assert_eq!(adapters, 2 * layers * decoder.config.num_hidden_layers);
    contracts(&Model { decoder, params }, family);
}

fn shares_contexts(family: &str) {
    let model = Model::<f64>::open(family);
    let (context, replies) = ([3, 1, 4, 1, 5, 9, 2], [[2, 6, 5, 3, 5, 8].as_slice(), &[3], &[5, 8, 9, 7]]);
    let (mut shared, mut separate) = (Packed::new(), Packed::new());
    shared.push_contrast(&context, replies);
    for reply in replies {
        let tokens = [&context, reply].concat();
        separate.push_row(&tokens, &(0..tokens.len()).map(|at| at >= context.len()).collect::<Vec<_>>());
    }
    let score =
        |packed: &Packed| reply_log_probs(packed, &model.decoder.forward(&model.params, packed, &mut Tape::default()));
    assert!(distance(&score(&shared), &score(&separate)) < 1e-12, "{family}");
    let pull = |packed: &Packed| {
        let weights: Vec<f64> = packed.targets.iter().map(|target| [1.0, -1.0, 0.5][target.reply as usize]).collect();
        model.gradient(packed, &weights)
    };
    let (shared, mut separate) = (pull(&shared), pull(&separate));
    separate.add_scaled(&Cpu::new(), -1.0, &shared);
    assert!(separate.norm(&Cpu::new()) / shared.norm(&Cpu::new()) < 1e-12, "{family}");
}

fn reads_back(family: &str) {
    let Model { decoder, params } = Model::<f64>::open(family);
    let (json, weights) = save(decoder.backend(), &decoder.config, &decoder.layout, &params, 3);
    let mut config = read_config(&json, Path::new("config.json")).unwrap();
    assert_eq!(config.head_width(), decoder.config.head_width());
    config.head_dim = decoder.config.head_dim; // not every file names it
    assert_eq!(config, decoder.config);
    let read = load(decoder.backend(), &decoder.layout, &weights, Path::new("model.safetensors")).unwrap();
    let error = largest(read.buffers.iter().flatten().zip(params.buffers.iter().flatten()).map(|(a, b)| a - b));
    assert!(error < 1e-7, "{family}: weights change by {error:e}");
}

macro_rules! families {
    ($($family:ident)*) => {$(
        mod $family {
            const NAME: &str = stringify!($family);

            #[test]
            fn agrees_with_transformers_in_f64() {
                super::agrees_with_transformers::<f64>(NAME, 1e-5, 1e-5); // the reference's softmax is f32
            }

            #[test]
            fn agrees_with_transformers_in_f32() {
                super::agrees_with_transformers::<f32>(NAME, 2e-5, 1e-4);
            }

            #[test]
            fn contraction_is_one_backward_per_row() {
                super::contracts(&super::Model::open(NAME), NAME);
            }

            #[test]
            fn contraction_of_adapters_is_one_backward_per_row() {
                super::contracts_with_adapters(NAME);
            }

            #[test]
            fn replies_that_share_a_context_score_and_pull_as_if_alone() {
                super::shares_contexts(NAME);
            }

            #[test]
            fn what_is_saved_reads_back() {
                super::reads_back(NAME);
            }
        }
    )*};
}

families! {
    llama mistral qwen2 qwen3 smollm3 gemma gemma2 gemma3 olmo2 olmo3 granite phi3 llama_yarn llama_dynamic llama_longrope
}

#[test]
fn every_departure_from_plain_llama_matters_in_its_folder() {
    let stretch = |variant: &mut Variant| variant.rope_scaling = RopeScaling::Plain;
    let window = |variant: &mut Variant| variant.sliding = None;
    let rotate = |variant: &mut Variant| variant.unrotated.clear();
    let local = |variant: &mut Variant| variant.sliding.as_mut().unwrap().rope_theta = None;
    let scalar = |variant: &mut Variant| variant.query_pre_attn_scalar = None;
    let scores = |variant: &mut Variant| variant.attention_softcap = None;
    let logits = |variant: &mut Variant| variant.logit_softcap = None;
    let gate = |variant: &mut Variant| variant.activation = Default::default();
    let unscaled = |variant: &mut Variant| {
        let RopeScaling::Yarn { attention, .. } = &mut variant.rope_scaling else { unreachable!() };
        *attention = 1.0;
    };
    let embedding = |variant: &mut Variant| variant.multipliers.as_mut().unwrap().embedding = 1.0;
    let attention = |variant: &mut Variant| variant.multipliers.as_mut().unwrap().attention = 1.0;
    let residual = |variant: &mut Variant| variant.multipliers.as_mut().unwrap().residual = 1.0;
    let divisor = |variant: &mut Variant| variant.multipliers.as_mut().unwrap().logits = 1.0;
    let changes = [
        ("llama", without("llama", stretch)),
        ("mistral", without("mistral", window)),
        ("qwen2", without("qwen2", window)),
        ("smollm3", without("smollm3", window)),
        ("smollm3", without("smollm3", rotate)),
        ("gemma2", without("gemma2", window)),
        ("gemma2", without("gemma2", scalar)),
        ("gemma2", without("gemma2", scores)),
        ("gemma2", without("gemma2", logits)),
        ("gemma2", without("gemma2", gate)),
        ("gemma3", without("gemma3", stretch)),
        ("gemma3", without("gemma3", window)),
        ("gemma3", without("gemma3", local)),
        ("gemma3", without("gemma3", scalar)),
        ("gemma", without("gemma", gate)),
        ("olmo3", without("olmo3", stretch)),
        ("olmo3", without("olmo3", window)),
        ("olmo3", without("olmo3", local)),
        ("granite", without("granite", embedding)),
        ("granite", without("granite", attention)),
        ("granite", without("granite", residual)),
        ("granite", without("granite", divisor)),
        ("phi3", without("phi3", stretch)),
        ("phi3", without("phi3", window)),
        ("llama_yarn", without("llama_yarn", stretch)),
        ("llama_yarn", without("llama_yarn", unscaled)),
        ("llama_longrope", without("llama_longrope", stretch)),
    ];
    for (at, (family, change)) in changes.into_iter().enumerate() {
        assert!(change > 0.02, "{family}, change {at}: log-probabilities move by {change} only");
    }
}
