//! Guards: measures that protect components while a stage trains.
//!
//! A guard acts at one place of a training step: on the weights of its rows ([`Reweight`]), on the gradient before the
//! optimiser ([`Kl`], [`Dual`], [`Project`]), or on the step after it ([`Steer`]). Anchors and rewritten prompts act on
//! the rows before there is a step ([`rows`]). Guards that have targets look at [`Control`] probes, whose contexts never
//! judge, and follow a [`Course`] to them.

mod bounds;
mod control;
mod course;
mod dual;
mod kl;
mod project;
mod reweight;
pub mod rows;
mod steer;

use std::time::{Duration, Instant};

use titer::{plan::StagePlan, table::GuardRecord};
use titer_data::{source::Source, tokenize::TokenizeError};
use titer_model::{packed::Packed, params::Params};

pub use bounds::{Contradiction, within_bounds};
pub use control::{Control, ControlError};
pub use course::Course;
use dual::Dual;
use kl::Kl;
use project::{Project, Rule};
use reweight::Reweight;
use steer::Steer;

use crate::{
    model::{Backend, Model, Optimiser},
    rows::RowsError,
};

/// Where in a stage a step is.
#[derive(Clone, Copy, Debug)]
pub struct At {
    /// Which step of the stage, from 0.
    pub step: usize,
    /// Steps of the stage.
    pub steps: usize,
    /// Steps of the run before the stage.
    pub before: usize,
    /// Learning rate of the step.
    pub lr: f64,
    /// What a row's nats count for in the loss: 1 / (rows in the batch · divisor).
    pub weight: f64,
}

/// What a guard can do in a training step, in the order of the calls; it does nothing where it does not say otherwise.
pub trait Guard {
    /// Its word in specs.
    fn word(&self) -> &'static str;

    /// Before the step: weights for the rows of the batch, `rows` in all shards together, in place of 1.
    ///
    /// # Errors
    /// Where what is wanted contradicts itself.
    fn weigh(
        &mut self,
        _model: &Model,
        _optimiser: &Optimiser,
        _shards: &[Packed],
        _at: At,
    ) -> Result<Option<Vec<f64>>, Contradiction> {
        Ok(None)
    }

    /// What is added to the gradient of the batch before clipping and the optimiser.
    fn pull(&mut self, _model: &Model, _gradient: &Params<Backend>, _at: At) -> Option<Params<Backend>> {
        None
    }

    /// Whether [`Guard::redirect`] does anything, so that the optimiser's own step has to be known.
    fn redirects(&self) -> bool {
        false
    }

    /// Before the step, where it redirects: a look at the model as it is.
    fn look(&mut self, _model: &Model, _at: At) {}

    /// After the optimiser has moved the parameters by `proposed`: what they are to be moved besides.
    ///
    /// # Errors
    /// Where what is wanted contradicts itself.
    fn redirect(
        &mut self,
        _model: &Model,
        _optimiser: &Optimiser,
        _proposed: &Params<Backend>,
        _at: At,
    ) -> Result<Option<Params<Backend>>, Contradiction> {
        Ok(None)
    }

    /// What it did since this was last asked.
    fn records(&mut self) -> Vec<GuardRecord> {
        Vec::new()
    }
}

/// Why guards cannot work.
#[derive(Debug, thiserror::Error)]
pub enum GuardError {
    /// Control probes are missing.
    #[error(transparent)]
    Control(#[from] ControlError),
    /// Anchors cannot be encoded.
    #[error(transparent)]
    Rows(#[from] RowsError),
    /// Two targets cannot be met together.
    #[error(transparent)]
    Contradiction(#[from] Contradiction),
}

impl From<TokenizeError> for GuardError {
    fn from(error: TokenizeError) -> Self {
        Self::Control(error.into())
    }
}

/// The guards of a stage, and how long each took.
#[derive(Default)]
pub struct Guards(Vec<(Box<dyn Guard>, Duration)>);

impl Guards {
    /// The guards that act on steps, at the start of a stage.
    ///
    /// # Errors
    /// Where one of them lacks what it needs.
    pub fn of_stage(model: &Model, source: &Source, stage: &StagePlan, seed: u64) -> Result<Self, GuardError> {
        let plan = &stage.guards;
        let control = |plan| Control::new(model, source, seed, plan, stage.steps);
        let mut all: Vec<Box<dyn Guard>> = Vec::new();
        if let Some(plan) = &plan.reweight {
            all.push(Box::new(Reweight::new(plan, control(&plan.control)?)));
        }
        if let Some(plan) = &plan.kl {
            all.push(Box::new(Kl::new(model, source, stage, plan, seed)?));
        }
        if let Some(plan) = &plan.dual {
            all.push(Box::new(Dual::new(plan, control(&plan.control)?)));
        }
        for (rule, plan) in [(Rule::AGem, &plan.agem), (Rule::PcGrad, &plan.pcgrad)] {
            if let Some(plan) = plan {
                all.push(Box::new(Project::new(rule, control(plan)?)));
            }
        }
        if let Some(plan) = &plan.steer {
            all.push(Box::new(Steer::new(plan, control(&plan.control)?, seed)));
        }
        Ok(Self(all.into_iter().map(|guard| (guard, Duration::ZERO)).collect()))
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether the optimiser's own step has to be known.
    pub fn redirect_any(&self) -> bool {
        self.0.iter().any(|(guard, _)| guard.redirects())
    }

    /// See [`Guard::weigh`]; weights multiply.
    ///
    /// # Errors
    /// As there.
    pub fn weigh(
        &mut self,
        model: &Model,
        optimiser: &Optimiser,
        shards: &[Packed],
        at: At,
    ) -> Result<Option<Vec<f64>>, Contradiction> {
        let mut weights: Option<Vec<f64>> = None;
        for (guard, spent) in &mut self.0 {
            let own = timed(spent, || guard.weigh(model, optimiser, shards, at))?;
            weights = match (weights, own) {
                (Some(all), Some(own)) => Some(all.iter().zip(own).map(|(a, b)| a * b).collect()),
                (all, own) => all.or(own),
            };
        }
        Ok(weights)
    }

    /// See [`Guard::look`].
    pub fn look(&mut self, model: &Model, at: At) {
        self.0.iter_mut().filter(|(guard, _)| guard.redirects()).for_each(|(guard, spent)| {
            timed(spent, || guard.look(model, at));
        });
    }

    /// See [`Guard::pull`]; each sees the gradient with what those before it added.
    pub fn pull(&mut self, model: &Model, gradient: &Params<Backend>, at: At) -> Option<Params<Backend>> {
        let backend = model.decoder.backend();
        let mut added: Option<Params<Backend>> = None;
        for (guard, spent) in &mut self.0 {
            let so_far = added.as_ref().map(|added| {
                let mut sum = gradient.clone();
                sum.add_scaled(backend, 1.0, added);
                sum
            });
            let own = timed(spent, || guard.pull(model, so_far.as_ref().unwrap_or(gradient), at));
            match (&mut added, own) {
                (Some(added), Some(own)) => added.add_scaled(backend, 1.0, &own),
                (added, own) => *added = added.take().or(own),
            }
        }
        added
    }

    /// See [`Guard::redirect`]; each sees the step as those before it left it, and moves the parameters at once.
    ///
    /// # Errors
    /// As there.
    pub fn redirect(
        &mut self,
        model: &mut Model,
        optimiser: &Optimiser,
        mut proposed: Params<Backend>,
        at: At,
    ) -> Result<Option<Params<Backend>>, Contradiction> {
        let backend = *model.decoder.backend();
        let mut moved: Option<Params<Backend>> = None;
        for (guard, spent) in &mut self.0 {
            if let Some(own) = timed(spent, || guard.redirect(model, optimiser, &proposed, at))? {
                model.params.add_scaled(&backend, 1.0, &own);
                proposed.add_scaled(&backend, 1.0, &own);
                match &mut moved {
                    Some(moved) => moved.add_scaled(&backend, 1.0, &own),
                    None => moved = Some(own),
                }
            }
        }
        Ok(moved)
    }

    /// What each guard did since this was last asked.
    pub fn records(&mut self) -> Vec<GuardRecord> {
        self.0.iter_mut().flat_map(|(guard, _)| guard.records()).collect()
    }

    /// How long each guard took so far, by its word.
    pub fn spent(&self) -> impl Iterator<Item = (&'static str, Duration)> + '_ {
        self.0.iter().map(|(guard, spent)| (guard.word(), *spent))
    }
}

fn timed<T>(spent: &mut Duration, work: impl FnOnce() -> T) -> T {
    let start = Instant::now();
    let result = work();
    *spent += start.elapsed();
    result
}
