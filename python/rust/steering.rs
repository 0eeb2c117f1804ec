//! Steering for a step of another program's optimiser: the targets, bounds and quadratic program of titer's own guard.

use std::path::Path;

use pyo3::prelude::*;
use titer::{
    plan::{SteerPlan, SweepPlan},
    spec::Spec,
};
use titer_data::probe::Component;
use titer_engine::guard::Courses;

use crate::error;

/// The courses of a stage's components, and the guard's constants.
#[pyclass(module = "titer._lab")]
pub struct Steering {
    plan: SteerPlan,
    courses: Courses,
    steps: usize,
}

#[pymethods]
impl Steering {
    /// Of the first stage of a spec, as TOML.
    #[new]
    fn new(spec: &str) -> PyResult<Self> {
        let spec = Spec::parse(spec, Path::new("steer")).map_err(error::input)?;
        let plan = SweepPlan::resolve(&spec).map_err(error::input)?;
        let stage = plan.arms.first().and_then(|arm| arm.stages.first());
        let stage = stage.ok_or_else(|| error::input("the spec has no stage"))?;
        let plan = stage.guards.steer.clone().ok_or_else(|| error::input("the stage is not steered"))?;
        if plan.random || !plan.control.probes.is_empty() {
            return Err(error::input("`random` and `probes` are for `titer run` alone; leave them out"));
        }
        let courses = Courses::new(plan.control.target.iter().copied(), plan.feedback);
        Ok(Self { plan, courses, steps: stage.steps })
    }

    /// The components that have a target, by name.
    #[getter]
    fn components(&self) -> Vec<&'static str> {
        self.plan.control.target.iter().map(|target| Component::ALL[target.component].word()).collect()
    }

    /// Contrasts looked at together, per component.
    #[getter]
    fn contrasts(&self) -> usize {
        self.plan.control.contrasts
    }

    /// Steps between looks.
    #[getter]
    fn every(&self) -> usize {
        self.plan.control.every
    }

    /// Longest correction, in lengths of the optimiser's own step.
    #[getter]
    fn cap(&self) -> f64 {
        self.plan.cap
    }

    /// Added to every `√v̂` of the metric, in root mean squares of `√v̂`.
    #[getter]
    fn floor(&self) -> f64 {
        self.plan.floor
    }

    /// A look has found these changes since the stage began, nats.
    fn observe(&mut self, changes: Vec<f64>) {
        self.courses.observe(&changes);
    }

    /// What each `P ∇f_k` counts for in the smallest correction of step `step` (from 0): `gram` is `C P Cᵀ`, `effects` what the step does by
    /// itself, nats.
    fn multipliers(&self, gram: Vec<Vec<f64>>, effects: Vec<f64>, step: usize) -> PyResult<Vec<f64>> {
        self.courses.multipliers(&gram, &effects, step, self.steps).map_err(error::input)
    }

    /// The step has been done, corrected by `multipliers`.
    fn moved(&mut self, gram: Vec<Vec<f64>>, effects: Vec<f64>, multipliers: Vec<f64>) {
        self.courses.moved(&gram, &effects, &multipliers);
    }
}
