//! Vectors and adapters of the user's own that stages are given.

use std::{io, path::Path};

use bytes::Bytes;
use titer::{
    plan::{GivenFile, HelperPlan, HelperSource, StagePlan, SweepPlan},
    spec::{Spec, SpecError},
};
use titer_model::io::read_file;

use super::{Inputs, InputsError, opened::once};
use crate::{
    model::{ADAPTER, ADAPTER_CONFIG, AdapterBytes, ModelError},
    vector::GivenVector,
};

impl Inputs {
    /// Opens the files that stages are given and writes their hashes into the plan.
    ///
    /// # Errors
    /// The first that cannot be read, blamed on where the spec names it.
    pub(super) fn plan_given(&self, spec: &Spec, plan: &mut SweepPlan) -> Result<(), SpecError> {
        for arm in &mut plan.arms {
            for (at, stage) in arm.stages.iter_mut().enumerate() {
                for (field, file) in stage.given_mut() {
                    file.blake3 = self.given_hash(file).map_err(|error| blamed(spec, at, field, &error))?;
                }
            }
        }
        Ok(())
    }

    /// The vector that a stage is given, if it is.
    ///
    /// # Errors
    /// Where its file is not what was planned for, or holds no vector.
    pub(crate) fn given_vector(&self, stage: &StagePlan) -> Result<Option<GivenVector>, InputsError> {
        let Some(file) = stage.vector.as_ref().and_then(|vector| vector.file.as_ref()) else { return Ok(None) };
        self.still(file)?;
        let vector = GivenVector::parse(&self.model_bytes(&file.path)?, &file.path).map_err(ModelError::from)?;
        Ok(Some(vector))
    }

    /// The adapter that a helper is given as, if it is.
    ///
    /// # Errors
    /// Where its folder is not what was planned for.
    pub(crate) fn given_adapter(&self, helper: &HelperPlan) -> Result<Option<AdapterBytes>, InputsError> {
        let HelperSource::Given { file } = &helper.source else { return Ok(None) };
        self.still(file)?;
        Ok(Some(self.adapter_bytes(&file.path)?))
    }

    /// Fails where a file is not what was planned for.
    fn still(&self, file: &GivenFile) -> Result<(), InputsError> {
        match self.given_hash(file)? == file.blake3 {
            true => Ok(()),
            false => Err(InputsError::DataChanged { names: format!("`{}`", file.path.display()) }),
        }
    }

    /// The hash of a vector's file, or of both files of an adapter's folder.
    fn given_hash(&self, file: &GivenFile) -> Result<String, InputsError> {
        let mut hasher = blake3::Hasher::new();
        let mut add = |bytes: &Bytes| {
            hasher.update(&(bytes.len() as u64).to_le_bytes());
            hasher.update(bytes);
        };
        if file.is_adapter {
            let AdapterBytes { config, weights, .. } = self.adapter_bytes(&file.path)?;
            [config, weights].iter().for_each(add);
        } else {
            add(&self.model_bytes(&file.path)?);
        }
        Ok(hasher.finalize().to_hex().to_string())
    }

    fn adapter_bytes(&self, folder: &Path) -> Result<AdapterBytes, ModelError> {
        let read = |name: &str| {
            let fail = |problem| ModelError::Adapter { folder: folder.to_owned(), problem };
            self.model_bytes(&folder.join(name)).map_err(fail)
        };
        Ok(AdapterBytes { folder: folder.to_owned(), config: read(ADAPTER_CONFIG)?, weights: read(ADAPTER)? })
    }

    /// The bytes of a file that belongs to a model: no pipe, no device.
    fn model_bytes(&self, path: &Path) -> io::Result<Bytes> {
        let bytes = once(&self.bytes, path.to_owned(), || Ok::<_, io::Error>(Bytes::from(read_file(path)?)))?;
        Ok(Bytes::clone(&bytes))
    }
}

/// An error of a field of a stage, blamed on the stage where that names the field, else on the sweep.
pub(super) fn blamed(spec: &Spec, stage: usize, field: &str, error: &dyn ToString) -> SpecError {
    let place = stage.to_string();
    let written = spec.stages.get(stage).is_some_and(|stage| stage.contains_key(field));
    let keys = if written { vec!["stage", &place, field] } else { vec!["sweep"] };
    spec.error(&keys, error.to_string(), "")
}
