//! Per-row pressure with K = 3 directions beside a training step and beside one backward pass per row, interleaved in
//! one process. Prints a JSON line per size, medians in seconds and ratios.
//!
//!     cargo bench --bench pressure -- [organism|medium] [rounds]

#![expect(clippy::print_stdout, reason = "its output is the measurement")]

mod sizes;

use std::{hint::black_box, time::Instant};

use rayon::iter::{IntoParallelRefIterator as _, ParallelIterator as _};
use sizes::{Size, pack, size};
use titer_model::{
    backend::Cpu,
    decoder::{Decoder, Tape},
    optim::{Optimiser, Rule},
    packed::Packed,
    parallel::Workspace,
    params::Params,
    pressure::contract,
    visitor::Accumulate,
};

const DIRECTIONS: u64 = 3;

fn median(seconds: &mut [f64]) -> f64 {
    seconds.sort_by(f64::total_cmp);
    seconds[seconds.len() / 2]
}

fn timed(work: impl FnOnce()) -> f64 {
    let start = Instant::now();
    work();
    start.elapsed().as_secs_f64()
}

fn measure(name: &str, rounds: usize) {
    let Size { config, rows } = size(name);
    let decoder = Decoder::new(Cpu::<f32>::new(), config);
    let backend = *decoder.backend();
    let mut params = Params::random(&backend, &decoder.layout, 0);
    let directions: Vec<_> = (1..=DIRECTIONS).map(|seed| Params::random(&backend, &decoder.layout, seed)).collect();
    let rule = Rule::AdamW { beta1: 0.9, beta2: 0.98, eps: 1e-8, weight_decay: 0.01 };
    let mut optimiser = Optimiser::new(&backend, &decoder.layout, rule);
    let (_, batch) = pack(&rows, decoder.config.vocab_size);
    let ones =
        |batch: &[Packed]| -> Vec<Vec<f32>> { batch.iter().map(|packed| vec![1.0; packed.targets.len()]).collect() };
    let weights = ones(&batch);
    let singles: Vec<(Packed, Vec<f32>)> = rows
        .iter()
        .map(|row| {
            let packed = pack(std::slice::from_ref(row), decoder.config.vocab_size).1.remove(0);
            let weights = vec![1.0; packed.targets.len()];
            (packed, weights)
        })
        .collect();
    let mut workspace = Workspace::default();
    let (mut step, mut pressure, mut naive) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..rounds + 2 {
        let trained = timed(|| {
            let (gradient, _) = workspace.gradient(&decoder, &params, &batch, &weights);
            optimiser.step(&backend, &mut params, gradient, 1.0, 1e-6);
        });
        let contracted = timed(|| {
            black_box(contract(&mut workspace, &decoder, &params, &batch, &weights, &directions));
        });
        let looped = timed(|| {
            let start = || (Tape::default(), Params::zeros(&backend, &decoder.layout));
            let one = |(tape, gradient): &mut (Tape<_>, Params<_>), (packed, weights): &(Packed, Vec<f32>)| {
                gradient.clear(&backend);
                decoder.forward(&params, packed, tape);
                decoder.backward(&params, packed, weights, tape, &mut Accumulate { gradient });
                directions.iter().map(|direction| gradient.dot(&backend, direction)).sum::<f64>()
                    + gradient.norm(&backend)
            };
            black_box(singles.par_iter().map_init(start, one).collect::<Vec<_>>());
        });
        if round >= 2 {
            step.push(trained);
            pressure.push(contracted);
            naive.push(looped);
        }
    }
    let (step, pressure, naive) = (median(&mut step), median(&mut pressure), median(&mut naive));
    println!(
        "{{\"size\":\"{name}\",\"step\":{step:.6},\"pressure\":{pressure:.6},\"naive\":{naive:.6},\
         \"pressure_over_step\":{:.2},\"naive_over_pressure\":{:.2}}}",
        pressure / step,
        naive / pressure
    );
}

fn main() {
    let args: Vec<String> = std::env::args().skip(1).filter(|arg| !arg.starts_with("--")).collect();
    let rounds = args.get(1).and_then(|rounds| rounds.parse().ok());
    match args.first() {
        Some(name) => measure(name, rounds.unwrap_or(9)),
        None => [("organism", 200), ("medium", 9)].into_iter().for_each(|(name, rounds)| measure(name, rounds)),
    }
}
