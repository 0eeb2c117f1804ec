//! A model on several devices, each of which does a part of what is asked about many rows.

use titer::spec::{Compute, DeviceName};

use super::{Model, ModelError};
use crate::device::each_of;

/// A model on one device, or a copy of it on each of several.
#[derive(Debug)]
pub struct ModelCopies(Vec<Model>);

impl ModelCopies {
    /// The model on this device; where any GPU is meant, on each that there is.
    ///
    /// # Errors
    /// As [`Model::computing`].
    pub fn over(model: Model, compute: Compute, device: DeviceName) -> Result<Self, ModelError> {
        let devices = each_of(device);
        let (last, others) = devices.split_last().expect("a model is somewhere");
        let others = others.iter().map(|&device| model.clone().computing(compute, device));
        let mut copies = others.collect::<Result<Vec<_>, _>>()?;
        copies.push(model.computing(compute, *last)?);
        Ok(Self(copies))
    }

    /// The same model in several places.
    ///
    /// # Panics
    /// Where there is none.
    pub fn of(models: Vec<Model>) -> Self {
        assert!(!models.is_empty(), "a model is somewhere");
        Self(models)
    }

    /// The first of them, for what is done once.
    pub fn first(&self) -> &Model {
        &self.0[0]
    }

    /// See [`ModelCopies::first`].
    pub fn first_mut(&mut self) -> &mut Model {
        &mut self.0[0]
    }

    /// All of them.
    pub fn models(&self) -> &[Model] {
        &self.0
    }
}
