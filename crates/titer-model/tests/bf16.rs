//! Frozen bf16 weights multiplied in bf16: near what f32 gives, the same for any number of threads, and what the words say.

use std::{
    io::Write as _,
    path::{Path, PathBuf},
    sync::Arc,
};

use half::bf16;
use titer_machine::Bf16Instructions;
use titer_model::{
    backend::{Backend as _, Cpu, Matrix, Write},
    decoder::{Decoder, Tape},
    io::{Weights, read_config},
    packed::Packed,
    params::Params,
    passes::{Workspace, contract, score},
    shape::LoraConfig,
    stored::{Dtype, Stored},
};

/// The instructions that this processor has; says so where it has none of a kind.
fn available() -> Vec<Bf16Instructions> {
    let (have, lack): (Vec<_>, Vec<_>) = Bf16Instructions::ALL.into_iter().partition(|one| one.is_available());
    for one in lack {
        writeln!(std::io::stderr(), "skipped: this processor has no {}", one.name()).expect("stderr is open");
    }
    have
}

/// A decoder whose weights stay in their files, of this type, with adapters whose `B` is not zero.
fn adapted(family: &str, cpu: Cpu<f32>, dtype: Dtype) -> (Decoder<Cpu<f32>>, Params<Cpu<f32>>) {
    let folder: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/reference/families").join(family);
    let path = folder.join("config.json");
    let decoder = Decoder::new(cpu, read_config(&fs_err::read(&path).unwrap(), &path).unwrap());
    let weights = Weights::of_folder(&decoder.layout, &folder).unwrap().rounded(&decoder.layout, dtype).unwrap();
    let (decoder, params) = weights.keep(decoder);
    let decoder = decoder.with_lora(&LoraConfig::all(3));
    let mut params = params.with_lora(decoder.backend(), &decoder.layout, 5);
    for (spec, buffer) in decoder.layout.specs.iter().zip(&mut params.buffers).filter(|(spec, _)| spec.trained) {
        let wave = |(at, number): (usize, &mut f32)| *number += 0.02 * ((at * 7 + spec.len()) as f32).sin();
        buffer.iter_mut().enumerate().for_each(wave);
    }
    (decoder, params)
}

/// Shards of rows of several lengths.
fn batch() -> Vec<Packed> {
    let shard = |shard: usize| {
        let mut packed = Packed::new();
        for row in 0..3 {
            let len = 5 + (shard * 5 + row * 11) % 17;
            let tokens: Vec<u32> = (0..len).map(|at| ((at * 31 + row * 17 + shard * 7) % 60) as u32).collect();
            packed.push_row(&tokens, &(0..len).map(|at| at % 3 != 1 && at > 0).collect::<Vec<_>>());
        }
        packed
    };
    (0..5).map(shard).collect()
}

/// Everything that is computed of a batch: log-probabilities, gradient, and pressures with two directions.
#[derive(Debug, PartialEq)]
struct Found {
    log_probs: Vec<Vec<f32>>,
    gradient: Vec<Vec<f32>>,
    pressures: Vec<Vec<f64>>,
}

fn found(decoder: &Decoder<Cpu<f32>>, params: &Params<Cpu<f32>>, threads: usize) -> Found {
    let batch = batch();
    let weights: Vec<Vec<f32>> = batch.iter().map(|packed| vec![0.1; packed.targets.len()]).collect();
    let directions: Vec<Params<Cpu<f32>>> = (0..2)
        .map(|seed| {
            let mut direction = Params::zeros(decoder.backend(), &decoder.layout);
            let wave = |(at, x): (usize, &mut f32)| *x = ((at * 7 + seed * 13) % 101) as f32 / 50.0 - 1.0;
            direction.buffers.iter_mut().for_each(|buffer| buffer.iter_mut().enumerate().for_each(wave));
            direction
        })
        .collect();
    rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap().install(|| {
        let mut workspace = Workspace::default();
        let (gradient, scores) = workspace.gradient(decoder, params, &batch, &weights);
        let (gradient, log_probs) = (gradient.buffers.clone(), scores.iter().map(|scores| scores.to_vec()).collect());
        assert_eq!(log_probs, score(decoder, params, &batch), "scoring is the forward pass");
        let (sums, _) = contract(&workspace, decoder, params, &batch, &weights, &directions);
        let pressures = (0..sums.rows()).map(|row| [sums.dots(row), &[sums.squared_norm(row)]].concat()).collect();
        Found { log_probs, gradient, pressures }
    })
}

#[test]
fn models_compute_the_same_bits_for_any_number_of_threads() {
    for instructions in available() {
        for family in ["qwen3", "gemma2"] {
            let (decoder, params) = adapted(family, Cpu::new().with_bf16(instructions), Dtype::Bf16);
            let alone = found(&decoder, &params, 1);
            assert_eq!(alone, found(&decoder, &params, 3), "{family} by {}", instructions.name());
            assert_eq!(alone, found(&decoder, &params, 2), "{family} by {}", instructions.name());
        }
    }
}

#[test]
fn a_rows_log_probabilities_do_not_depend_on_its_company() {
    for instructions in available() {
        let (decoder, params) = adapted("qwen2", Cpu::new().with_bf16(instructions), Dtype::Bf16);
        let tokens: Vec<u32> = (0..20).map(|at| at * 7 % 60).collect();
        let trained: Vec<bool> = (0..20).map(|at| at > 8).collect();
        let (mut alone, mut together) = (Packed::new(), Packed::new());
        alone.push_row(&tokens, &trained);
        together.push_row(&[1, 2, 3, 4, 5], &[false, false, true, true, true]);
        together.push_row(&tokens, &trained);
        let of = |packed: &Packed| decoder.score(&params, packed, &mut Tape::default());
        assert_eq!(of(&alone), of(&together)[3..], "{}", instructions.name());
    }
}

#[test]
fn rounding_moves_numbers_and_not_far_and_touches_nothing_but_bf16_weights() {
    let apart = |a: &[Vec<f32>], b: &[Vec<f32>]| {
        a.iter().flatten().zip(b.iter().flatten()).fold(0.0_f32, |top, (a, b)| top.max((a - b).abs()))
    };
    let largest = |numbers: &[Vec<f32>]| numbers.iter().flatten().fold(0.0_f32, |top, number| top.max(number.abs()));
    for instructions in available() {
        for family in ["llama", "mistral", "qwen2", "qwen3", "smollm3", "gemma2", "gemma3", "olmo2", "phi3", "granite"]
        {
            let of = |cpu: Cpu<f32>, dtype: Dtype| {
                let (decoder, params) = adapted(family, cpu, dtype);
                found(&decoder, &params, 1)
            };
            let named = format!("{family} by {}", instructions.name());
            let (plain, rounded) = (of(Cpu::new(), Dtype::Bf16), of(Cpu::new().with_bf16(instructions), Dtype::Bf16));
            let moved = apart(&plain.log_probs, &rounded.log_probs);
            assert!(moved > 0.0 && moved < 0.1, "{named}: {moved} nats");
            let moved = apart(&plain.gradient, &rounded.gradient) / largest(&plain.gradient);
            assert!(moved > 0.0 && moved < 0.1, "{named}: {moved} of the largest gradient");
            for dtype in [Dtype::F32, Dtype::F16] {
                assert_eq!(of(Cpu::new(), dtype), of(Cpu::new().with_bf16(instructions), dtype), "{named}");
            }
        }
    }
}

#[test]
fn the_gradient_at_a_layers_input_is_the_product_of_the_rounded_operands() {
    let (rows, inputs, outputs) = (37, 70, 45);
    let wave = |count: usize, step: f32| (0..count).map(|at| (at as f32 * step).sin()).collect::<Vec<f32>>();
    let dy = wave(rows * outputs, 0.7);
    let weights: Vec<bf16> = wave(outputs * inputs, 0.3).into_iter().map(bf16::from_f32).collect();
    let bytes: Vec<u8> = weights.iter().flat_map(|weight| weight.to_le_bytes()).collect();
    let len = bytes.len();
    let stored = Stored::new(Arc::new(bytes), 0..len, Dtype::Bf16);
    for instructions in available() {
        let mut dx = Vec::new();
        let (a, w) = (Matrix::new(&dy, rows, outputs), Matrix::new(&stored, outputs, inputs));
        Cpu::new().with_bf16(instructions).matmul_frozen(&mut dx, a, w, Write::Replace);
        for row in 0..rows {
            for input in 0..inputs {
                let terms = (0..outputs).map(|output| {
                    bf16::from_f32(dy[row * outputs + output]).to_f64() * weights[output * inputs + input].to_f64()
                });
                let error = (f64::from(dx[row * inputs + input]) - terms.sum::<f64>()).abs();
                assert!(error < 1e-5, "{row}, {input} by {}: {error:e}", instructions.name());
            }
        }
    }
}
