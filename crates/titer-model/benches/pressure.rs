//! Per-row pressure with K = 3 directions beside a training step and beside one backward pass per row, interleaved in
//! one process. Prints a JSON line per size, medians in seconds and ratios.
//!
//!     cargo bench --bench pressure -- [organism|medium|lora] [rounds]

#![expect(clippy::print_stdout, reason = "its output is the measurement")]

mod sizes;

use std::{hint::black_box, time::Instant};

use rayon::iter::{
    IndexedParallelIterator as _, IntoParallelRefIterator as _, IntoParallelRefMutIterator as _, ParallelIterator as _,
};
use sizes::{BenchSize, pack, peak_mb, size};
use titer_model::{
    backend::Cpu,
    decoder::{Decoder, Tape},
    layers::{EmbeddingVisit, LinearVisit, NormVisit, Visitor},
    optim::{Optimiser, UpdateRule},
    packed::Packed,
    params::Params,
    passes::{Accumulate, Workspace, contract, contract_and_add_up},
};

const DIRECTIONS: u64 = 3;

/// Looks at nothing: what is left is the forward pass and the gradients of activations.
struct Nothing;

impl Visitor<Cpu<f32>> for Nothing {
    fn linear(&mut self, _: &Cpu<f32>, _: LinearVisit<'_, Cpu<f32>>) {}
    fn norm(&mut self, _: &Cpu<f32>, _: NormVisit<'_, Cpu<f32>>) {}
    fn embedding(&mut self, _: &Cpu<f32>, _: EmbeddingVisit<'_, Cpu<f32>>) {}
}

/// A direction: all of the parameters, or the adapters alone.
fn direction(decoder: &Decoder<Cpu<f32>>, seed: u64) -> Params<Cpu<f32>> {
    let (backend, layout) = (decoder.backend(), &decoder.layout);
    let mut direction = Params::zeros(backend, layout);
    for ((buffer, spec), at) in direction.buffers.iter_mut().zip(&layout.specs).zip(1_u64..) {
        if spec.trained {
            let wave = |place: usize| ((place as u64 * (2 * at + 1) * 7 + seed * 13) % 101) as f32 / 50.0 - 1.0;
            *buffer = (0..spec.shape.iter().product()).map(wave).collect();
        }
    }
    direction
}

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
    let size = size(name);
    let (decoder, mut params) = size.build();
    let backend = *decoder.backend();
    let BenchSize { rows, lora, .. } = size;
    // What pressure is compared with is a step on all parameters, also where only adapters have directions.
    let whole = Decoder::new(backend, decoder.config.clone());
    let mut weights_of_whole = params.clone();
    weights_of_whole.buffers.truncate(whole.layout.specs.len());
    let directions: Vec<_> = (1..=DIRECTIONS).map(|seed| direction(&decoder, seed)).collect();
    let rule = UpdateRule::AdamW { beta1: 0.9, beta2: 0.98, eps: 1e-8, weight_decay: 0.01 };
    let mut optimiser = Optimiser::new(&backend, &decoder.layout, rule);
    let mut optimiser_of_whole = Optimiser::new(&backend, &whole.layout, rule);
    let mut workspace_of_whole = Workspace::default();
    let (_, batch) = pack(&rows, &decoder);
    let ones =
        |batch: &[Packed]| -> Vec<Vec<f32>> { batch.iter().map(|packed| vec![1.0; packed.targets.len()]).collect() };
    let weights = ones(&batch);
    let singles: Vec<(Packed, Vec<f32>)> = rows
        .iter()
        .map(|row| {
            let packed = pack(std::slice::from_ref(row), &decoder).1.remove(0);
            let weights = vec![1.0; packed.targets.len()];
            (packed, weights)
        })
        .collect();
    let mut workspace = Workspace::default();
    let (mut step, mut pressure, mut fused) = (Vec::new(), Vec::new(), Vec::new());
    let (mut naive, mut passes, mut full) = (Vec::new(), Vec::new(), Vec::new());
    let mut tapes: Vec<Tape<Cpu<f32>>> = batch.iter().map(|_| Tape::default()).collect();
    for round in 0..rounds + 2 {
        let trained = timed(|| {
            let (gradient, _) = workspace.gradient(&decoder, &params, &batch, &weights);
            optimiser.step(&backend, &mut params, gradient, 1.0, 1e-6);
        });
        let trained_whole = if lora.is_some() {
            timed(|| {
                let (gradient, _) = workspace_of_whole.gradient(&whole, &weights_of_whole, &batch, &weights);
                optimiser_of_whole.step(&backend, &mut weights_of_whole, gradient, 1.0, 1e-6);
            })
        } else {
            trained
        };
        let contracted = timed(|| {
            black_box(contract(&workspace, &decoder, &params, &batch, &weights, &directions));
        });
        let both = timed(|| {
            let (_, gradient, _) =
                contract_and_add_up(&mut workspace, &decoder, &params, &batch, &weights, &directions);
            optimiser.step(&backend, &mut params, gradient, 1.0, 1e-6);
        });
        let bare = timed(|| {
            let one = |tape: &mut Tape<_>, packed: &Packed, weights: &Vec<f32>| {
                decoder.forward(&params, packed, tape);
                decoder.backward(&params, packed, weights, tape, &mut Nothing);
            };
            let work: Vec<_> = batch.iter().zip(&weights).collect();
            tapes.par_iter_mut().zip(work).for_each(|(tape, (packed, weights))| one(tape, packed, weights));
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
            full.push(trained_whole);
            pressure.push(contracted);
            fused.push(both);
            passes.push(bare);
            naive.push(looped);
        }
    }
    let (step, pressure, naive) = (median(&mut step), median(&mut pressure), median(&mut naive));
    let (passes, fused, full) = (median(&mut passes), median(&mut fused), median(&mut full));
    let peak = peak_mb();
    println!(
        "{{\"peak_mb\":{peak},\"size\":\"{name}\",\"full_step\":{full:.6},\"step\":{step:.6},\"passes\":{passes:.6},\"pressure\":{pressure:.6},\"fused\":{fused:.6},\"naive\":{naive:.6},\
         \"pressure_over_full_step\":{:.2},\"fused_over_step\":{:.2},\"naive_over_pressure\":{:.2}}}",
        pressure / full,
        fused / step,
        naive / pressure
    );
}

fn main() {
    let args: Vec<String> = std::env::args().skip(1).filter(|arg| !arg.starts_with("--")).collect();
    let rounds = args.get(1).and_then(|rounds| rounds.parse().ok());
    match args.first() {
        Some(name) => measure(name, rounds.unwrap_or(9)),
        None => {
            [("organism", 200), ("medium", 9), ("lora", 5)].into_iter().for_each(|(name, rounds)| measure(name, rounds))
        }
    }
}
