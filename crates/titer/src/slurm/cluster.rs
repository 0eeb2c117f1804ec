//! The cluster that this machine belongs to.

use super::{SlurmError, call::call};

/// The cluster that this machine belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cluster {
    /// Its name.
    pub name: String,
    /// How many elements an array may have.
    pub max_array_size: usize,
}

impl Cluster {
    /// Asks Slurm for it.
    ///
    /// # Errors
    /// Where there is no Slurm, or it does not answer.
    pub fn here() -> Result<Self, SlurmError> {
        // Both are needed later: said before anything is written.
        call("sbatch", ["--version"]).or_else(unless_missing)?;
        call("squeue", ["--version"]).or_else(unless_missing)?;
        Ok(Self::of_config(&call("scontrol", ["show", "config"])?))
    }

    /// Makes sure that it has a partition of this name.
    ///
    /// # Errors
    /// Where it has none, with the names of those that it has.
    pub fn has_partition(&self, name: &str) -> Result<(), SlurmError> {
        let text = call("scontrol", ["--oneliner", "--all", "show", "partition"])?;
        let known: Vec<String> = text
            .lines()
            .filter_map(|line| line.strip_prefix("PartitionName=")?.split_whitespace().next())
            .map(str::to_owned)
            .collect();
        // Slurm takes several, and uses the first that has room.
        match name.split(',').find(|name| !known.iter().any(|known| known == name)) {
            Some(name) => Err(SlurmError::NoPartition { cluster: self.name.clone(), name: name.to_owned(), known }),
            None => Ok(()),
        }
    }

    fn of_config(text: &str) -> Self {
        let value = |key: &str| {
            let line = text.lines().find_map(|line| line.split_once('=').filter(|(name, _)| name.trim() == key));
            line.map(|(_, value)| value.trim().to_owned())
        };
        // Slurm's own default.
        let max_array_size = value("MaxArraySize").and_then(|value| value.parse().ok()).unwrap_or(1001);
        Self { name: value("ClusterName").unwrap_or_default(), max_array_size }
    }
}

/// A command that is there and fails may still do what is needed.
fn unless_missing(error: SlurmError) -> Result<String, SlurmError> {
    match error {
        SlurmError::NoSlurm(_) => Err(error),
        _ => Ok(String::new()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_configuration_is_read() {
        let text = "Configuration data as of 2026\nClusterName             = hive\nMaxArraySize            = 50\n";
        assert_eq!(Cluster::of_config(text), Cluster { name: "hive".to_owned(), max_array_size: 50 });
        assert_eq!(Cluster::of_config("").max_array_size, 1001);
    }
}
