//! One training step of adapters on a model whose weights stay in its folder, and per-row pressure with three directions,
//! in turn. Prints a JSON line; `benches/train_step_lora.py` at the root of the repository makes the folder and runs it
//! in turn with PEFT.
//!
//!     cargo bench --bench train_step_lora -- FOLDER [--steps 3] [--dtype bf16] [--compute bf16] [--rows 4] [--length 128]
//!         [--tokens FILE] [--pressure]
//!
//! `--tokens` names rows as they are, in place of made-up ones: `[{"ids": [1, 2], "trained": [false, true]}, …]`.

#![expect(clippy::print_stdout, reason = "its output is what the comparing script reads")]

mod processor;
#[expect(dead_code, reason = "its sizes are for the other benches")]
mod sizes;

use std::{hint::black_box, path::Path, time::Instant};

use processor::cpu;
use sizes::{pack, peak_mb};
use titer_machine::instructions;
use titer_model::{
    backend::Cpu,
    decoder::Decoder,
    io::{Weights, load_adapter, read_adapter_config, read_config},
    optim::{Optimiser, UpdateRule},
    packed::Packed,
    params::Params,
    passes::{Workspace, contract, shards},
};

/// The value that follows a flag.
fn value<'a>(args: &'a [String], flag: &str) -> Option<&'a str> {
    let at = args.iter().position(|arg| arg == flag)?;
    args.get(at + 1).map(String::as_str)
}

fn median(seconds: &mut [f64]) -> f64 {
    seconds.sort_by(f64::total_cmp);
    seconds.get(seconds.len() / 2).copied().unwrap_or(f64::NAN)
}

/// Tokens of each row of a file, and the rows packed into shards.
fn given(file: &Path, decoder: &Decoder<Cpu<f32>>) -> (Vec<usize>, Vec<Packed>) {
    let rows: Vec<serde_json::Value> =
        serde_json::from_slice(&fs_err::read(file).expect("a file of rows")).expect("a list of rows");
    let list = |row: &serde_json::Value, key: &str| row[key].as_array().expect("a list").clone();
    let row = |row: &serde_json::Value| {
        let ids: Vec<u32> = list(row, "ids").iter().map(|id| id.as_u64().expect("an id") as u32).collect();
        let trained: Vec<bool> = list(row, "trained").iter().map(|is| is.as_bool().expect("true or false")).collect();
        (ids, trained)
    };
    let rows: Vec<(Vec<u32>, Vec<bool>)> = rows.iter().map(row).collect();
    let lengths: Vec<usize> = rows.iter().map(|(ids, _)| ids.len()).collect();
    let shard = |range: std::ops::Range<usize>| {
        let mut packed = Packed::new();
        rows[range].iter().for_each(|(ids, trained)| packed.push_row(ids, trained));
        packed
    };
    let batch = shards(&lengths, decoder.shard_tokens()).into_iter().map(shard).collect();
    (lengths, batch)
}

fn main() {
    let args: Vec<String> = std::env::args().skip(1).filter(|arg| arg != "--bench").collect();
    let Some(folder) = args.first().map(Path::new) else {
        return println!("name a model folder with an adapter in it, as `benches/train_step_lora.py` makes it");
    };
    let steps: usize = value(&args, "--steps").map_or(3, |steps| steps.parse().expect("a number of steps"));
    let rows: usize = value(&args, "--rows").map_or(4, |rows| rows.parse().expect("a number of rows"));
    let bytes = |name: &str| fs_err::read(folder.join(name)).expect("the folder has it");
    let config = read_config(&bytes("config.json"), folder).expect("a config");
    let length: usize = value(&args, "--length").map_or(128, |length| length.parse().expect("a number of tokens"));
    let bf16 = value(&args, "--compute") == Some("bf16");
    let decoder = Decoder::new(cpu(bf16), config);
    let adapter = read_adapter_config(&decoder.layout, &bytes("adapter/adapter_config.json"), folder);
    let adapter = adapter.expect("an adapter's config");
    let mut weights = Weights::of_folder(&decoder.layout, folder).expect("weights");
    if let Some(dtype) = value(&args, "--dtype") {
        weights = weights.rounded(&decoder.layout, dtype.parse().expect("a number type")).expect("it holds them");
    }
    let (decoder, params) = weights.keep(decoder);
    let (backend, decoder) = (*decoder.backend(), decoder.with_lora(&adapter));
    let adapters = bytes("adapter/adapter_model.safetensors");
    let mut params = load_adapter(params, &backend, &decoder.layout, &adapters, folder).expect("an adapter");

    let rule = UpdateRule::AdamW { beta1: 0.9, beta2: 0.999, eps: 1e-8, weight_decay: 0.0 };
    let mut optimiser = Optimiser::new(&backend, &decoder.layout, rule);
    let (lengths, batch) = match value(&args, "--tokens") {
        Some(file) => given(Path::new(file), &decoder),
        None => pack(&vec![(length, 64); rows], &decoder),
    };
    let targets: usize = batch.iter().map(|packed| packed.targets.len()).sum();
    let weights: Vec<Vec<f32>> = batch.iter().map(|packed| vec![1.0 / targets as f32; packed.targets.len()]).collect();
    let pressed = args.iter().any(|arg| arg == "--pressure");
    let directions: Vec<Params<Cpu<f32>>> = (0..if pressed { 3 } else { 0 })
        .map(|seed| {
            let mut direction = Params::zeros(&backend, &decoder.layout);
            let wave = |(at, x): (usize, &mut f32)| *x = ((at * 7 + seed * 13) % 101) as f32 / 50.0 - 1.0;
            direction.buffers.iter_mut().for_each(|buffer| buffer.iter_mut().enumerate().for_each(wave));
            direction
        })
        .collect();
    let mut workspace = Workspace::default();
    let (mut losses, mut step, mut pressure) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..=steps {
        let start = Instant::now();
        let (gradient, log_probs) = workspace.gradient(&decoder, &params, &batch, &weights);
        losses.push(-log_probs.iter().flat_map(|shard| shard.iter()).sum::<f32>() / targets as f32);
        optimiser.step(&backend, &mut params, gradient, 1.0, 1e-4);
        let trained = start.elapsed().as_secs_f64();
        let start = Instant::now();
        if pressed {
            black_box(contract(&workspace, &decoder, &params, &batch, &weights, &directions));
        }
        if round > 0 {
            step.push(trained);
            pressure.push(start.elapsed().as_secs_f64());
        }
    }
    let (tokens, step, pressure) = (lengths.iter().sum::<usize>(), median(&mut step), median(&mut pressure));
    println!(
        "{{\"threads\":{},\"layers\":{},\"tokens\":{tokens},\"seconds\":{step:.4},\"tokens_per_second\":{:.1},\
         \"pressure_over_step\":{:.3},\"peak_mb\":{},\"instructions\":\"{}\",\"losses\":{losses:?}}}",
        rayon::current_num_threads(),
        decoder.config.num_hidden_layers,
        tokens as f64 / step,
        pressure / step,
        peak_mb(),
        instructions(bf16),
    );
}
