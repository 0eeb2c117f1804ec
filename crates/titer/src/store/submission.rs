//! `slots/N.toml`: what was submitted for slots to do, and how they get at the plan.

use std::{
    io::ErrorKind,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize, Serializer};

use super::{FileFormat, StoreError};
use crate::{
    files::write_whole,
    plan::RunId,
    spec::{Compute, DeviceName, parse_toml},
};

/// One submission: the runs that its slots do, and what a slot needs to plan them again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Submission {
    /// The file's format, see [`Submission::FORMAT`].
    pub format: u32,
    /// Its number in the sweep's folder.
    #[serde(skip)]
    pub number: usize,
    /// The cluster that has it; `None` where slots are started by other means.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cluster: Option<String>,
    /// What its jobs are called in the cluster's queue.
    pub name: String,
    /// How many slots it has.
    pub slots: usize,
    /// Where the spec is seen from.
    pub spec: PathBuf,
    /// The model that takes the place of the spec's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub base: Option<String>,
    /// What frozen weights are multiplied in, in place of what the spec says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub compute: Option<Compute>,
    /// Where the model is computed, in place of what the spec says.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "in_full")]
    pub device: Option<DeviceName>,
    /// The runs, each once.
    pub runs: Vec<RunId>,
}

/// A GPU that was named stays that one in all slots; where any was meant, each slot takes one.
fn in_full<S: Serializer>(device: &Option<DeviceName>, serializer: S) -> Result<S::Ok, S::Error> {
    device.map(DeviceName::in_full).serialize(serializer)
}

impl Submission {
    /// Their folder in a sweep's folder.
    pub const FOLDER: &str = "slots";
    /// The file's formats.
    pub const FORMAT: FileFormat =
        FileFormat { known: 1, oldest: 1, unsaid: None, remedy: "delete the folder `slots` and submit again" };

    /// The submissions of a sweep's folder, the earliest first; none where nothing was submitted.
    ///
    /// # Errors
    /// Where one cannot be read.
    pub fn all(sweep: &Path) -> Result<Vec<Self>, StoreError> {
        let mut all = Vec::new();
        while let Some(next) = Self::read(sweep, all.len())? {
            all.push(next);
        }
        Ok(all)
    }

    /// The submission of this number; `None` where there is none.
    ///
    /// # Errors
    /// Where it cannot be read.
    pub fn read(sweep: &Path, number: usize) -> Result<Option<Self>, StoreError> {
        let path = Self::path(sweep, number, "toml");
        let text = match fs_err::read_to_string(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            text => text?,
        };
        let broken = |problem: String| StoreError::Broken(problem);
        let table = parse_toml(&text, &path).map_err(|error| broken(error.headline()))?;
        Self::FORMAT.of_toml(&path, &table)?;
        let submission: Self = parse_toml(&text, &path).map_err(|error| broken(error.headline()))?;
        Ok(Some(Self { number, ..submission }))
    }

    /// Writes it.
    ///
    /// # Errors
    /// Where the file system refuses.
    pub fn write(&self, sweep: &Path) -> std::io::Result<()> {
        fs_err::create_dir_all(sweep.join(Self::FOLDER))?;
        let text = toml::to_string(self).expect("a submission is plain data");
        write_whole(&Self::path(sweep, self.number, "toml"), text.as_bytes())
    }

    /// Where a file of a submission belongs, by its ending.
    pub fn path(sweep: &Path, number: usize, ending: &str) -> PathBuf {
        sweep.join(Self::FOLDER).join(format!("{number}.{ending}"))
    }

    /// A short name of a sweep's folder, by which no two folders are called alike.
    pub fn mark(folder: &Path) -> String {
        blake3::hash(folder.as_os_str().as_encoded_bytes()).to_hex()[..8].to_owned()
    }

    /// Makes sure that a sweep's folder is of one cluster alone.
    ///
    /// # Errors
    /// Where the submission was given to another cluster than `ours`.
    pub fn is_of(&self, sweep: &Path, ours: &str) -> Result<(), StoreError> {
        match self.cluster.as_deref().filter(|cluster| *cluster != ours) {
            Some(cluster) => Err(StoreError::TwoClusters {
                dir: sweep.to_owned(),
                cluster: cluster.to_owned(),
                ours: ours.to_owned(),
            }),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_compute_where_it_was_said() {
        let submitted = |device: Option<&str>| {
            let folder = tempfile::tempdir().unwrap();
            let submission = Submission {
                format: Submission::FORMAT.known,
                number: 0,
                cluster: None,
                name: "titer-a-0".to_owned(),
                slots: 2,
                spec: PathBuf::from("a.toml"),
                base: None,
                compute: None,
                device: device.map(|word| word.parse().unwrap()),
                runs: Vec::new(),
            };
            submission.write(folder.path()).unwrap();
            assert_eq!(Submission::read(folder.path(), 0).unwrap().as_ref(), Some(&submission));
            submission.device
        };
        assert_eq!(submitted(Some("cuda:1")), Some(DeviceName::Cuda(Some(1))));
        assert_eq!(submitted(Some("cuda")), Some(DeviceName::Cuda(None)));
        assert_eq!(submitted(None), None);
    }
}
