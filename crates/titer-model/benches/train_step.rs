//! One training step (forward, backward, AdamW) at two sizes. Prints a JSON line per size; `benches/train_step.py` at
//! the root of the repository runs it in turn with PyTorch and prints ratios.
//!
//!     cargo bench --bench train_step -- [organism|medium|lora|ceiling] [steps]

#![expect(clippy::print_stdout, reason = "its output is what the comparing script reads")]

mod sizes;

use std::{hint::black_box, time::Instant};

use titer_model::{
    backend::{Backend as _, Cpu, Matrix, Write},
    optim::{Optimiser, UpdateRule},
    passes::Workspace,
};

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

/// GFLOP/s of the matrix products of the medium size, one per thread at once: what a step could reach at best.
fn ceiling() {
    let backend = Cpu::<f32>::new();
    for (rows, inner, columns) in
        [(1024, 256, 768), (1024, 768, 256), (1024, 256, 2048), (640, 64, 192), (640, 64, 420)]
    {
        let rates = rayon::broadcast(|_| {
            let (a, b) = (vec![0.5; rows * inner], vec![0.25; inner * columns]);
            let mut out = Vec::new();
            let repeats = 2_000_000_000 / (rows * inner * columns);
            let start = Instant::now();
            for _ in 0..repeats {
                let (a, b) = (Matrix::new(&a, rows, inner), Matrix::new(&b, columns, inner).t());
                backend.matmul(black_box(&mut out), a, b, Write::Replace);
            }
            2.0 * (repeats * rows * inner * columns) as f64 / start.elapsed().as_secs_f64() / 1e9
        });
        let total: f64 = rates.iter().sum();
        println!("{{\"product\":\"{rows}x{inner}x{columns}\",\"gflops\":{total:.0}}}");
    }
}

fn main() {
    let args: Vec<String> = std::env::args().skip(1).filter(|arg| !arg.starts_with("--")).collect();
    let steps = args.get(1).and_then(|steps| steps.parse().ok()).unwrap_or(50);
    match args.first().map(String::as_str) {
        Some("ceiling") => ceiling(),
        Some(name) => train(name, steps),
        None => ["organism", "medium"].into_iter().for_each(|name| train(name, steps)),
    }
}
