//! What runs have in common: the stages that they begin with.

use std::collections::BTreeSet;

use super::{RunPlan, StagePlan};

impl RunPlan {
    /// What the run is behind each of its stages but the last, as plans of their own, the shortest first; stages that are skipped
    /// count for nothing. Runs that begin alike have equal ones, and an equal plan is an equal model with equal tables.
    pub fn beginnings(&self) -> Vec<Self> {
        let stages: Vec<&StagePlan> = self.stages.iter().filter(|stage| stage.steps > 0).collect();
        // Screening is of the base, and chooses its prompt by the stages to come.
        let of = |count: usize| Self {
            screen: false,
            own_prompt: None,
            stages: stages[..count].iter().map(|&stage| stage.clone()).collect(),
            ..self.clone()
        };
        (1..stages.len()).map(of).collect()
    }

    /// The optimiser steps that are taken for its stages up to its step `done`, those of helpers included.
    pub fn steps_until(&self, done: usize) -> usize {
        let mut ends = 0;
        let within = |stage: &&StagePlan| {
            ends += stage.steps;
            ends <= done
        };
        self.stages.iter().take_while(within).flat_map(StagePlan::batches).count()
    }
}

/// The stages that each of these runs trains itself where they are made in this order: those that an earlier one begins with too are
/// taken over.
pub fn own_stages<'a>(runs: impl IntoIterator<Item = &'a RunPlan>) -> Vec<Vec<&'a StagePlan>> {
    let mut kept = BTreeSet::new();
    let own = |run: &'a RunPlan| {
        let names: Vec<_> = run.beginnings().iter().map(RunPlan::id).collect();
        let shared = names.iter().rposition(|name| kept.contains(name)).map_or(0, |at| at + 1);
        kept.extend(names);
        run.stages.iter().filter(|stage| stage.steps > 0).skip(shared).collect()
    };
    runs.into_iter().map(own).collect()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::{
        plan::{ModelPlan, SweepPlan},
        spec::Spec,
    };

    fn runs(text: &str) -> Vec<RunPlan> {
        let plan = SweepPlan::resolve(&Spec::parse(text, Path::new("spec.toml")).unwrap()).unwrap();
        let model = |base: &str, _| -> Result<ModelPlan, ()> {
            Ok(toml::from_str(&format!("base = \"{base}\"\nblake3 = \"0\"")).unwrap())
        };
        plan.runs(None, model).unwrap().into_iter().map(|(_, run)| run).collect()
    }

    #[test]
    fn runs_that_begin_alike_share_a_beginning_and_its_steps_are_counted_once() {
        let runs = runs(
            r#"
            seeds = [0, 1]
            without_controls = ["no-prompt", "placebo", "paraphrases"]
            [[stage]]
            name = "first"
            rows = 128
            [[stage]]
            name = "seal"
            rows = 64
            [[stage]]
            name = "last"
            rows = 64
            [sweep]
            "seal.rows" = [0, 64]
            "last.mix.bad→good" = [0.0, 0.5]
            "#,
        );
        let beginnings = |run: &RunPlan| run.beginnings().iter().map(RunPlan::steps).collect::<Vec<_>>();
        let all: Vec<_> = runs.iter().map(beginnings).collect();
        let steps = |rows: usize| rows / runs[0].stages[0].batch;
        assert!(all.contains(&vec![steps(128)]), "a stage that is skipped is none: {all:?}");
        assert!(all.contains(&vec![steps(128), steps(192)]), "{all:?}");
        let id = |run: &RunPlan, at: usize| run.beginnings()[at].id();
        assert_eq!(id(&runs[0], 0), id(&runs[2], 0));
        assert_ne!(id(&runs[0], 0), id(&runs[1], 0), "another seed");

        let count = |stages: &Vec<&StagePlan>| stages.iter().map(|stage| stage.steps).sum::<usize>();
        let own: Vec<usize> = own_stages(&runs).iter().map(count).collect();
        let whole: Vec<usize> = runs.iter().map(RunPlan::steps).collect();
        assert_eq!(own[..2], whole[..2], "the first of each seed does everything");
        assert!(own[2..].iter().zip(&whole[2..]).all(|(own, whole)| own < whole), "{own:?} of {whole:?}");
        assert_eq!((runs[0].steps_until(0), runs[0].steps_until(steps(128))), (0, steps(128)));
    }

    #[test]
    fn a_run_of_one_stage_has_nothing_to_share() {
        let runs = runs("seeds = [0]\n[[stage]]\nrows = 64");
        assert!(runs.iter().all(|run| run.beginnings().is_empty()));
        assert!(own_stages(&runs).iter().all(|own| own.len() == 1));
    }
}
