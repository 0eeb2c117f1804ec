//! How a sweep is given to a Slurm cluster.

use titer::spec::SlurmFields;

/// What a job asks for; what is left out is as in the spec's `[slurm]`, else as the cluster has it.
#[derive(Debug, Default, clap::Args)]
#[command(next_help_heading = "On Slurm, in place of the spec's [slurm]")]
pub(crate) struct SlurmArgs {
    /// The partition
    #[arg(long, value_name = "NAME")]
    pub partition: Option<String>,
    /// The account that is charged
    #[arg(long, value_name = "NAME")]
    pub account: Option<String>,
    /// Time limit of a slot, such as 02:00:00
    #[arg(long, value_name = "TIME")]
    pub time: Option<String>,
    /// Processors of a slot, which are its threads
    #[arg(long, value_name = "N")]
    pub cpus: Option<usize>,
    /// GPUs of a slot, such as 1 or a100:1
    #[arg(long, value_name = "GPUS")]
    pub gpus: Option<String>,
    /// Memory of a slot, such as 4G
    #[arg(long, value_name = "SIZE")]
    pub memory: Option<String>,
    /// Slots that run at once, at most
    #[arg(long, value_name = "N")]
    pub at_once: Option<usize>,
    /// Slots in all [default: one for each missing run]
    #[arg(long, value_name = "N")]
    pub slots: Option<usize>,
    /// A line for the batch script, such as '#SBATCH --constraint=avx512'; may be given again
    #[arg(long, value_name = "LINE")]
    pub line: Vec<String>,
}

impl SlurmArgs {
    /// What is asked for, over what a spec asks for; lines are added to the spec's.
    pub(crate) fn over(&self, spec: &SlurmFields) -> SlurmFields {
        let text = |argument: &Option<String>, of_spec: &Option<String>| argument.clone().or_else(|| of_spec.clone());
        SlurmFields {
            partition: text(&self.partition, &spec.partition),
            account: text(&self.account, &spec.account),
            time: text(&self.time, &spec.time),
            cpus: self.cpus.or(spec.cpus),
            gpus: text(&self.gpus, &spec.gpus),
            memory: text(&self.memory, &spec.memory),
            at_once: self.at_once.or(spec.at_once),
            slots: self.slots.or(spec.slots),
            lines: spec.lines.iter().chain(&self.line).cloned().collect(),
        }
    }

    /// The first option that is given, if any is.
    pub(crate) fn first(&self) -> Option<&'static str> {
        let given = [
            ("--partition", self.partition.is_some()),
            ("--account", self.account.is_some()),
            ("--time", self.time.is_some()),
            ("--cpus", self.cpus.is_some()),
            ("--gpus", self.gpus.is_some()),
            ("--memory", self.memory.is_some()),
            ("--at-once", self.at_once.is_some()),
            ("--slots", self.slots.is_some()),
            ("--line", !self.line.is_empty()),
        ];
        given.into_iter().find(|(_, given)| *given).map(|(name, _)| name)
    }
}
