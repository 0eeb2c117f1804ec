//! The files that hold a model's weights, each opened once: what is hashed is what is read.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    path::{Component, Path, PathBuf},
    sync::Arc,
};

use serde::Deserialize;

use super::{
    LoadError,
    regular_file::{check_file, read_file},
    tensors::Bytes,
};

/// All weights in one file.
const SINGLE: &str = "model.safetensors";

/// Which shard holds which tensor.
const INDEX: &str = "model.safetensors.index.json";

/// A folder's `model.safetensors`, or the shards that `model.safetensors.index.json` names where that file is missing, mapped
/// into memory. The files must not change while they are in use. A clone shares them.
#[derive(Clone)]
pub struct WeightFiles {
    /// The bytes of the index, and the shard of each tensor, where there are shards.
    pub(super) index: Option<(Vec<u8>, BTreeMap<String, PathBuf>)>,
    /// In the order of their names.
    pub(super) files: BTreeMap<PathBuf, Bytes>,
    /// The file that errors about all of them are blamed on.
    pub(super) path: PathBuf,
}

impl fmt::Debug for WeightFiles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.files.keys()).finish()
    }
}

impl WeightFiles {
    /// Maps those of a folder.
    ///
    /// Fails where there is none, one is missing or no file of the folder, or the index cannot be read.
    pub fn map(folder: &Path) -> Result<Self, LoadError> {
        let (single, path) = (folder.join(SINGLE), folder.join(INDEX));
        if single.exists() || !path.exists() {
            return Ok(Self { index: None, files: BTreeMap::from([(single.clone(), map(&single)?)]), path: single });
        }
        let bytes = read_file(&path)?;
        let shards = shards(&bytes, &path)?;
        let names: BTreeSet<&PathBuf> = shards.values().collect();
        let files = names.into_iter().map(|name| Ok((name.clone(), map(name)?))).collect::<Result<_, LoadError>>()?;
        Ok(Self { index: Some((bytes, shards)), files, path })
    }

    /// Whether a folder lacks none of them; only an index is opened for it.
    pub fn are_whole(folder: &Path) -> bool {
        let (single, path) = (folder.join(SINGLE), folder.join(INDEX));
        let shards = || shards(&read_file(&path)?, &path);
        single.exists() || shards().is_ok_and(|shards| shards.values().all(|shard| shard.exists()))
    }

    /// The bytes of every file, in a fixed order, those of the index first.
    pub fn bytes(&self) -> impl Iterator<Item = &[u8]> {
        let index = self.index.iter().map(|(bytes, _)| bytes.as_slice());
        index.chain(self.files.values().map(|file| (**file).as_ref()))
    }
}

/// The shard of each tensor, by the bytes of the index at `path`.
fn shards(bytes: &[u8], path: &Path) -> Result<BTreeMap<String, PathBuf>, LoadError> {
    #[derive(Deserialize)]
    struct Index {
        /// Tensor to file.
        weight_map: BTreeMap<String, PathBuf>,
    }
    let index: Index =
        serde_json::from_slice(bytes).map_err(|error| LoadError::weights(path)(format!("not an index: {error}")))?;
    let folder = path.parent().unwrap_or(Path::new(""));
    let place = |(tensor, file): (String, PathBuf)| match file.components().collect::<Vec<_>>()[..] {
        [Component::Normal(name)] => Ok((tensor, folder.join(name))),
        _ => {
            let problem =
                format!("tensor `{tensor}` is said to be in {}, which is no file of this folder", file.display());
            Err(LoadError::weights(path)(problem))
        }
    };
    index.weight_map.into_iter().map(place).collect()
}

/// A file's bytes, mapped into memory: the system reads what is used, and shares it with whoever else maps the file.
fn map(path: &Path) -> Result<Bytes, LoadError> {
    check_file(path)?;
    let file = fs_err::File::open(path)?;
    // SAFETY: nobody writes to a model's files while it is used; so every reader of such files takes it.
    Ok(Arc::new(unsafe { memmap2::Mmap::map(&file) }?))
}
