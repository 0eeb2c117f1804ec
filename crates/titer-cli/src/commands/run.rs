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
    words::{counted, quoted},
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
    printer::{Failure, data, spoken, talk, verbatim},
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
        "{}: {} × {}, {} to do, {} finished before, in {}",
        plan.title,
        counted(plan.arms.len(), "arm"),
        counted(plan.seeds.len(), "seed"),
        counted(todo.len(), "run"),
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
        let are = if all == 1 { "is" } else { "are" };
        let all = counted(all, "run");
        talk(&format!("{done} of {all} {are} finished and kept; the same command goes on with the others"));
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
        verbatim(&summary.to_string());
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

/// The command that does this sweep again, wherever its results go, as a shell takes it.
fn command(args: &RunArgs) -> String {
    let mut words = ["titer", "run"].map(str::to_owned).to_vec();
    words.extend(args.spec.as_ref().map(|spec| spec.display().to_string()));
    words.extend(args.quick.then(|| "--quick".to_owned()));
    let mut option = |name: &str, value: Option<String>| {
        words.extend(value.into_iter().flat_map(|value| [format!("--{name}"), value]));
    };
    let seeds = |seeds: &[u64]| seeds.iter().map(u64::to_string).collect::<Vec<_>>().join(",");
    option("seeds", args.seeds.as_ref().map(|list| seeds(&list.0)));
    option("compute", args.compute.compute.map(|compute| compute.word().to_owned()));
    option("device", args.compute.device.map(DeviceName::in_full));
    option("model", args.model.clone());
    option("out", args.model.as_ref().map(|_| "DIR".to_owned()));
    quoted(&words)
}

fn default_folder(spec: &Spec) -> PathBuf {
    let mut name = spec.path.file_stem().unwrap_or_default().to_owned();
    if spec.quick {
        name.push("-quick");
    }
    Path::new("runs").join(name)
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::args::{Args, Command};

    #[test]
    fn the_command_of_a_report_can_be_typed_again() {
        let said = |words: &[&str]| {
            let typed = ["titer", "run"].iter().chain(words);
            let Command::Run(args) = Args::try_parse_from(typed).unwrap().command else { panic!() };
            command(&args)
        };
        assert_eq!(said(&["my spec.toml", "--quick"]), "titer run 'my spec.toml' --quick");
        assert_eq!(said(&["it's.toml", "--device", "cuda:1"]), r"titer run 'it'\''s.toml' --device cuda:1");
        let other = ["--seeds", "0-2", "--compute", "bf16", "--model", "m/seed-{seed}", "--out", "elsewhere"];
        assert_eq!(said(&other), "titer run --seeds 0,1,2 --compute bf16 --model 'm/seed-{seed}' --out DIR");
    }
}
