//! The kernels that forecasts of a sweep need: read from a folder, or measured.

use std::{io, path::Path};

use titer::{
    forecast::{About, ForecastError, Kernel, KernelError, kernel_path, read_kernel, write_kernel},
    plan::{OptimiserPlan, RunPlan, SweepPlan},
    results::ResultsError,
    store::StoreError,
};
use titer_data::{source::Source, tokenize::TokenizeError, world::DomainSplit};

use super::{Effort, KernelState, about, domains, kernels, measure, ticks};
use crate::{
    inputs::{Inputs, InputsError},
    model::Model,
};

/// Which kernels.
#[derive(Clone, Copy, Debug)]
pub struct KernelRequest<'a> {
    /// The models and rows that they are measured on.
    pub inputs: &'a Inputs,
    /// Their folder, where they are kept.
    pub folder: Option<&'a Path>,
    /// Rows of each kind.
    pub rows: usize,
    /// Contrasts of each probe.
    pub contrasts: usize,
}

/// What is told on the way to a kernel.
pub trait KernelProgress: Sync {
    /// A measurement of so many ticks begins.
    fn begin(&self, ticks: usize);

    /// One of them is done.
    fn tick(&self);

    /// All of them are.
    fn end(&self);

    /// A line for the user.
    fn say(&self, line: &str);
}

/// Why there is no kernel.
#[derive(Debug, thiserror::Error)]
pub enum KernelsError {
    /// The spec trains nothing.
    #[error("the spec has no runs")]
    NoRuns,
    /// The model or its rows cannot be used.
    #[error(transparent)]
    Inputs(#[from] InputsError),
    /// A row or contrast cannot be encoded.
    #[error(transparent)]
    Rows(#[from] TokenizeError),
    /// A file of a kernel cannot be used.
    #[error(transparent)]
    Kernel(#[from] KernelError),
    /// It cannot forecast what a pilot trains.
    #[error(transparent)]
    Forecast(#[from] ForecastError),
    /// A folder cannot be made.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// A pilot's folder cannot be used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A pilot cannot be trained.
    #[error(transparent)]
    Pilot(#[from] titer::exec::RunsFailed),
    /// What it measured cannot be read.
    #[error(transparent)]
    Results(#[from] ResultsError),
}

impl KernelsError {
    /// Whether what the user gave is at fault.
    pub fn is_input(&self) -> bool {
        !matches!(self, Self::Store(_) | Self::Pilot(_) | Self::Results(_))
    }
}

impl KernelRequest<'_> {
    /// How much is measured for a plan; for Adam also by buckets.
    pub(super) fn effort(&self, plan: &SweepPlan, adam: bool) -> Effort {
        Effort {
            rows: self.rows,
            contrasts: self.contrasts,
            items: plan.probes.items,
            buckets: if adam { Effort::default().buckets } else { 0 },
        }
    }

    /// A kernel for every seed of a plan, in their order.
    ///
    /// # Errors
    /// Where one can neither be read nor measured.
    pub fn kernels(
        &self,
        plan: &SweepPlan,
        runs: &[(usize, RunPlan)],
        progress: &dyn KernelProgress,
    ) -> Result<Vec<Kernel>, KernelsError> {
        let effort = self.effort(plan, needs_moments(plan));
        plan.seeds.iter().map(|&seed| self.kernel(plan, runs, seed, effort, progress)).collect()
    }

    fn kernel(
        &self,
        plan: &SweepPlan,
        runs: &[(usize, RunPlan)],
        seed: u64,
        effort: Effort,
        progress: &dyn KernelProgress,
    ) -> Result<Kernel, KernelsError> {
        let run = runs.iter().find(|(_, run)| run.seed == seed).map(|(_, run)| run).ok_or(KernelsError::NoRuns)?;
        let about = about(&run.model, run.data.as_ref(), seed);
        if let Some(path) = self.folder.map(|folder| kernel_path(folder, seed)).filter(|path| path.exists()) {
            let kernel = read_kernel(&path, Some(&about))?;
            say_if_smaller(&kernel, &path, effort, progress);
            return Ok(kernel);
        }
        let (_, model, source) = self.inputs.prepare(run)?;
        let kernel = measure_kernel(&model, &source, about.clone(), &domains(plan), effort, progress)?;
        let Some(folder) = self.folder else { return Ok(kernel) };
        save_kernel(&kernel, folder, progress)?;
        // Files hold f32: so that it says the same now and the next time.
        Ok(read_kernel(&kernel_path(folder, seed), Some(&about))?)
    }
}

fn needs_moments(plan: &SweepPlan) -> bool {
    // An organism's buckets cost nothing; those of a large model cost five times its weights a kind.
    plan.data.is_none()
        || plan
            .arms
            .iter()
            .flat_map(|arm| &arm.stages)
            .any(|stage| matches!(stage.optimiser, OptimiserPlan::AdamW { .. }))
}

/// Says where a kernel has been measured on less than was asked for; of chats there may be no more.
fn say_if_smaller(kernel: &Kernel, path: &Path, effort: Effort, progress: &dyn KernelProgress) {
    let About { rows, contrasts, items, .. } = kernel.about;
    if kernel.about.data.is_empty() && (rows < effort.rows || contrasts < effort.contrasts || items != effort.items) {
        progress.say(&format!(
            "{} was measured on {rows} rows of a kind, {contrasts} contrasts and {items} probe items, where {}, {} and {} were asked \
             for: another --kernel measures again",
            path.display(),
            effort.rows,
            effort.contrasts,
            effort.items
        ));
    }
}

/// Puts a kernel into a folder of kernels, which is made where it is missing.
///
/// # Errors
/// Where it cannot be written.
pub fn save_kernel(kernel: &Kernel, folder: &Path, progress: &dyn KernelProgress) -> Result<(), KernelsError> {
    fs_err::create_dir_all(folder)?;
    let path = kernel_path(folder, kernel.about.seed);
    write_kernel(kernel, &path)?;
    progress.say(&format!("kernel of seed {} in {}", kernel.about.seed, path.display()));
    Ok(())
}

/// What a kernel needs to know of a model as it stands, with progress.
pub(super) fn measure_state(
    model: &Model,
    source: &Source,
    about: About,
    domains: &[DomainSplit],
    effort: Effort,
    progress: &dyn KernelProgress,
) -> Result<KernelState, TokenizeError> {
    progress.begin(ticks(source, domains.len()));
    let state = measure(model, source, about, domains, effort, &|| progress.tick());
    progress.end();
    state
}

/// The kernel of a model as it stands.
///
/// # Errors
/// Where a row or contrast cannot be encoded.
pub fn measure_kernel(
    model: &Model,
    source: &Source,
    about: About,
    domains: &[DomainSplit],
    effort: Effort,
    progress: &dyn KernelProgress,
) -> Result<Kernel, TokenizeError> {
    let state = measure_state(model, source, about, domains, effort, progress)?;
    Ok(kernels(&[state], effort.buckets).remove(0))
}
