//! `titer run`

use std::{
    collections::BTreeSet,
    num::NonZero,
    path::{Path, PathBuf},
};

use serde_json::json;
use titer::{
    exec::execute,
    forecast::SavedForecast,
    spec::{DeviceName, Spec},
    store::Sweep,
};
use titer_engine::{
    device::{available, gpus},
    inputs::{Inputs, Resolved},
    model::Files,
    train::EngineRunner,
};

use super::{
    allotted::allotted_threads,
    folder::{failure, keep, repair},
    open::{open_spec, resolve},
    slots::Submitting,
};
use crate::{
    args::{Place, RunArgs},
    interrupt::when_stopped,
    listener::listener,
    page::may_be_replaced,
    paths::shown,
    printer::{Failure, data, spoken, talk},
    progress::SweepBar,
    version::COMMIT,
};

/// What is said to who stops a sweep.
const STOPPED: &str = "\nstopped; finished runs are kept, and the same command goes on with the others";

/// Does a sweep's unfinished runs or submits them, writes its report and prints where that is.
pub(crate) fn run(args: &RunArgs) -> Result<(), Failure> {
    let is_meant = |option: &str| args.on == Place::Slurm || (args.on == Place::Slots && option == "--slots");
    if let Some(option) = args.slurm.first().filter(|option| !is_meant(option)) {
        let problem = match option {
            "--slots" => {
                "--slots is for a sweep that several share: add --on slots or --on slurm, or leave it out".to_owned()
            }
            _ => format!("{option} is for jobs of a cluster: add --on slurm, or leave it out"),
        };
        return Err(Failure::Input(problem));
    }
    let mut spec =
        open_spec(args.spec.as_deref(), args.model.as_ref(), args.compute.asked()).map_err(Failure::input)?;
    if args.quick {
        spec.cut();
    }
    if let Some(seeds) = &args.seeds {
        spec.seeds = Some(seeds.0.clone());
    }
    seeds_are_there(args, &spec)?;
    let inputs = Inputs::default();
    let Resolved { mut plan, runs, notes, .. } = resolve(&spec, &inputs).map_err(Failure::input)?;
    plan.command = command(args);

    let out = args.out.clone().unwrap_or_else(|| default_folder(&spec));
    let report = out.join("report.html");
    may_be_replaced(&report, "report", "move it away, or choose another folder with --out")?;
    let foretold = beside(args.spec.as_deref());
    // Said before anything is trained or changed, not by the report in the end.
    match &foretold {
        Some(file) => SavedForecast::open(file).map(Some),
        None => SavedForecast::read(&out),
    }
    .map_err(Failure::input)?;
    notes.iter().for_each(|note| spoken(&format!("note: {note}")));
    if args.on != Place::Here {
        let submitting =
            Submitting { args, spec: &spec, plan: &plan, runs: &runs, out: &out, foretold: foretold.as_deref() };
        return submitting.submit();
    }
    // Not where runs are handed to other machines: those have it.
    available(plan.device, plan.compute)
        .map_err(|error| Failure::input(spec.error(&["model", "device"], error.to_string(), "")))?;
    let sweep = Sweep::create(&out, &plan, &runs).map_err(failure)?;
    let leases = sweep.leases().clone();
    // Who listens is asked along the way whether to stop.
    if listener().is_none() {
        when_stopped(STOPPED, move || leases.leave());
    }
    repair(&sweep, args.repair)?;
    let finished: BTreeSet<_> = sweep.runs().into_iter().filter(|run| run.done).map(|run| run.id).collect();
    let mut seen = finished.clone();
    let planned = runs.iter().enumerate().map(|(at, (_, run))| (at, run));
    let todo: Vec<_> = planned.filter(|(_, run)| seen.insert(run.id())).collect();
    talk(&format!(
        "{}: {} arms × {} seeds, {} runs to do, {} finished before, in {}",
        plan.title,
        plan.arms.len(),
        plan.seeds.len(),
        todo.len(),
        finished.len(),
        out.display()
    ));
    // On a GPU a run has all of it, and as many are under way as there are GPUs.
    let threads = match plan.device {
        DeviceName::Cpu => args.threads.unwrap_or_else(allotted_threads),
        device => NonZero::new(gpus(device)).expect("one at the least"),
    };
    let bar = SweepBar::of_runs(todo.iter().copied());
    let result = execute(&sweep, &runs, &EngineRunner { inputs: &inputs, commit: COMMIT }, threads, &bar);
    bar.clear();
    result.map_err(|failed| {
        let (done, all) = (sweep.runs().iter().filter(|run| run.done).count(), sweep.runs().len());
        talk(&format!("{done} of {all} runs are finished and kept; the same command goes on with the others"));
        Failure::runs(&failed)
    })?;
    if listener().is_some_and(|listener| listener.stopped()) {
        return Err(Failure::work(STOPPED));
    }

    keep(foretold.as_deref(), &out)?;
    let found = titer::report::write(&out, &report).map_err(Failure::work)?;
    found.iter().for_each(|sentence| spoken(sentence));
    if args.json {
        let summary = json!({ "folder": shown(&out), "report": shown(&report), "runs": runs.len(), "new": todo.len() });
        data(&summary.to_string());
    } else {
        data(&report.display().to_string());
    }
    Ok(())
}

/// Whether seeds of the command line are those of shipped organisms, where these are trained: the spec says nothing of them.
fn seeds_are_there(args: &RunArgs, spec: &Spec) -> Result<(), Failure> {
    let (Some(seeds), "organism") = (&args.seeds, spec.base.as_deref().unwrap_or("organism")) else { return Ok(()) };
    let found = seeds.0.iter().try_for_each(|seed| Files::find("organism", *seed).map(drop));
    found.map_err(|error| Failure::Input(format!("--seeds: {error}")))
}

/// A forecast beside the spec, as `titer plan` writes it: it goes with the sweep, for the report to show.
fn beside(spec: Option<&Path>) -> Option<PathBuf> {
    spec.map(|spec| spec.with_extension(SavedForecast::FILE)).filter(|file| file.exists())
}

/// The command that does this sweep again, wherever its results go.
fn command(args: &RunArgs) -> String {
    let mut command = String::from("titer run");
    if let Some(spec) = &args.spec {
        command += &format!(" {}", spec.display());
    }
    if args.quick {
        command += " --quick";
    }
    if let Some(seeds) = &args.seeds {
        command += &format!(" --seeds {}", seeds.0.iter().map(u64::to_string).collect::<Vec<_>>().join(","));
    }
    if let Some(compute) = args.compute.compute {
        command += &format!(" --compute {}", compute.word());
    }
    if let Some(device) = args.compute.device {
        command += &format!(" --device {}", device.word());
    }
    if let Some(model) = &args.model {
        command += &format!(" --model '{model}' --out DIR");
    }
    command
}

fn default_folder(spec: &Spec) -> PathBuf {
    let mut name = spec.path.file_stem().unwrap_or_default().to_owned();
    if spec.quick {
        name.push("-quick");
    }
    Path::new("runs").join(name)
}
