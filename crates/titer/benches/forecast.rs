//! How long 10 000 forecasts take: mixes of three cells, 100 steps, three probes, on a kernel of 128 buckets.
//!
//! `cargo bench -p titer --bench forecast`

use std::{path::Path, time::Instant};

use rayon::{iter::ParallelIterator as _, slice::ParallelSlice as _};
use titer::{
    forecast::{Kernel, KernelProducts, LANES, Moments, last, toy::Toy},
    plan::{StagePlan, SweepPlan},
    spec::Spec,
};

/// The toy's kernel with its buckets repeated: numbers do not matter here, sizes do.
fn kernel(buckets: usize) -> Kernel {
    let toy = Toy::DEFAULT.kernel();
    let wide = |values: &[f64], share: f64| -> Vec<f64> {
        values.chunks_exact(3).flat_map(|three| (0..buckets).map(move |b| three[b % 3] * share)).collect()
    };
    let share = 3.0 / buckets as f64;
    let whole = KernelProducts { buckets, by_bucket: wide(&toy.whole.by_bucket, share), ..toy.whole.clone() };
    let moments = Moments {
        buckets,
        squares: wide(&toy.moments.squares, 1.0),
        noise_by_bucket: wide(&toy.moments.noise_by_bucket, 1.0),
        scale: vec![1.0; buckets],
        ..toy.moments.clone()
    };
    Kernel { whole, moments, ..toy }
}

fn stage(dose: f64, optimiser: &str) -> StagePlan {
    let text = format!(
        "[[stage]]\nmix = {{ \"bad→good\" = {dose}, \"instruction→good\" = 0.1, rest = \"neutral→good\" }}\noptimiser = {optimiser}\n"
    );
    let spec = Spec::parse(&text, Path::new("bench.toml")).expect("the spec is right");
    SweepPlan::resolve(&spec).expect("the spec is right").arms[0].stages[0].clone()
}

fn main() {
    let kernel = kernel(128);
    for optimiser in [r#"{ kind = "adamw", lr = 1e-4 }"#, r#"{ kind = "sgd", lr = 0.03 }"#] {
        let stages: Vec<[StagePlan; 1]> =
            (1..=10_000).map(|at| 4e-4 + f64::from(at) * 8e-5).map(|dose| [stage(dose, optimiser)]).collect();
        let start = Instant::now();
        let some = |mixes: &[[StagePlan; 1]]| -> f64 {
            last(&kernel, mixes, &[0, 1, 2]).expect("known").iter().map(|moved| moved[1]).sum()
        };
        let sum: f64 = stages.par_chunks(LANES).map(some).sum();
        let seconds = start.elapsed().as_secs_f64();
        let line = format!(
            "{optimiser}: 10 000 mixes in {seconds:.2} s on {} threads (sum {sum:.1})\n",
            rayon::current_num_threads()
        );
        std::io::Write::write_all(&mut std::io::stdout(), line.as_bytes()).expect("stdout is there");
    }
}
