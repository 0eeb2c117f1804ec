//! Who holds a lease: a process, its machine, and its job where it has one.

use std::{env, fmt};

use serde::{Deserialize, Serialize};

/// Who holds a lease.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// The start of its machine, by which two processes know that they are on one machine; empty where that is not known.
    #[serde(default)]
    pub machine: String,
    /// Its machine's name.
    #[serde(default)]
    pub host: String,
    /// Its process.
    #[serde(default)]
    pub process: u32,
    /// Its cluster, where it is a job of one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster: Option<String>,
    /// Its job, as `array_element` or as a number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job: Option<String>,
    /// Which submission it works for, where it is a slot.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub submission: Option<usize>,
    /// Which slot it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slot: Option<usize>,
    /// Whether it is to be the only writer of the whole folder for as long as it holds.
    #[serde(default)]
    pub alone: bool,
}

impl Holder {
    /// This process, with the job that its environment names.
    pub fn here() -> Self {
        let kernel = |file: &str| {
            let text = fs_err::read_to_string(format!("/proc/sys/kernel/{file}")).unwrap_or_default();
            text.trim().to_owned()
        };
        let said = |name: &str| env::var(name).ok().filter(|value| !value.is_empty());
        let element = said("SLURM_ARRAY_JOB_ID").zip(said("SLURM_ARRAY_TASK_ID"));
        Self {
            machine: kernel("random/boot_id"),
            host: kernel("hostname"),
            process: std::process::id(),
            cluster: said("SLURM_CLUSTER_NAME"),
            job: element.map(|(array, task)| format!("{array}_{task}")).or_else(|| said("SLURM_JOB_ID")),
            ..Self::default()
        }
    }

    /// Whether both are the same job of the same cluster: two starts of it, where their processes differ.
    pub(super) fn is_job_of(&self, other: &Self) -> bool {
        self.job.is_some() && (&self.job, &self.cluster) == (&other.job, &other.cluster)
    }
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.slot {
            Some(slot) => write!(f, "slot {slot}")?,
            None => write!(f, "process {}", self.process)?,
        }
        if let Some(job) = &self.job {
            write!(f, ", job {job}")?;
        }
        match (&self.cluster, self.host.is_empty()) {
            (Some(cluster), true) => write!(f, " of cluster {cluster}"),
            (Some(cluster), false) => write!(f, " of cluster {cluster}, on {}", self.host),
            (None, true) => Ok(()),
            (None, false) => write!(f, " on {}", self.host),
        }
    }
}
