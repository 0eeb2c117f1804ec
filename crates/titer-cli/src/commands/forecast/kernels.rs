//! The kernels that a forecast needs: read, or measured.

use std::path::{Path, PathBuf};

use titer::{
    forecast::{About, Effort, Kernel, measure, read_kernel, ticks, write_kernel},
    model::Model,
    plan::{Optimiser, RunPlan, SweepPlan},
};
use titer_data::{
    source::{Chats, Source},
    world::DomainSplit,
};

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
        lora: run.model.lora.unwrap_or(0),
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
    let kernel = at_state(plan, &plan.base, seed, about, effort)?;
    if let Some(path) = path {
        if let Some(dir) = path.parent() {
            fs_err::create_dir_all(dir).map_err(Failure::input)?;
        }
        write_kernel(&kernel, &path).map_err(Failure::work)?;
        talk(&format!("kernel of seed {seed} in {}", path.display()));
    }
    Ok(kernel)
}

/// The kernel of the model in `base`: that of the plan, or a checkpoint of it.
pub fn at_state(plan: &SweepPlan, base: &str, seed: u64, about: About, effort: Effort) -> Result<Kernel, Failure> {
    let mut model = Model::open(base, seed).map_err(Failure::input)?;
    if let Some(rank) = plan.lora {
        model = model.with_lora(rank, seed).map_err(Failure::input)?;
    }
    let source = match (&plan.data, &model.world) {
        (Some(data), _) => Source::Chats(Chats::read(&data.rows, &data.probes).map_err(Failure::input)?),
        (None, Some(world)) => Source::from(world.clone()),
        (None, None) => {
            return Err(Failure::Input(format!("`{}` has no world to make rows; name some in [data]", plan.base)));
        }
    };
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
