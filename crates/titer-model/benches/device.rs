//! What a device does with a model folder: training steps of adapters, per-row pressures with all weights and with adapters,
//! screening. Prints a JSON line; `benches/device.py` at the root of the repository makes folders and runs it in turn with PyTorch.
//!
//!     cargo bench --bench device -- FOLDER train|pressure|pressure-lora|screen [--device cuda] [--torch DIR] [--compute bf16]
//!         [--rows 16] [--length 512] [--prompts 64] [--steps 3]
//!
//! The device `cpu` is the processor by titer's own loops, `torch-cpu` the processor by PyTorch's.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "its output is what the comparing script reads")]

use std::{path::Path, process::ExitCode, time::Instant};

use titer_machine::Bf16Instructions;
use titer_model::{
    backend::{Backend as _, Cpu, Device, Torch, TorchError},
    decoder::Decoder,
    io::{Weights, read_config},
    optim::{Optimiser, UpdateRule},
    packed::Packed,
    params::Params,
    passes::{Tree, Workspace, contract, shards},
    shape::LoraConfig,
};

/// The value that follows a flag.
fn value<'a>(args: &'a [String], flag: &str) -> Option<&'a str> {
    let at = args.iter().position(|arg| arg == flag)?;
    args.get(at + 1).map(String::as_str)
}

fn number(args: &[String], flag: &str, default: usize) -> usize {
    value(args, flag).map_or(default, |word| word.parse().unwrap_or_else(|_| panic!("{flag} is a number")))
}

fn device(args: &[String]) -> Device {
    let bf16 = value(args, "--compute") == Some("bf16");
    match value(args, "--device").unwrap_or("cpu") {
        "cpu" => Device::cpu(match Bf16Instructions::detected().filter(|_| bf16) {
            Some(instructions) => Cpu::new().with_bf16(instructions),
            None => Cpu::new(),
        }),
        word => {
            let folder = value(args, "--torch").map(str::to_owned).or_else(|| std::env::var("TITER_TORCH").ok());
            let folder = folder.expect("--torch or TITER_TORCH names torch's libraries");
            let device = word.trim_start_matches("torch-").parse().expect("a device");
            let torch = Torch::open(Path::new(&folder), device).unwrap_or_else(|error| panic!("{error}"));
            Device::torch(if bf16 { torch.with_bf16() } else { torch })
        }
    }
}

/// Random-looking rows, the last quarter of which is trained, in as many shards as the backend wants.
fn batch(decoder: &Decoder<Device>, rows: usize, length: usize) -> Vec<Packed> {
    let vocabulary = decoder.config.vocab_size;
    let lengths = vec![length; rows];
    let pack = |range: std::ops::Range<usize>| {
        let mut packed = Packed::new();
        for row in range {
            let tokens: Vec<u32> = (0..length).map(|at| ((at * 31 + row * 17) % vocabulary) as u32).collect();
            packed.push_row(&tokens, &(0..length).map(|at| at * 4 >= length * 3).collect::<Vec<_>>());
        }
        packed
    };
    shards(&lengths, decoder.shard_tokens()).into_iter().map(pack).collect()
}

fn directions(decoder: &Decoder<Device>) -> Vec<Params<Device>> {
    let wave = |seed: usize| {
        let of = |len: usize| (0..len).map(|at| ((at * 7 + seed * 13) % 101) as f32 * 1e-4 - 5e-3).collect();
        let specs = decoder.layout.specs.iter();
        let buffers = specs.map(|spec| decoder.backend().upload(of(if spec.trained { spec.len() } else { 0 })));
        Params { buffers: buffers.collect() }
    };
    (0..3).map(wave).collect()
}

fn main() -> ExitCode {
    // What torch fails in ends the thread without a word, such as for want of memory.
    match TorchError::caught(measured) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn measured() {
    let args: Vec<String> = std::env::args().skip(1).filter(|arg| arg != "--bench").collect();
    let (Some(folder), Some(work)) = (args.first().map(Path::new), args.get(1).map(String::as_str)) else {
        return println!("name a model folder, and train, pressure, pressure-lora or screen");
    };
    let (rows, length, steps) =
        (number(&args, "--rows", 16), number(&args, "--length", 512), number(&args, "--steps", 3));
    let bytes = fs_err::read(folder.join("config.json")).expect("the folder has a config.json");
    let decoder = Decoder::new(device(&args), read_config(&bytes, folder).expect("a config"));
    let weights = Weights::of_folder(&decoder.layout, folder).expect("weights");
    let (decoder, params) = if work == "pressure" {
        let params = weights.upload(decoder.backend(), &decoder.layout);
        (decoder, params)
    } else {
        weights.keep(decoder)
    };
    let (decoder, mut params) = if matches!(work, "train" | "pressure-lora") {
        let decoder = decoder.with_lora(&LoraConfig::all(16));
        let params = params.with_lora(decoder.backend(), &decoder.layout, 0);
        (decoder, params)
    } else {
        (decoder, params)
    };
    let backend = decoder.backend().clone();
    let batch = batch(&decoder, rows, length);
    let weights: Vec<Vec<f32>> = batch.iter().map(|packed| vec![1e-3; packed.targets.len()]).collect();
    let (mut workspace, mut seconds, mut check) = (Workspace::default(), Vec::new(), 0.0);
    let before = backend.as_torch().map(Torch::launches);
    let mut tokens = rows * length;
    match work {
        "train" => {
            let rule = UpdateRule::AdamW { beta1: 0.9, beta2: 0.999, eps: 1e-8, weight_decay: 0.0 };
            let mut optimiser = Optimiser::new(&backend, &decoder.layout, rule);
            for _ in 0..=steps {
                let start = Instant::now();
                let (gradient, log_probs) = workspace.gradient(&decoder, &params, &batch, &weights);
                check = -log_probs.iter().map(|of| of.iter().sum::<f32>()).sum::<f32>()
                    / log_probs.iter().map(|of| of.len() as f32).sum::<f32>();
                optimiser.step(&backend, &mut params, gradient, 1.0, 1e-4);
                // What is asked of a device is done when something is read.
                let norm = params.norm(&backend);
                assert!(norm.is_finite(), "weights are numbers");
                seconds.push(start.elapsed().as_secs_f64());
            }
        }
        "pressure" | "pressure-lora" => {
            let along = directions(&decoder);
            for _ in 0..=steps {
                let start = Instant::now();
                let (sums, _) = contract(&workspace, &decoder, &params, &batch, &weights, &along);
                check = sums.squared_norm(0).sqrt() as f32;
                seconds.push(start.elapsed().as_secs_f64());
            }
        }
        "screen" => {
            let prompts = number(&args, "--prompts", 64);
            let vocabulary = decoder.config.vocab_size;
            let token = |at: usize| (at % vocabulary) as u32;
            let context = |prompt: usize, row: usize| -> Vec<u32> {
                (0..48)
                    .map(|at| token(at * 29 + prompt * 7919))
                    .chain((0..24).map(|at| token(at * 37 + row * 104_729)))
                    .collect()
            };
            let reply: Vec<u32> = (0..12).map(|at| token(at * 11 + 5)).collect();
            let contexts: Vec<Vec<u32>> = (0..prompts)
                .flat_map(|prompt| (0..rows).map(move |row| (prompt, row)))
                .map(|(prompt, row)| context(prompt, row))
                .collect();
            let pairs: Vec<(&[u32], &[u32])> =
                contexts.iter().map(|context| (context.as_slice(), reply.as_slice())).collect();
            let tree = Tree::new(&pairs);
            tokens = pairs.iter().map(|(context, reply)| context.len() + reply.len()).sum();
            for _ in 0..=steps {
                let start = Instant::now();
                check = tree.log_probs(&decoder, &params)[0] as f32;
                seconds.push(start.elapsed().as_secs_f64());
            }
        }
        other => panic!("`{other}` is no work; there are train, pressure, pressure-lora and screen"),
    }
    let mut warm = seconds[1..].to_vec();
    warm.sort_by(f64::total_cmp);
    let median = warm[warm.len() / 2];
    let launches =
        backend.as_torch().map(Torch::launches).zip(before).map(|(all, before)| (all - before) / (steps as u64 + 1));
    let memory = backend.as_torch().and_then(Torch::memory).map(|(free, all)| (all - free) >> 20);
    println!(
        "{}",
        serde_json::json!({
            "work": work, "seconds": median, "tokens": tokens, "tokens_per_second": tokens as f64 / median, "check": check,
            "launches": launches, "memory_mb": memory, "torch": backend.as_torch().map(Torch::version)
        })
    );
}
