//! `titer run`

use std::{
    collections::BTreeSet,
    num::NonZero,
    path::{Path, PathBuf},
};

use serde_json::json;
use titer::{
    exec::execute,
    files::write_whole,
    forecast::SavedForecast,
    spec::Spec,
    store::{StoreError, Sweep},
};
use titer_engine::{
    inputs::{Inputs, Resolved},
    train::EngineRunner,
};

use super::open::{open_spec, resolve};
use crate::{
    args::RunArgs,
    interrupt::say_when_stopped,
    printer::{Failure, data, talk},
    progress::SweepBar,
    version::COMMIT,
};

/// Does a sweep's unfinished runs, writes its report and prints where that is.
pub(crate) fn run(args: &RunArgs) -> Result<(), Failure> {
    let mut spec = open_spec(args.spec.as_deref(), args.base.as_ref()).map_err(Failure::input)?;
    if args.quick {
        spec.cut();
    }
    if let Some(seeds) = &args.seeds {
        spec.seeds = Some(seeds.clone());
    }
    let inputs = Inputs::default();
    let Resolved { mut plan, runs, .. } = resolve(&spec, &inputs).map_err(Failure::input)?;
    plan.command = command(args);

    let out = args.out.clone().unwrap_or_else(|| default_folder(&spec));
    let foretold = beside(args.spec.as_deref());
    // Said before anything is trained or changed, not by the report in the end.
    match &foretold {
        Some(file) => SavedForecast::open(file).map(Some),
        None => SavedForecast::read(&out),
    }
    .map_err(Failure::input)?;
    say_when_stopped("\nstopped; finished runs are kept, and the same command goes on with the others");
    let sweep = Sweep::create(&out, &plan, &runs).map_err(failure)?;
    repair(&sweep, args.repair)?;
    let finished: BTreeSet<_> = sweep.runs().into_iter().filter(|run| run.done).map(|run| run.id).collect();
    let mut seen = finished.clone();
    let todo: Vec<_> = runs
        .iter()
        .enumerate()
        .filter(|(_, (_, run))| seen.insert(run.id()))
        .map(|(at, (arm, run))| (at, *arm, run.steps()))
        .collect();
    talk(&format!(
        "{}: {} arms × {} seeds, {} runs to do, {} finished before, in {}",
        plan.title,
        plan.arms.len(),
        plan.seeds.len(),
        todo.len(),
        finished.len(),
        out.display()
    ));
    let threads = args.threads.unwrap_or_else(|| std::thread::available_parallelism().unwrap_or(NonZero::<usize>::MIN));
    let bar = SweepBar::new(&todo);
    let result = execute(&sweep, &runs, &EngineRunner { inputs: &inputs, commit: COMMIT }, threads, &bar);
    bar.clear();
    result.map_err(Failure::work)?;

    if let Some(file) = foretold {
        let text = fs_err::read(file).map_err(Failure::work)?;
        write_whole(&out.join(SavedForecast::FILE), &text).map_err(Failure::work)?;
    }
    let report = out.join("report.html");
    titer::report::write(&out, &report).map_err(Failure::work)?;
    if args.json {
        let summary = json!({ "folder": out, "report": report, "runs": runs.len(), "new": todo.len() });
        data(&summary.to_string());
    } else {
        data(&report.display().to_string());
    }
    Ok(())
}

/// The fault is the user's, unless the file system's.
fn failure(error: StoreError) -> Failure {
    match error {
        StoreError::Io(error) => Failure::work(error),
        other => Failure::input(other),
    }
}

/// Finished runs that are damaged are made again where that is asked for, and named where not.
fn repair(sweep: &Sweep, asked: bool) -> Result<(), Failure> {
    let damage = sweep.damage().map_err(failure)?;
    if !asked && !damage.is_empty() {
        let problems: Vec<String> = damage.iter().map(ToString::to_string).collect();
        return Err(Failure::Input(problems.join("\nerror: ")));
    }
    damage.iter().try_for_each(|damage| {
        talk(&format!("{}; this run is made again", damage.problem));
        sweep.reopen(damage).map_err(Failure::work)
    })
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
        command += &format!(" --seeds {}", seeds.iter().map(u64::to_string).collect::<Vec<_>>().join(","));
    }
    if let Some(base) = &args.base {
        command += &format!(" --base '{base}' --out DIR");
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
