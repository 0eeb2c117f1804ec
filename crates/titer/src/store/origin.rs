//! `origin.toml` of a run that titer did not train: who did, and what of it titer has measured.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::{Damage, FileFormat, StoreError};
use crate::{files::write_whole, spec::parse_toml};

/// Where a run comes from that titer did not train.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Origin {
    /// The file's format, see [`Origin::FORMAT`].
    pub format: u32,
    /// Who trained it.
    pub trainer: String,
    /// Whether titer's probes measured its weights; else its rates are outcomes that somebody else measured.
    pub measured: bool,
    /// Where weights or outcomes were, as named.
    pub from: Vec<String>,
    /// The hash of those weights or outcomes.
    pub blake3: String,
    /// What its trainer did otherwise than titer does, a sentence each.
    pub not_carried: Vec<String>,
}

impl Origin {
    /// The file's name in a run's folder.
    pub const FILE: &str = "origin.toml";
    /// The file's formats.
    pub const FORMAT: FileFormat =
        FileFormat { known: 1, oldest: 1, unsaid: None, remedy: "delete the run's folder and import it again" };

    /// The origin of the run in a folder; `None` where titer trained it.
    ///
    /// # Errors
    /// Where it is damaged, or of a format that is not read.
    pub fn read(run: &Path) -> Result<Option<Self>, StoreError> {
        let path = run.join(Self::FILE);
        if !path.exists() {
            return Ok(None);
        }
        let damage = |problem: String| Damage { dir: run.to_owned(), problem };
        let text = fs_err::read_to_string(&path).map_err(|error| damage(error.to_string()))?;
        let table = parse_toml(&text, &path).map_err(|error| damage(error.headline()))?;
        Self::FORMAT.of_toml(&path, &table)?;
        Ok(Some(parse_toml(&text, &path).map_err(|error| damage(error.headline()))?))
    }

    /// Writes it into the folder of a run.
    ///
    /// # Errors
    /// Where the file system refuses.
    pub fn write(&self, run: &Path) -> std::io::Result<()> {
        write_whole(&run.join(Self::FILE), toml::to_string(self).expect("an origin is plain data").as_bytes())
    }
}
