//! Peak memory of full fine-tuning steps (forward, backward, AdamW) on batches of 8 and of 64 rows, each in a process of its
//! own. Prints a JSON line per batch.
//!
//!     cargo bench -p titer-model --bench memory [-- 8 64]

#![expect(clippy::print_stdout, reason = "its output is what it is run for")]

mod sizes;

use std::process::Command;

use titer_model::{
    optim::{Optimiser, UpdateRule},
    passes::Workspace,
};

use sizes::{pack, peak_mb, size};

/// Tells the process that takes the steps from the one that starts it.
const STEP: &str = "step";

/// Two steps on this many rows: buffers that are kept from step to step have all been asked for by then.
fn step(rows: usize) {
    let mut size = size("wide");
    size.rows.truncate(rows);
    let (decoder, mut params) = size.build();
    let backend = *decoder.backend();
    let rule = UpdateRule::AdamW { beta1: 0.9, beta2: 0.98, eps: 1e-8, weight_decay: 0.01 };
    let mut optimiser = Optimiser::new(&backend, &decoder.layout, rule);
    let (_, batch) = pack(&size.rows, &decoder);
    let weights: Vec<Vec<f32>> = batch.iter().map(|packed| vec![1.0 / rows as f32; packed.targets.len()]).collect();
    let mut workspace = Workspace::default();
    for _ in 0..2 {
        let (gradient, _) = workspace.gradient(&decoder, &params, &batch, &weights);
        optimiser.step(&backend, &mut params, gradient, 1.0, 1e-4);
    }
    let (threads, model_mb) = (rayon::current_num_threads(), decoder.layout.len() * size_of::<f32>() / (1 << 20));
    println!(
        "{{\"rows\":{rows},\"shards\":{},\"threads\":{threads},\"model_mb\":{model_mb},\"peak_mb\":{}}}",
        batch.len(),
        peak_mb()
    );
}

fn main() {
    let args: Vec<String> = std::env::args().skip(1).filter(|arg| !arg.starts_with("--")).collect();
    let rows = |arg: &String| arg.parse().expect("a number of rows");
    if args.first().is_some_and(|arg| arg == STEP) {
        return args[1..].iter().map(rows).for_each(step);
    }
    let batches = if args.is_empty() { vec![8, 64] } else { args.iter().map(rows).collect() };
    for rows in batches {
        let own = std::env::current_exe().expect("the system says which file this is");
        let status = Command::new(own).args([STEP, &rows.to_string()]).status().expect("it can be started again");
        assert!(status.success(), "{rows} rows: {status}");
    }
}
