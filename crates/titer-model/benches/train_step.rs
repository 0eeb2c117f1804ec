//! One training step (forward, backward, AdamW) at two sizes. Prints a JSON line per size; `benches/train_step.py` at
//! the root of the repository runs it in turn with PyTorch and prints ratios.
//!
//!     cargo bench --bench train_step -- [organism|medium|lora] [steps]
//!     cargo bench --bench train_step -- products [shape] [bf16]

#![expect(clippy::print_stdout, reason = "its output is what the comparing script reads")]

mod processor;
mod sizes;

use std::{hint::black_box, sync::Arc, time::Instant};

use titer_machine::instructions;
use titer_model::{
    backend::{Backend as _, Matrix, Write},
    optim::{Optimiser, UpdateRule},
    passes::Workspace,
    stored::{Dtype, Stored},
};

use processor::cpu;
use sizes::{pack, peak_mb, size};

fn train(name: &str, steps: usize) {
    let size = size(name);
    let (decoder, mut params) = size.build();
    let (backend, rows) = (*decoder.backend(), size.rows);
    let rule = UpdateRule::AdamW { beta1: 0.9, beta2: 0.98, eps: 1e-8, weight_decay: 0.01 };
    let mut optimiser = Optimiser::new(&backend, &decoder.layout, rule);
    let (lengths, batch) = pack(&rows, &decoder);
    let weights: Vec<Vec<f32>> =
        batch.iter().map(|packed| vec![1.0 / rows.len() as f32; packed.targets.len()]).collect();
    let mut workspace = Workspace::default();
    let mut step = || {
        let (gradient, _) = workspace.gradient(&decoder, &params, &batch, &weights);
        optimiser.step(&backend, &mut params, gradient, 1.0, 1e-4);
    };
    (0..steps.div_ceil(5)).for_each(|_| step());
    let mut seconds: Vec<f64> = (0..steps)
        .map(|_| {
            let start = Instant::now();
            step();
            start.elapsed().as_secs_f64()
        })
        .collect();
    seconds.sort_by(f64::total_cmp);
    let (tokens, median) = (lengths.iter().sum::<usize>(), seconds[steps / 2]);
    let threads = rayon::current_num_threads();
    println!(
        "{{\"size\":\"{name}\",\"threads\":{threads},\"tokens\":{tokens},\"seconds\":{median},\"tokens_per_second\":{},\"peak_mb\":{}}}",
        tokens as f64 / median,
        peak_mb()
    );
}

/// Shapes of linear layers, `(tokens, inputs, outputs)`: of the medium size, the organism, a 0.5B model and SmolLM2-135M.
const SHAPES: [(usize, usize, usize); 8] = [
    (1024, 256, 768),
    (1024, 768, 256),
    (1024, 256, 2048),
    (640, 64, 192),
    (640, 64, 420),
    (275, 896, 4864),
    (128, 896, 896),
    (75, 576, 1536),
];

/// GFLOP/s of a linear layer's three products, one per thread at once: what a step could reach at best. Of all shapes, or of one. In
/// `bf16`, the two with weights that their file holds as bf16.
fn products(chosen: Option<usize>, bf16: bool) {
    let backend = cpu(bf16);
    for (at, (tokens, inputs, outputs)) in SHAPES.into_iter().enumerate() {
        if chosen.is_some_and(|chosen| chosen != at) {
            continue;
        }
        let size = tokens * inputs * outputs;
        let repeats = 1_000_000_000_usize.div_ceil(size);
        let kinds = ["x·Wᵀ", "dy·W", "dyᵀ·x"];
        for &kind in if bf16 { &kinds[..2] } else { &kinds } {
            let rates = rayon::broadcast(|_| {
                let (x, w) = (vec![0.5; tokens * inputs], vec![0.25; outputs * inputs]);
                let dy = vec![0.125; tokens * outputs];
                let file = Arc::new([0x80, 0x3e].repeat(outputs * inputs)); // .25 as bf16
                let file = Stored::new(file, 0..2 * outputs * inputs, Dtype::Bf16);
                let mut out = Vec::new();
                let mut product = || {
                    let (x, out) = (Matrix::new(&x, tokens, inputs), black_box(&mut out));
                    if bf16 {
                        let (dy, w) = (Matrix::new(&dy, tokens, outputs), Matrix::new(&file, outputs, inputs));
                        let (a, b) = if kind == "dy·W" { (dy, w) } else { (x, w.t()) };
                        return backend.matmul_frozen(out, a, b, Write::Replace);
                    }
                    let (w, dy) = (Matrix::new(&w, outputs, inputs), Matrix::new(&dy, tokens, outputs));
                    let (a, b) = match kind {
                        "x·Wᵀ" => (x, w.t()),
                        "dy·W" => (dy, w),
                        _ => (dy.t(), x),
                    };
                    backend.matmul(out, a, b, Write::Replace);
                };
                product();
                let start = Instant::now();
                (0..repeats).for_each(|_| product());
                2.0 * (repeats * size) as f64 / start.elapsed().as_secs_f64() / 1e9
            });
            let total: f64 = rates.iter().sum();
            println!(
                "{{\"product\":\"{kind}\",\"shape\":[{tokens},{inputs},{outputs}],\"threads\":{},\"gflops\":{total:.0},\
                 \"instructions\":\"{}\"}}",
                rates.len(),
                instructions(bf16)
            );
        }
    }
}

fn main() {
    let args: Vec<String> = std::env::args().skip(1).filter(|arg| !arg.starts_with("--")).collect();
    let steps = args.get(1).and_then(|steps| steps.parse().ok()).unwrap_or(50);
    match args.first().map(String::as_str) {
        Some("products") => {
            let shape = args.get(1).and_then(|shape| shape.parse().ok());
            products(shape, args.last().is_some_and(|last| last == "bf16"));
        }
        Some(name) => train(name, steps),
        None => ["organism", "medium"].into_iter().for_each(|name| train(name, steps)),
    }
}
