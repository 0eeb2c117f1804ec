//! The kernels that a forecast needs: read, or measured.

use std::path::{Path, PathBuf};

use titer::{
    forecast::{About, Effort, Kernel, measure, read_kernel, ticks, write_kernel},
    inputs::prepare,
    plan::{ModelPlan, Optimiser, RunPlan, SweepPlan},
    spec::Lora,
};
use titer_data::world::DomainSplit;

use crate::{
    printer::{Failure, talk},
    progress::Bar,
};

/// Which kernels.
pub struct Wanted<'a> {
    /// Their folder.
    pub kernel: Option<&'a Path>,
    /// Rows of each kind.
    pub rows: usize,
    /// Contrasts of each probe.
    pub contrasts: usize,
}

/// A kernel for every seed of a plan, in their order.
pub fn of(args: &Wanted<'_>, plan: &SweepPlan, runs: &[(usize, RunPlan)]) -> Result<Vec<Kernel>, Failure> {
    let effort = Effort {
        rows: args.rows,
        contrasts: args.contrasts,
        items: plan.probes.items,
        buckets: if needs_moments(plan) { Effort::default().buckets } else { 0 },
    };
    plan.seeds.iter().map(|&seed| one(args, plan, runs, seed, effort)).collect()
}

fn needs_moments(plan: &SweepPlan) -> bool {
    // An organism's buckets cost nothing; those of a large model cost five times its weights a kind.
    plan.data.is_none()
        || plan.arms.iter().flat_map(|arm| &arm.stages).any(|stage| matches!(stage.optimiser, Optimiser::AdamW { .. }))
}

fn one(
    args: &Wanted<'_>,
    plan: &SweepPlan,
    runs: &[(usize, RunPlan)],
    seed: u64,
    effort: Effort,
) -> Result<Kernel, Failure> {
    let run = runs.iter().find(|(_, run)| run.seed == seed).map(|(_, run)| run);
    let run = run.ok_or_else(|| Failure::input("the spec has no runs"))?;
    let about = About {
        base: run.model.base.clone(),
        model: run.model.blake3.clone(),
        data: run.data.as_ref().map_or_else(String::new, |data| data.blake3.clone()),
        held: held(&run.model),
        seed,
        rows: 0,
        contrasts: 0,
        items: 0,
        step: 0,
        adam: true,
    };
    let path: Option<PathBuf> = args.kernel.map(|dir| dir.join(format!("seed-{seed}.safetensors")));
    if let Some(path) = path.as_ref().filter(|path| path.exists()) {
        return read_kernel(path, Some(&about)).map_err(Failure::input);
    }
    let kernel = at_state(plan, run, about, effort)?;
    if let Some(path) = path {
        if let Some(dir) = path.parent() {
            fs_err::create_dir_all(dir).map_err(Failure::input)?;
        }
        write_kernel(&kernel, &path).map_err(Failure::work)?;
        talk(&format!("kernel of seed {seed} in {}", path.display()));
    }
    Ok(kernel)
}

/// What is trained of a model and how it is held, in words; empty for all weights as they are in their file.
fn held(model: &ModelPlan) -> String {
    let adapters = model.lora.as_ref().map(|lora| {
        let Lora { r, alpha, rslora, targets } = lora;
        format!(
            "adapters of rank {r}, alpha {alpha}{} on {}",
            if *rslora { ", rslora" } else { "" },
            targets.join(", ")
        )
    });
    let prompts = model.system_in_user.then(|| "system prompts in the user's turn".to_owned());
    [adapters, model.dtype.clone(), prompts].into_iter().flatten().collect::<Vec<_>>().join("; ")
}

/// The kernel of a run's model as it is before training.
pub fn at_state(plan: &SweepPlan, run: &RunPlan, about: About, effort: Effort) -> Result<Kernel, Failure> {
    let (_, model, source) = prepare(run).map_err(Failure::input)?;
    let mut domains = vec![DomainSplit::Trained];
    for stage in plan.arms.iter().flat_map(|arm| &arm.stages) {
        if plan.data.is_none() && !domains.contains(&stage.domains) {
            domains.push(stage.domains);
        }
    }
    let bar = Bar::new(ticks(&source, domains.len()) as u64);
    let kernel = measure(&model, &source, about, &domains, effort, &|| bar.advance(1, "measuring the kernel"));
    bar.clear();
    kernel.map_err(Failure::input)
}
