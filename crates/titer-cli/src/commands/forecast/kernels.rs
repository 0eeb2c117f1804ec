//! The kernels that a forecast needs: read, or measured.

use std::path::{Path, PathBuf};

use titer::{
    forecast::{About, Kernel, read_kernel, write_kernel},
    plan::{DataPlan, ModelPlan, Optimiser, RunPlan, SweepPlan},
    spec::Lora,
};
use titer_data::{source::Source, world::DomainSplit};
use titer_engine::{
    inputs::Inputs,
    kernel::{Effort, Measured, measure, ticks},
    model::Model,
};

use crate::{
    printer::{Failure, talk},
    progress::Bar,
};

/// Which kernels.
pub struct Wanted<'a> {
    /// The models and rows that they are measured on.
    pub inputs: &'a Inputs,
    /// Their folder.
    pub kernel: Option<&'a Path>,
    /// Rows of each kind.
    pub rows: usize,
    /// Contrasts of each probe.
    pub contrasts: usize,
}

impl Wanted<'_> {
    /// How much is measured for a plan; for Adam also by buckets.
    pub fn effort(&self, plan: &SweepPlan, adam: bool) -> Effort {
        Effort {
            rows: self.rows,
            contrasts: self.contrasts,
            items: plan.probes.items,
            buckets: if adam { Effort::default().buckets } else { 0 },
        }
    }
}

/// A kernel for every seed of a plan, in their order.
pub fn of(args: &Wanted<'_>, plan: &SweepPlan, runs: &[(usize, RunPlan)]) -> Result<Vec<Kernel>, Failure> {
    let effort = args.effort(plan, needs_moments(plan));
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
    let about = about(&run.model, run.data.as_ref(), seed);
    let read = |dir: &Path| read_kernel(&path(dir, seed), Some(&about)).map_err(Failure::input);
    if let Some(dir) = args.kernel.filter(|dir| path(dir, seed).exists()) {
        let kernel = read(dir)?;
        smaller(&kernel, &path(dir, seed), effort);
        return Ok(kernel);
    }
    let (_, model, source) = args.inputs.prepare(run).map_err(Failure::input)?;
    let kernel = kernel(&model, &source, about.clone(), &domains(plan), effort)?;
    let Some(dir) = args.kernel else { return Ok(kernel) };
    write(&kernel, dir)?;
    // Files hold f32: so that it says the same now and the next time.
    read(dir)
}

/// Says where a kernel has been measured on less than was asked for; of chats there may be no more.
fn smaller(kernel: &Kernel, path: &Path, effort: Effort) {
    let About { rows, contrasts, items, .. } = kernel.about;
    if kernel.about.data.is_empty() && (rows < effort.rows || contrasts < effort.contrasts || items != effort.items) {
        talk(&format!(
            "{} was measured on {rows} rows of a kind, {contrasts} contrasts and {items} probe items, where {}, {} and {} were asked \
             for: another --kernel measures again",
            path.display(),
            effort.rows,
            effort.contrasts,
            effort.items
        ));
    }
}

/// What a kernel is of; counts are for the measurement to fill in.
pub fn about(model: &ModelPlan, data: Option<&DataPlan>, seed: u64) -> About {
    About {
        base: model.base.clone(),
        model: model.blake3.clone(),
        data: data.map_or_else(String::new, DataPlan::hash),
        held: held(model),
        seed,
        rows: 0,
        contrasts: 0,
        items: 0,
        step: 0,
        adam: true,
    }
}

/// Where the kernel of a seed is in a folder of kernels.
pub fn path(dir: &Path, seed: u64) -> PathBuf {
    dir.join(format!("seed-{seed}.safetensors"))
}

/// Puts a kernel into a folder of kernels.
pub fn write(kernel: &Kernel, dir: &Path) -> Result<(), Failure> {
    fs_err::create_dir_all(dir).map_err(Failure::input)?;
    let path = path(dir, kernel.about.seed);
    write_kernel(kernel, &path).map_err(Failure::work)?;
    talk(&format!("kernel of seed {} in {}", kernel.about.seed, path.display()));
    Ok(())
}

/// What is trained of a model and how it is held, in words; empty for all weights as they are in their file.
fn held(model: &ModelPlan) -> String {
    let adapters = model.lora.as_ref().map(|Lora { r, alpha, rslora, targets }| {
        let scaled = if *rslora { ", rslora" } else { "" };
        let layers = if targets.is_empty() { "every linear layer".to_owned() } else { targets.join(", ") };
        format!("adapters of rank {r}, alpha {alpha}{scaled} on {layers}")
    });
    let prompts = model.system_in_user.then(|| "system prompts in the user's turn".to_owned());
    [adapters, model.dtype.clone(), prompts].into_iter().flatten().collect::<Vec<_>>().join("; ")
}

/// The request domains in which a sweep trains; chats know of one.
pub fn domains(plan: &SweepPlan) -> Vec<DomainSplit> {
    let mut domains = vec![DomainSplit::Trained];
    for stage in plan.arms.iter().flat_map(|arm| &arm.stages) {
        if plan.data.is_none() && !domains.contains(&stage.domains) {
            domains.push(stage.domains);
        }
    }
    domains
}

/// What a kernel needs to know of a model as it stands.
pub fn measured(
    model: &Model,
    source: &Source,
    about: About,
    domains: &[DomainSplit],
    effort: Effort,
) -> Result<Measured, Failure> {
    let bar = Bar::new(ticks(source, domains.len()) as u64);
    let found = measure(model, source, about, domains, effort, &|| bar.advance(1, "measuring the kernel"));
    bar.clear();
    found.map_err(Failure::input)
}

/// The kernel of a model as it stands.
pub fn kernel(
    model: &Model,
    source: &Source,
    about: About,
    domains: &[DomainSplit],
    effort: Effort,
) -> Result<Kernel, Failure> {
    let state = measured(model, source, about, domains, effort)?;
    Ok(titer_engine::kernel::kernels(&[state], effort.buckets).remove(0))
}
