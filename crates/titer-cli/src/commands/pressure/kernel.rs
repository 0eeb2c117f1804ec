//! The kernel of forecasts: pressures of every kind of rows on every margin and on each other, by bucket.

use std::{path::Path, sync::Arc};

use titer::{
    forecast::{About, kernel_path},
    plan::ModelPlan,
    spec::Lora,
};
use titer_data::{
    source::{DataFiles, Source},
    world::DomainSplit,
};
use titer_engine::{
    kernel::{Effort, about, measure_kernel, save_kernel},
    model::Model,
};

use super::given::Given;
use crate::{
    args::PressureArgs,
    commands::{data::is_spec, forecast::no_kernels},
    printer::Failure,
    progress::KernelBar,
};

/// What can be said before anything is measured.
pub(super) fn check(args: &PressureArgs, dir: &Path) -> Result<(), Failure> {
    if args.items() < 8 || args.contrasts < 8 {
        return Err(Failure::input(
            "--kernel needs at least 8 --items and --contrasts: a kernel is a mean, and its error is told from its parts",
        ));
    }
    if args.probes.is_some() && args.rows.as_deref().is_none_or(is_spec) {
        return Err(Failure::input(
            "--kernel takes the contrasts of the world or of the spec that --rows names; leave --probes out, or name a file of rows",
        ));
    }
    let path = kernel_path(dir, args.seed);
    if path.exists() {
        return Err(Failure::Input(format!("{} exists already; name another folder with --kernel", path.display())));
    }
    Ok(())
}

/// A kernel that was asked for.
pub(super) struct KernelWork<'a> {
    dir: &'a Path,
    source: Arc<Source>,
    about: About,
    effort: Effort,
}

impl<'a> KernelWork<'a> {
    /// The kernel of the model that is pressed, for a folder of kernels.
    pub(super) fn new(given: &Given<'_>, model: &Model, dir: &'a Path) -> Result<Self, Failure> {
        let (args, inputs) = (given.args, &given.inputs);
        let files = files(given);
        let data = files
            .as_ref()
            .map(|files| inputs.plan_data(files, std::iter::empty()))
            .transpose()
            .map_err(Failure::input)?;
        let source = match &files {
            Some(files) => Arc::clone(&inputs.data(files).map_err(Failure::input)?.source),
            None => {
                let world = model.world.clone().expect("without rows of one's own there was a world");
                Arc::new(Source::from(world))
            }
        };
        let (compute, device) = args.compute.asked().or_default();
        let plan = ModelPlan {
            dtype: args.dtype.map(|dtype| dtype.word().to_owned()),
            compute,
            device,
            lora: args.lora.map(Lora::of_rank),
            template: model.template.planned_options(),
            ..inputs.plan_model(&args.model, args.seed, true).map_err(Failure::input)?
        };
        let about = about(&plan, data.as_ref(), args.seed);
        let effort = Effort { rows: args.items(), contrasts: args.contrasts, ..Effort::default() };
        Ok(Self { dir, source, about, effort })
    }

    /// Measures it and puts it there.
    pub(super) fn write(self, model: &Model) -> Result<(), Failure> {
        let domains = [DomainSplit::Trained];
        let bar = KernelBar::default();
        let kernel = measure_kernel(model, &self.source, self.about, &domains, self.effort, &bar);
        save_kernel(&kernel.map_err(Failure::input)?, self.dir, &bar).map_err(no_kernels)
    }
}

/// The user's rows and contrasts, as a spec's `[data]` would name them.
fn files(given: &Given<'_>) -> Option<DataFiles> {
    let (rows, probes) = (given.args.rows.as_ref(), given.args.probes.clone());
    given.files.clone().or_else(|| Some(DataFiles { rows: vec![rows?.clone()], probes, cells: Vec::new() }))
}
