//! What a spec asks for, looked at before its runs start: the model behind it, the user's own rows, and whether they fit.

use std::{collections::BTreeMap, sync::Arc};

use titer::{
    plan::{self, Arm, DataPlan, StagePlan, SweepPlan, Target},
    spec::{Compute, DeviceName, Spec, SpecError},
};
use titer_data::{
    cell::Cell,
    chat::{Message, system_prompt},
    probe::{Component, Probe, ProbePrompts},
    source::{DataFiles, HARMLESS, ObeyContrasts, Source},
    tokenize::TokenizeError,
    world::{DomainSplit, ProbeUse},
};
use titer_model::stored::Dtype;

use super::{ExampleRow, Inputs, InputsError};
use crate::{
    drawn,
    guard::rows,
    model::{Model, ModelError},
    rows::EncodedRows,
};

/// The world of an organism.
pub(super) fn world(model: &Model, base: &str) -> Result<Source, InputsError> {
    let none = || InputsError::NoWorld { base: base.to_owned() };
    model.world.clone().map(Source::from).ok_or_else(none)
}

/// The number type of this name, if any.
///
/// # Errors
/// Where there is no such type.
pub fn dtype(word: Option<&str>) -> Result<Option<Dtype>, ModelError> {
    word.map(|word| word.parse().map_err(ModelError::Dtype)).transpose()
}

/// Whether this is the context of a contrast under the instruction that titer makes up.
fn is_made_up(obey: ObeyContrasts, context: &[Message]) -> bool {
    obey == ObeyContrasts::MadeUp && system_prompt(context) == Some(HARMLESS)
}

impl Inputs {
    /// The planned model behind `base` for a seed: found and readable, and with a world to make rows from where there are no
    /// others (`has_data`).
    ///
    /// # Errors
    /// Where a run could not start with it.
    pub fn plan_model(&self, base: &str, seed: u64, has_data: bool) -> Result<plan::ModelPlan, InputsError> {
        let model = self.model(base, seed, None)?;
        if !has_data {
            world(&model, base)?;
        }
        let blake3 = self.hash(base, seed)?.to_string();
        let template = model.template.planned_options();
        let (compute, device) = (Compute::F32, DeviceName::Cpu);
        // Where a small batch is cut in two, where a template has carriage returns, and where rows with tools have a template of their own.
        let tokens = model.decoder.shard_tokens();
        let numerics = u32::from(tokens.start() < tokens.end())
            + 2 * u32::from(model.template.has_returns())
            + 4 * u32::from(model.template.has_tool_use());
        Ok(plan::ModelPlan {
            base: base.to_owned(),
            blake3,
            numerics,
            dtype: None,
            compute,
            device,
            lora: None,
            template,
        })
    }

    /// The planned rows and contrasts: readable, and with rows of every cell that is trained.
    ///
    /// # Errors
    /// Where a run could not start with them.
    pub fn plan_data(&self, files: &DataFiles, cells: impl Iterator<Item = Cell>) -> Result<DataPlan, InputsError> {
        let data = self.data(files)?;
        match data.source.lacks(cells) {
            Some(cell) => Err(InputsError::NoRows { names: files.names(), cell }),
            None => {
                Ok(DataPlan { blake3: data.blake3.clone(), numerics: data.chats().numerics(), files: files.clone() })
            }
        }
    }

    /// The probes that measure on a spec's own contrasts, `component/prompts/domains`.
    ///
    /// # Errors
    /// Where the files cannot be used.
    pub(super) fn probe_names(&self, files: &DataFiles) -> Result<Vec<String>, InputsError> {
        let probes = self.data(files)?.source.probes(ProbeUse::Measure, 0, 0);
        Ok(probes.iter().map(Probe::name).collect())
    }

    /// Whether a spec's own contrasts give what guards look at: the control probes that they name, and those of components with a target.
    ///
    /// # Errors
    /// The first that is not there, blamed on the guard.
    pub(super) fn control_probes_fit(&self, spec: &Spec, plan: &SweepPlan) -> Result<(), SpecError> {
        let Some(files) = &plan.data else { return Ok(()) };
        let data = self.data(files).map_err(|error| spec.error(&["data"], error.to_string(), ""))?;
        let probes = data.source.probes(ProbeUse::Gradient, 0, 1);
        let there: Vec<&Probe> = probes.iter().filter(|probe| !probe.contrasts.is_empty()).collect();
        let names: Vec<String> = there.iter().map(|probe| probe.name()).collect();
        for (at, stage) in plan.arms.iter().flat_map(|arm| arm.stages.iter().enumerate()) {
            let blame = |guard: &str, field: &str, problem: String| {
                let remedy = format!("your contrasts give {}", names.join(", "));
                spec.error(&["stage", &at.to_string(), "guards", guard, field], problem, remedy)
            };
            for guards in stage.with_helpers().map(|stage| &stage.guards) {
                if let Some((guard, problem)) = guards.unknown_probe(&names) {
                    return Err(blame(guard, "probes", problem));
                }
                for (guard, control) in guards.controls() {
                    let component = |target: &Target| Component::ALL[target.component];
                    let usual = [ProbePrompts::Paraphrased, ProbePrompts::Seen];
                    let is_looked_at = |probe: &Probe| match control.probes.as_slice() {
                        [] => usual.contains(&probe.prompts) && probe.domains == DomainSplit::Trained,
                        named => named.contains(&probe.name()),
                    };
                    let lacks =
                        |one: &Component| !there.iter().any(|probe| probe.component == *one && is_looked_at(probe));
                    if let Some(component) = control.target.iter().map(component).find(lacks) {
                        let word = component.word();
                        return Err(blame(guard, word, format!("`{word}` has a target, and no contrasts to look at")));
                    }
                }
            }
        }
        Ok(())
    }

    /// The prompt that all `bad→bad` rows of a spec's own have, where it is one.
    ///
    /// # Errors
    /// Where the files cannot be used.
    pub(super) fn own_prompt(&self, files: &DataFiles) -> Result<Option<String>, InputsError> {
        Ok(self.data(files)?.chats().shared_prompt(Arm::SCREENED).map(str::to_owned))
    }

    /// What is to be known of a spec's own rows, see [`titer_data::source::Chats::notes`].
    ///
    /// # Errors
    /// Where the files cannot be used.
    pub(super) fn notes(&self, files: &DataFiles) -> Result<Vec<String>, InputsError> {
        Ok(self.data(files)?.chats().notes())
    }

    /// Whether there are contrasts of every component where a spec asks for what is taken along all of them. What only measures does without.
    ///
    /// # Errors
    /// Where there are none of `obey`.
    pub(super) fn measures_components(&self, plan: &SweepPlan) -> Result<(), InputsError> {
        let Some(files) = &plan.data else { return Ok(()) };
        if self.data(files)?.chats().obey() != ObeyContrasts::Missing {
            return Ok(());
        }
        let mut stages = plan.arms.iter().flat_map(|arm| &arm.stages);
        let asks = [
            (!plan.pressure.is_never(), "pressure"),
            (plan.screen, "screen"),
            (stages.any(|stage| stage.helper.is_some()), "helper"),
        ];
        match asks.into_iter().find(|(asked, _)| *asked) {
            Some((_, asks)) => Err(InputsError::NoObey { names: files.names(), asks }),
            None => Ok(()),
        }
    }

    /// Whether a spec's own rows and contrasts are such that its model can be trained on them: every one is encoded once.
    ///
    /// # Errors
    /// The first that cannot be, as a run would fail on it.
    pub fn fits(&self, plan: &SweepPlan) -> Result<(), InputsError> {
        let Some(files) = &plan.data else { return Ok(()) };
        let (model, data) = (self.first_model(plan)?, self.data(files)?);
        let chats = data.chats();
        // Said of the row's place, since rows without an id of their own are called by a hash.
        let at = |place: Option<String>, error| match place {
            Some(place) => InputsError::At { place, error: Box::new(error) },
            None => InputsError::Tokenize(error),
        };
        if let Err(error) = EncodedRows::encode(&model, &chats.rows().cloned().collect::<Vec<_>>()) {
            let first = chats.rows().find(|row| model.encoded_row(row).is_err());
            return Err(at(first.and_then(|row| chats.place(row.cell, &row.id)).map(ToString::to_string), error));
        }
        for contrast in chats.contrasts() {
            let of_file = || files.probes.as_ref().map(|path| path.display().to_string());
            let place = || of_file().or_else(|| Some(chats.place(None, &contrast.id)?.to_string()));
            match model.encoded(contrast).map(drop) {
                Err(TokenizeError::UnknownWord { path, word, .. }) if is_made_up(chats.obey(), &contrast.context) => {
                    return Err(InputsError::NoWordOfInstruction { names: files.names(), path, word });
                }
                encoded => encoded.map_err(|error| at(place(), error))?,
            }
        }
        Ok(())
    }

    /// Whether the model of a spec can have its adapters.
    ///
    /// # Errors
    /// Where there can be none, see [`Model::lora_config`].
    pub(crate) fn takes_adapters(&self, plan: &SweepPlan) -> Result<(), InputsError> {
        let Some(lora) = &plan.lora else { return Ok(()) };
        Ok(self.first_model(plan)?.lora_config(lora).map(drop)?)
    }

    /// Whether the processor can compute the model of a spec in the number type that it asks for.
    ///
    /// # Errors
    /// Where it cannot, see [`Model::computing`].
    pub(crate) fn computes(&self, plan: &SweepPlan) -> Result<(), InputsError> {
        if plan.compute.is_f32() || !plan.device.is_cpu() {
            return Ok(());
        }
        let seed = plan.seeds[0];
        let model = Model::clone(&*self.model(&plan.base_of(seed), seed, dtype(plan.dtype.as_deref())?)?);
        let model = if plan.lora.is_some() { model } else { model.thawed() };
        Ok(model.computing(plan.compute, DeviceName::Cpu).map(drop)?)
    }

    /// See [`super::Resolved::examples`].
    ///
    /// # Errors
    /// As [`Inputs::plan_model`] and [`Inputs::plan_data`].
    pub(super) fn examples(&self, plan: &SweepPlan) -> Result<BTreeMap<String, ExampleRow>, InputsError> {
        let seed = plan.seeds[0];
        let model = self.first_model(plan)?;
        let source = self.first_source(plan)?;
        let mut shown = BTreeMap::new();
        for stage in plan.arms.iter().flat_map(|arm| &arm.stages).flat_map(StagePlan::with_helpers) {
            for planned in rows::planned(stage, seed) {
                if shown.contains_key(&planned.booked) {
                    continue;
                }
                let row = drawn::row(&model, &source, stage, planned, seed)?;
                let encoded = model.encoded_row(&row)?;
                shown.insert(planned.booked, ExampleRow::of(&model.tokenizer, &encoded));
            }
        }
        Ok(shown.into_iter().map(|(booked, row)| (booked.to_string(), row)).collect())
    }

    /// Where the rows of a spec's first seed come from.
    pub(super) fn first_source(&self, plan: &SweepPlan) -> Result<Arc<Source>, InputsError> {
        match &plan.data {
            Some(files) => Ok(Arc::clone(&self.data(files)?.source)),
            None => Ok(Arc::new(world(&self.first_model(plan)?, &plan.base_of(plan.seeds[0]))?)),
        }
    }

    /// The model of a spec's first seed, as its runs begin with it but for its number type.
    pub(super) fn first_model(&self, plan: &SweepPlan) -> Result<Model, InputsError> {
        let seed = plan.seeds[0];
        let model = self.model(&plan.base_of(seed), seed, None)?;
        Ok(Model::clone(&model).with_template_options(&plan.template)?)
    }
}
