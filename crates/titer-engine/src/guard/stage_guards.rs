//! The guards of a stage, in the order in which they act.

use std::time::{Duration, Instant};

use titer::{plan::StagePlan, table::GuardRecord};
use titer_data::source::Source;
use titer_model::{decoder::Decoder, packed::Packed, params::Params};

use super::{
    Contradiction, Control, Guard, GuardError, StepPosition,
    dual::Dual,
    kl::Kl,
    project::{Project, Rule},
    reweight::Reweight,
    steer::Steer,
};
use crate::model::{EngineBackend, EngineOptimiser, Model};

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
    pub(crate) fn redirect_any(&self) -> bool {
        self.0.iter().any(|(guard, _)| guard.redirects())
    }

    /// See [`Guard::weigh`]; weights multiply.
    ///
    /// # Errors
    /// As there.
    pub fn weigh(
        &mut self,
        model: &Model,
        layers: &Decoder<EngineBackend>,
        optimiser: &EngineOptimiser,
        shards: &[Packed],
        at: StepPosition,
    ) -> Result<Option<Vec<f64>>, Contradiction> {
        let mut weights: Option<Vec<f64>> = None;
        for (guard, spent) in &mut self.0 {
            let factors = timed(spent, || guard.weigh(model, layers, optimiser, shards, at))?;
            weights = match (weights, factors) {
                (Some(all), Some(factors)) => Some(all.iter().zip(factors).map(|(a, b)| a * b).collect()),
                (all, factors) => all.or(factors),
            };
        }
        Ok(weights)
    }

    /// See [`Guard::look`].
    pub fn look(&mut self, model: &Model, at: StepPosition) {
        self.0.iter_mut().filter(|(guard, _)| guard.redirects()).for_each(|(guard, spent)| {
            timed(spent, || guard.look(model, at));
        });
    }

    /// See [`Guard::pull`]; each sees the gradient with what those before it added.
    pub fn pull(
        &mut self,
        model: &Model,
        gradient: &Params<EngineBackend>,
        at: StepPosition,
    ) -> Option<Params<EngineBackend>> {
        let backend = model.decoder.backend();
        let mut added: Option<Params<EngineBackend>> = None;
        for (guard, spent) in &mut self.0 {
            let so_far = added.as_ref().map(|added| {
                let mut sum = gradient.clone();
                sum.add_scaled(backend, 1.0, added);
                sum
            });
            let pull = timed(spent, || guard.pull(model, so_far.as_ref().unwrap_or(gradient), at));
            match (&mut added, pull) {
                (Some(added), Some(pull)) => added.add_scaled(backend, 1.0, &pull),
                (added, pull) => *added = added.take().or(pull),
            }
        }
        added
    }

    /// See [`Guard::redirect`]; each sees the step as those before it left it, and moves the parameters at once.
    ///
    /// # Errors
    /// As there.
    pub(crate) fn redirect(
        &mut self,
        model: &mut Model,
        optimiser: &EngineOptimiser,
        mut proposed: Params<EngineBackend>,
        at: StepPosition,
    ) -> Result<Option<Params<EngineBackend>>, Contradiction> {
        let backend = model.decoder.backend().clone();
        let mut moved: Option<Params<EngineBackend>> = None;
        for (guard, spent) in &mut self.0 {
            if let Some(change) = timed(spent, || guard.redirect(model, optimiser, &proposed, at))? {
                model.params.add_scaled(&backend, 1.0, &change);
                proposed.add_scaled(&backend, 1.0, &change);
                match &mut moved {
                    Some(moved) => moved.add_scaled(&backend, 1.0, &change),
                    None => moved = Some(change),
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
