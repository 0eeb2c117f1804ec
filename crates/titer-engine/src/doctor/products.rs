//! What products in bf16 change and what they gain: `compute = "bf16"`.

use std::time::{Duration, Instant};

use titer::spec::{Compute, DeviceName};
use titer_model::{backend::Cpu, passes::score};

use super::{Check, numbers::largest};
use crate::{model::Model, rows::PackedRows};

/// How far log-probabilities move where frozen bf16 weights are multiplied in bf16, and how many tokens a second are scored; `None`
/// where the processor or the model has nothing to do it with.
pub(super) fn products(in_f32: &Model, rows: &PackedRows) -> Option<Check> {
    let in_bf16 = in_f32.clone().computing(Compute::Bf16, DeviceName::Cpu).ok()?;
    let (exact, exact_time) = scored(in_f32, rows);
    let (rounded, rounded_time) = scored(&in_bf16, rows);
    let apart: Vec<f64> = exact.iter().zip(&rounded).map(|(a, b)| f64::from(a - b).abs()).collect();
    let (worst, mean) = (largest(apart.iter().copied()), apart.iter().sum::<f64>() / apart.len() as f64);
    let tokens = rows.iter().map(|row| row.encoded.tokens.len()).sum::<usize>() as f64;
    let rate = |time: Duration| tokens / time.as_secs_f64();
    let by = in_bf16.decoder.backend().as_cpu().and_then(Cpu::bf16).map_or("", |instructions| instructions.name());
    let finding = format!(
        "bf16 weights multiplied in bf16 ({by}) move the log-probability of a token by at most {worst:.1e} nats, by {mean:.1e} on average; \
         {:.0} tokens a second are scored in place of {:.0}",
        rate(rounded_time),
        rate(exact_time)
    );
    let remedy = "where such differences do not matter, ask for it with --compute bf16 (`compute = \"bf16\"` under [model] in a spec)";
    Some(Check::note("products in bf16", finding, remedy).with_number(worst))
}

/// Log-probabilities of all targets, and how long they take: the second time, when the weights have been read.
pub(super) fn scored(model: &Model, rows: &PackedRows) -> (Vec<f32>, Duration) {
    let scored = || score(&model.decoder, &model.params, rows.shards());
    scored();
    let start = Instant::now();
    let scores = scored();
    let time = start.elapsed();
    (scores.into_iter().flatten().collect(), time)
}
