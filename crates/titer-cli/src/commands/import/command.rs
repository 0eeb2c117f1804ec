//! `titer import`

use std::{collections::BTreeMap, path::Path};

use serde_json::json;
use titer::{
    elsewhere::{ExportedRun, Manifest},
    exec::execute,
    plan::{RunId, RunPlan},
    store::Sweep,
    words::counted,
};
use titer_engine::{
    inputs::{Inputs, Resolved},
    train::{BroughtBack, ElsewhereRunner},
};

use super::{found::Import, served::served};
use crate::{
    args::ImportArgs,
    commands::{allotted::allotted_threads, folder::failure, open::resolve},
    interrupt::when_stopped,
    listener::listener,
    page::may_be_replaced,
    paths::shown,
    printer::{Failure, data, spoken, talk, verbatim},
    progress::SweepBar,
    version::COMMIT,
};

/// What is said to who stops it.
const STOPPED: &str = "\nstopped; runs that were brought in are kept, and the same command goes on with the others";

/// Brings runs that were trained elsewhere into a sweep's folder, and writes its report.
pub(crate) fn import(args: &ImportArgs) -> Result<(), Failure> {
    let manifest = Manifest::read(&args.export).map_err(Failure::input)?;
    let spec = manifest.open_spec().map_err(Failure::input)?;
    let inputs = Inputs::default();
    let Resolved { mut plan, runs, .. } = resolve(&spec, &inputs).map_err(Failure::input)?;
    let (path, trainer) = (spec.path.display(), manifest.trainer.word());
    let back = match (&args.outcomes, &args.endpoint.endpoint) {
        (Some(_), _) => "titer import DIR --outcomes TABLE",
        (None, Some(_)) => "titer import DIR --endpoint URL --run ARM/SEED=NAME",
        (None, None) => "sh DIR/train.sh && titer import DIR",
    };
    plan.command = format!("titer export {path} --for {trainer} --out DIR && {back}");
    let planned: BTreeMap<RunId, &RunPlan> = runs.iter().map(|(_, plan)| (plan.id(), plan)).collect();
    let as_planned = |run: &ExportedRun| {
        let Some(plan) = planned.get(&run.run) else { return false };
        let trained = plan.stages.iter().filter(|stage| stage.steps > 0).map(|stage| &stage.name);
        trained.eq(run.stages.iter().map(|stage| &stage.name))
    };
    if let Some(run) = manifest.runs.iter().find(|run| !as_planned(run)) {
        return Err(Failure::Input(format!(
            "{}: {} is not what its spec gives now: data or model have changed since it was exported; export it again",
            args.export.display(),
            run.name()
        )));
    }
    let import = Import { args, manifest: &manifest, inputs: &inputs, planned: &planned };
    let found = match (&args.outcomes, &args.endpoint.endpoint) {
        (Some(table), _) => import.outcomes(table)?,
        (None, Some(url)) => match served(&import, url)? {
            Some(found) => found,
            None => return Ok(()),
        },
        (None, None) => import.weights()?,
    };
    // Everything is looked at before anything is written.
    for (id, (trained, _)) in &found {
        import.rows_are_those_of(planned[id])?;
        if let BroughtBack::Weights(stages) = trained {
            for (_, folder) in stages {
                inputs.trained_elsewhere(planned[id], folder).map_err(Failure::input)?;
            }
        }
    }
    let stem = spec.path.file_stem().unwrap_or_default();
    let out = args.out.clone().unwrap_or_else(|| Path::new("runs").join(stem));
    import.are_new(&out, &found)?;
    let report = out.join("report.html");
    may_be_replaced(&report, "report", "move it away, or choose another folder with --out")?;

    let sweep = Sweep::create(&out, &plan, &runs).map_err(failure)?;
    let leases = sweep.leases().clone();
    if listener().is_none() {
        when_stopped(STOPPED, move || leases.leave());
    }
    let mut todo: Vec<(usize, RunPlan)> = Vec::new();
    for (arm, run) in &runs {
        let wanted = found.contains_key(&run.id()) && sweep.finished(run).is_none();
        if wanted && todo.iter().all(|(_, other)| other.id() != run.id()) {
            todo.push((*arm, run.clone()));
        }
    }
    let count = todo.len();
    talk(&format!(
        "{}: {} to bring in, {} there before, in {}",
        plan.title,
        counted(count, "run"),
        found.len() - count,
        out.display()
    ));
    let bar = SweepBar::new(todo.iter().map(|(_, run)| run.steps()));
    let runner = ElsewhereRunner { inputs: &inputs, commit: COMMIT, trained: found };
    let threads = args.threads.unwrap_or_else(allotted_threads);
    let result = execute(&sweep, &todo, &runner, threads, &bar);
    bar.clear();
    result.map_err(|failed| Failure::runs(&failed))?;
    if listener().is_some_and(|listener| listener.stopped()) {
        return Err(Failure::work(STOPPED));
    }
    let found = titer::report::write(&out, &report).map_err(Failure::work)?;
    found.iter().for_each(|sentence| spoken(sentence));
    if args.json {
        let left = sweep.runs().into_iter().filter(|run| !run.done).count();
        verbatim(&json!({ "folder": shown(&out), "report": shown(&report), "new": count, "left": left }).to_string());
    } else {
        data(&report.display().to_string());
    }
    Ok(())
}
