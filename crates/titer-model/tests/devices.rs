//! A whole decoder of every family gives on torch what it gives on the processor: passes, gradients, contractions, steps, draws; all weights
//! and adapters on frozen ones; with every block's activations kept, and with blocks computed again; with a residual stream that is edited; with
//! adapters attached frozen.
//!
//! Torch is looked for as `torch/mod.rs` says.

mod torch;

use std::path::{Path, PathBuf};

use titer_model::{
    backend::{Backend, Cpu, KernelUse, Torch, TorchDevice},
    decoder::{Decoder, Detached, Tape},
    io::{Weights, read_config},
    layers::StreamEdit,
    optim::{Booking, Optimiser, Shares, UpdateRule},
    packed::Packed,
    params::Params,
    passes::{Tree, Workspace, contract, contract_and_add_up, mean_hidden, sample},
    real::Real,
    shape::LoraConfig,
    stored::Dtype,
};

use torch::torches;

const FAMILIES: [&str; 15] = [
    "gemma",
    "gemma2",
    "gemma3",
    "granite",
    "llama",
    "llama_dynamic",
    "llama_longrope",
    "llama_yarn",
    "mistral",
    "olmo2",
    "olmo3",
    "phi3",
    "qwen2",
    "qwen3",
    "smollm3",
];

fn folder(family: &str) -> PathBuf {
    // Where it was built, or at the root of a checkout elsewhere: `benches/device.sh` takes the built program along.
    let built = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/reference/families").join(family);
    if built.exists() { built } else { Path::new("crates/titer-model/tests/reference/families").join(family) }
}

/// Which weights training moves.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Trained {
    All,
    /// Adapters, on weights that stay in their file in this type.
    Adapters(Dtype),
}

fn open<B: Backend>(backend: B, family: &str, trained: Trained) -> (Decoder<B>, Params<B>) {
    let path = folder(family).join("config.json");
    let decoder = Decoder::new(backend, read_config(&fs_err::read(&path).unwrap(), &path).unwrap());
    let weights = Weights::of_folder(&decoder.layout, &folder(family)).unwrap();
    let Trained::Adapters(dtype) = trained else {
        let params = weights.upload(decoder.backend(), &decoder.layout);
        return (decoder, params);
    };
    let weights = weights.rounded(&decoder.layout, dtype).unwrap();
    let (decoder, params) = weights.keep(decoder);
    let decoder = decoder.with_lora(&LoraConfig::all(3));
    let mut params = params.with_lora(decoder.backend(), &decoder.layout, 5);
    // `B` begins at zero, where `A` has no gradient.
    params.add_scaled(decoder.backend(), 1.0, &waves(&decoder, 0.02, 5));
    (decoder, params)
}

/// Numbers for everything that is trained.
fn waves<B: Backend>(decoder: &Decoder<B>, size: f64, seed: usize) -> Params<B> {
    let len = |spec: &titer_model::params::ParamSpec| if spec.trained { spec.len() } else { 0 };
    let wave = |at: usize| B::Real::of(size * ((at * 7 + seed * 13) as f64).sin());
    let buffers = decoder.layout.specs.iter().map(|spec| decoder.backend().upload((0..len(spec)).map(wave).collect()));
    Params { buffers: buffers.collect() }
}

/// Rows and contrasts in two shards.
fn batch() -> Vec<Packed> {
    let mut rows = Packed::new();
    rows.push_row(&[7, 3, 9, 9, 1, 4, 60, 2, 8], &[false, true, false, true, true, true, true, false, true]);
    rows.push_row(&[1, 2, 3], &[false, false, true]);
    let mut contrasts = Packed::new();
    contrasts.push_contrast(&[5, 6, 5, 12, 33, 2], [[4, 9, 5, 6, 7, 1, 3].as_slice(), &[8]]);
    contrasts.push_contrast(&[40, 41], [[4, 9, 11].as_slice(), &[8, 9]]);
    vec![rows, contrasts]
}

/// What a decoder gives, by name.
fn results<B: Backend>((decoder, mut params): (Decoder<B>, Params<B>)) -> Vec<(&'static str, Vec<f64>)> {
    let (backend, shards) = (decoder.backend().clone(), batch());
    let read = |params: &Params<B>| -> Vec<f64> {
        params.buffers.iter().flat_map(|buffer| backend.download(buffer)).map(Real::f64).collect()
    };
    let weights: Vec<Vec<B::Real>> = shards
        .iter()
        .map(|packed| (0..packed.targets.len()).map(|at| B::Real::of([1.0, -0.5, 2.0][at % 3])).collect())
        .collect();
    let mut workspace = Workspace::default();
    let (gradient, log_probs) = workspace.gradient(&decoder, &params, &shards, &weights);
    let log_probs = log_probs.concat().into_iter().map(Real::f64).collect();
    let mut found = vec![("log-probabilities", log_probs), ("gradient", read(gradient))];
    let directions = [1, 2, 3].map(|seed| waves(&decoder, 0.3, seed));
    let of = |sums: &titer_model::backend::RowSums| -> (Vec<f64>, Vec<f64>) {
        let rows = 0..sums.rows();
        (
            rows.clone().flat_map(|row| sums.dots(row).to_vec()).collect(),
            rows.map(|row| sums.squared_norm(row)).collect(),
        )
    };
    let (sums, _) = contract(&workspace, &decoder, &params, &shards, &weights, &directions);
    let (dots, norms) = of(&sums);
    let (sums, gradient, _) = contract_and_add_up(&mut workspace, &decoder, &params, &shards, &weights, &directions);
    let gradient = read(gradient);
    let (fused_dots, fused_norms) = of(&sums);
    found.extend([("inner products", dots), ("squared norms", norms)]);
    found.extend([
        ("the same in one pass", fused_dots),
        ("norms in one pass", fused_norms),
        ("its gradient", gradient),
    ]);
    // Not small, or a gradient that is rounding alone would move a weight as far as another.
    let rule = UpdateRule::AdamW { beta1: 0.9, beta2: 0.99, eps: 0.05, weight_decay: 0.1 };
    let mut optimiser = Optimiser::new(&backend, &decoder.layout, rule);
    let mut shares = Shares::new(&backend, &decoder.layout, 2);
    for _ in 0..2 {
        let grouped = workspace.gradient_by_group(&decoder, &params, &shards, &weights, &[0, 1], 2);
        let booking = Booking { shares: &mut shares, gradients: &grouped.groups };
        optimiser.step_with_shares(&backend, &mut params, grouped.total, 0.7, 1e-3, Some(booking));
    }
    found.push(("two steps", read(&params)));
    found.push(("their shares", shares.take(&backend, &decoder.layout).iter().flat_map(read).collect()));
    let floor = optimiser.preconditioned_above(&backend, &decoder.layout, &directions[0], 0.5);
    found.push(("a direction in Adam's metric", vec![floor.norm(&backend), floor.dot(&backend, &directions[1])]));
    // A vector is added behind one block, a direction taken out behind the next.
    let edit = |block: usize| {
        let vector: Vec<f64> = (0..decoder.config.hidden_size).map(|at| ((at * 5 + block) as f64).cos()).collect();
        let edits = [StreamEdit::add, StreamEdit::remove];
        Some(edits[block % 2](&backend, &vector))
    };
    let edited = decoder.clone().edited((0..decoder.config.num_hidden_layers).map(edit).collect());
    let (gradient, _) = workspace.gradient(&edited, &params, &shards, &weights);
    found.push(("the gradient of an edited stream", read(gradient)));
    found.push(("the stream itself", mean_hidden(&edited, &params, &shards).concat()));
    let helper = adapters(&decoder, &params);
    let (gradient, _) = workspace.gradient(&decoder.clone().attached(helper), &params, &shards, &weights);
    found.push(("the gradient beside attached adapters", read(gradient)));
    let rows: [(&[u32], &[u32]); 3] = [(&[1, 2, 3], &[4, 9]), (&[1, 2, 3], &[5, 9]), (&[1, 2, 6], &[4, 8])];
    found.push(("a tree", Tree::new(&rows).log_probs(&decoder, &params)));
    let contexts = [vec![5, 6, 7], vec![5, 6, 7], vec![9, 1]];
    let drawn = sample(&decoder, &params, &contexts, 0, 5, 11);
    found.push(("draws", drawn.concat().into_iter().map(f64::from).collect()));
    found
}

/// Adapters for a decoder: its own, or random ones.
fn adapters<B: Backend>(decoder: &Decoder<B>, params: &Params<B>) -> Detached<B> {
    if decoder.layout.specs.iter().any(|spec| spec.name.contains("lora_")) {
        return decoder.clone().without_lora(params.clone()).2;
    }
    let adapted = decoder.clone().with_lora(&LoraConfig::all(2));
    let mut params = params.clone().with_lora(decoder.backend(), &adapted.layout, 3);
    params.add_scaled(decoder.backend(), 1.0, &waves(&adapted, 0.05, 9));
    adapted.without_lora(params).2
}

fn agree(found: &[(&str, Vec<f64>)], expected: &[(&str, Vec<f64>)], allowed: f64, what: &str) {
    let largest = |numbers: &[f64]| numbers.iter().fold(0.0, |most: f64, number| most.max(number.abs()));
    for ((name, found), (_, expected)) in found.iter().zip(expected) {
        assert_eq!(found.len(), expected.len(), "{what}: {name}");
        let off: Vec<f64> = found.iter().zip(expected).map(|(a, b)| a - b).collect();
        let error = largest(&off) / largest(expected);
        assert!(error <= allowed, "{what}: {name} off by {error:.1e}");
    }
}

/// Devices that have f64.
fn in_f64() -> Vec<Torch<f64>> {
    torches().into_iter().filter(|torch| torch.device() != TorchDevice::Mps).collect()
}

/// Every family, with all weights trained and with adapters on frozen ones of this type.
fn all_families<T: Real>(torches: &[Torch<T>], frozen: Dtype, allowed: f64) {
    if torches.is_empty() {
        return;
    }
    for family in FAMILIES {
        for trained in [Trained::All, Trained::Adapters(frozen)] {
            let expected = results(open(Cpu::<f64>::new(), family, trained));
            for torch in torches {
                let what = format!("{family} on {}, {trained:?}", torch.device());
                agree(&results(open(*torch, family, trained)), &expected, allowed, &what);
            }
        }
    }
}

#[test]
fn all_families_in_f64() {
    all_families(&in_f64(), Dtype::Bf16, 1e-9);
}

#[test]
fn all_families_in_f32() {
    all_families(&torches::<f32>(), Dtype::F16, 2e-3);
}

/// A family with each kind of attention and norm: plain, with bounded scores and windows, with normed queries.
#[test]
fn families_without_kernels() {
    for torch in in_f64() {
        for family in ["llama", "gemma2", "qwen3"] {
            let expected = results(open(Cpu::<f64>::new(), family, Trained::All));
            agree(
                &results(open(torch.with_kernels(KernelUse::Without), family, Trained::All)),
                &expected,
                1e-9,
                family,
            );
        }
    }
}

/// Frozen weights that a device has no room for stay in main memory: with tied and with own heads, with none, some and all of them there.
#[test]
fn weights_beside_the_device_give_the_same() {
    for torch in torches::<f64>().into_iter().filter(|torch| torch.device() != TorchDevice::Cpu) {
        for family in ["gemma2", "llama", "qwen3"] {
            let trained = Trained::Adapters(Dtype::Bf16);
            let expected = results(open(torch, family, trained));
            for room in [0, 20_000] {
                let found = results(open(torch.with_frozen_in(room), family, trained));
                agree(&found, &expected, 1e-12, &format!("{family} with room for {room} bytes"));
            }
        }
    }
}

/// Operations that torch is asked for, which are launches on a GPU: in the passes of a training step of adapters, for the gradient's norm, in the
/// optimiser's step, and in passes of per-row pressure with three directions.
fn launches(torch: Torch<f32>) -> [u64; 4] {
    let (decoder, mut params) = open(torch, "llama", Trained::Adapters(Dtype::Bf16));
    let mut packed = Packed::new();
    for _ in 0..3 {
        packed.push_row(&[7, 3, 9, 9, 1, 4, 60], &[false, true, false, true, true, true, true]);
    }
    let (shards, weights) = (vec![packed], vec![vec![0.1; 15]]);
    let mut workspace = Workspace::default();
    let rule = UpdateRule::AdamW { beta1: 0.9, beta2: 0.99, eps: 1e-8, weight_decay: 0.1 };
    let mut optimiser = Optimiser::new(&torch, &decoder.layout, rule);
    let mut found = [0; 4];
    // What is made once is there in the second step.
    for _ in 0..2 {
        let begun = torch.launches();
        let (gradient, _) = workspace.gradient(&decoder, &params, &shards, &weights);
        let passed = torch.launches();
        let norm = gradient.norm(&torch);
        let measured = torch.launches();
        optimiser.step(&torch, &mut params, gradient, 0.9 / norm.max(1.0), 1e-3);
        found = [passed - begun, measured - passed, torch.launches() - measured, 0];
    }
    let directions = [1, 2, 3].map(|seed| waves(&decoder, 0.3, seed));
    let begun = torch.launches();
    contract(&workspace, &decoder, &params, &shards, &weights, &directions);
    found[3] = torch.launches() - begun;
    found
}

#[test]
fn a_step_asks_for_few_operations() {
    let Some(torch) = torches::<f32>().into_iter().find(|torch| torch.device() == TorchDevice::Cpu) else { return };
    // Two blocks, 28 matrices.
    for (torch, most) in [(torch, [327, 4, 2, 572]), (torch.with_bf16(), [413, 4, 2, 658])] {
        let found = launches(torch);
        assert!(found.iter().zip(most).all(|(&found, most)| found <= most), "in {}: {found:?}", torch.activations());
    }
}

#[test]
fn adapters_with_activations_in_bf16() {
    let of = |results: Vec<(&'static str, Vec<f64>)>| results.into_iter().take(4).collect::<Vec<_>>();
    let trained = Trained::Adapters(Dtype::Bf16);
    for torch in torches::<f32>() {
        let expected = of(results(open(Cpu::<f64>::new(), "qwen2", trained)));
        agree(&of(results(open(torch.with_bf16(), "qwen2", trained))), &expected, 0.1, "qwen2 in bf16");
    }
}

/// The processor's backend, but that it keeps no block's activations.
#[test]
fn blocks_computed_again_give_the_same() {
    let (decoder, params) = open(Cpu::<f32>::new(), "gemma3", Trained::All);
    let packed = &batch()[0];
    let weights = vec![1.0; packed.targets.len()];
    let gradient = |decoder: &Decoder<Cpu<f32>>| {
        let (mut tape, mut gradient) = (Tape::default(), Params::zeros(decoder.backend(), &decoder.layout));
        decoder.forward(&params, packed, &mut tape);
        let mut visitor = titer_model::passes::Accumulate { gradient: &mut gradient };
        decoder.backward(&params, packed, &weights, &mut tape, &mut visitor);
        gradient.buffers
    };
    let again = decoder.clone().computed_by(Cpu::new().with_recomputation());
    assert_eq!(gradient(&again), gradient(&decoder));
}
