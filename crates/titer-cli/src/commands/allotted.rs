//! How many threads there are to use.

use std::num::NonZero;

/// The processors of the job that this process belongs to, where it belongs to one and that is said; else those of the machine that
/// this process may use.
pub(super) fn allotted_threads() -> NonZero<usize> {
    let said = |name: &str| std::env::var(name).ok()?.parse::<NonZero<usize>>().ok();
    said("SLURM_CPUS_PER_TASK")
        .or_else(|| said("SLURM_CPUS_ON_NODE"))
        .or_else(|| std::thread::available_parallelism().ok())
        .unwrap_or(NonZero::<usize>::MIN)
}
