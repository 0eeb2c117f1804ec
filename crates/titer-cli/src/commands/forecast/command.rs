//! `titer forecast`

use std::path::Path;

use serde_json::json;
use titer::{
    files::write_whole,
    forecast::{Calibration, Comparison, Kernel, RunForecast, SavedForecast, forecast_runs, onsets, rest},
    plan::{RunId, RunPlan, StagePlan, SweepPlan},
    results::SweepResults,
    spec::Spec,
    store::Sweep,
    words::counted,
};
use titer_data::probe::Component;
use titer_engine::{
    inputs::{Inputs, Resolved},
    kernel::{KernelRequest, KernelsError, Pilots, refresh},
};

use super::{comparison, onset, page, table};
use crate::commands::{
    allotted::allotted_threads,
    open::{open_spec, resolve},
    outputs::apart,
};
use crate::{
    args::ForecastArgs,
    printer::{Failure, talk, verbatim},
    progress::KernelBar,
    temporary::TemporaryFolder,
};

/// Forecasts every arm and seed of a spec.
pub(crate) fn forecast(args: &ForecastArgs) -> Result<(), Failure> {
    if args.items < 8 || args.contrasts < 8 {
        return Err(Failure::input(
            "--items and --contrasts need at least 8: a kernel is a mean, and its error is told from its parts",
        ));
    }
    let mut spec =
        open_spec(args.spec.as_deref(), args.model.as_ref(), args.compute.asked()).map_err(Failure::input)?;
    if let Some(seeds) = &args.seeds {
        spec.seeds = Some(seeds.0.clone());
    }
    let outputs = [("--html", &args.html), ("--out", &args.out)];
    apart(&outputs.into_iter().filter_map(|(option, path)| Some((option, path.as_deref()?))).collect::<Vec<_>>())?;
    args.html
        .iter()
        .try_for_each(|html| crate::page::may_be_replaced(html, "page", "choose another file with --html"))?;
    if let Some(out) = args.out.as_ref().filter(|out| out.exists()) {
        SavedForecast::may_be_replaced(out).map_err(Failure::input)?;
    }
    // Before anything is measured.
    match &args.against {
        Some(_) => comparison::columns(),
        None => table::columns(&SweepPlan::resolve(&spec).map_err(Failure::input)?),
    }
    .knows(&args.view)?;
    for dir in args.against.iter().chain(args.calibrate.iter().skip(1).step_by(2)) {
        Sweep::open(dir).map_err(Failure::input)?;
    }
    let inputs = Inputs::default();
    let open = |path: &Path| open_spec(Some(path), args.model.as_ref(), args.compute.asked()).map_err(Failure::input);
    let holds_some =
        |spec: &Spec, dir: &Path| comparison::holds_some(dir, &resolve(spec, &inputs).map_err(Failure::input)?.runs);
    args.against.iter().try_for_each(|dir| holds_some(&spec, dir))?;
    args.calibrate.as_chunks::<2>().0.iter().try_for_each(|[spec, dir]| holds_some(&open(spec)?, dir))?;
    let request =
        KernelRequest { inputs: &inputs, folder: args.kernel.as_deref(), rows: args.items, contrasts: args.contrasts };
    let shipped = Calibration::of_organisms(args.refresh > 0);
    let subject = Subject::of(&spec, &request, &shipped, args.refresh)?;
    let calibration = if args.calibrate.is_empty() {
        shipped
    } else {
        let judged = if args.against.is_some() { subject.runs.as_slice() } else { &[] };
        let mut sweeps = Vec::new();
        for [spec, dir] in args.calibrate.as_chunks::<2>().0 {
            sweeps.push((Subject::of(&open(spec)?, &request, &shipped, args.refresh)?, dir.as_path()));
        }
        calibrate(&subject, &sweeps, judged, &shipped)?
    };
    let plan = &subject.plan;
    let forecasts = forecast_runs(&subject.runs, plan, &subject.kernels, &calibration).map_err(Failure::input)?;
    if let Some(out) = &args.out {
        let saved = SavedForecast::of(plan, &forecasts, &calibration);
        let saved = saved.ok_or_else(|| Failure::input("the spec has no run that trains"))?;
        let text = serde_json::to_string(&saved).expect("a forecast is plain data");
        write_whole(out, text.as_bytes()).map_err(Failure::work)?;
        talk(&format!("{}: `titer report` shows it beside what was measured", out.display()));
    }
    if let Some(out) = &args.html {
        return page::write(out, args.against.as_deref(), plan, &forecasts, |run| subject.was_pilot(run), &calibration);
    }
    if let Some(dir) = &args.against {
        let unseen: Vec<RunForecast<'_>> = forecasts.into_iter().filter(|run| !subject.was_pilot(run)).collect();
        return comparison::print(dir, plan, &unseen, args);
    }
    if args.json {
        let run = |run: &RunForecast<'_>| json!({ "arm": plan.arms[run.arm].name, "seed": run.plan.seed, "forecast": run.forecast });
        let arms = plan.arms.iter().map(|arm| json!({ "arm": arm.name, "rest": arm.stages.last().map(rest) }));
        let onsets = onsets(plan, &forecasts).map_err(Failure::input)?;
        verbatim(
            &json!({ "arms": arms.collect::<Vec<_>>(), "onsets": onsets, "runs": forecasts.iter().map(run).collect::<Vec<_>>() })
                .to_string(),
        );
        return Ok(());
    }
    table::print(plan, &forecasts, &args.view)?;
    onset::print(plan, &onsets(plan, &forecasts).map_err(Failure::input)?);
    Ok(())
}

/// A spec with its runs, and the kernel of each of its seeds.
struct Subject {
    plan: SweepPlan,
    runs: Vec<(usize, RunPlan)>,
    kernels: Vec<Kernel>,
    /// Runs that were trained half-way for the kernels.
    pilots: Vec<RunId>,
}

impl Subject {
    fn of(spec: &Spec, request: &KernelRequest<'_>, calibration: &Calibration, pilots: usize) -> Result<Self, Failure> {
        let Resolved { plan, runs, .. } = resolve(spec, request.inputs).map_err(Failure::input)?;
        let bar = KernelBar::default();
        let mut kernels = request.kernels(&plan, &runs, &bar).map_err(no_kernels)?;
        let pilots = match pilots {
            0 => Vec::new(),
            count => {
                let folder = TemporaryFolder::new("pilots");
                let pilots = Pilots { count, folder: folder.path(), threads: allotted_threads() };
                refresh(&mut kernels, request, &plan, &runs, calibration, pilots, &bar).map_err(no_kernels)?
            }
        };
        Ok(Self { plan, runs, kernels, pilots })
    }

    /// What has been looked at is no forecast.
    fn was_pilot(&self, run: &RunForecast<'_>) -> bool {
        self.pilots.contains(&run.plan.id())
    }
}

/// The calibration with widths from the finished runs of sweeps, but for those that are to be judged by it.
fn calibrate(
    foreseen: &Subject,
    sweeps: &[(Subject, &Path)],
    judged: &[(usize, RunPlan)],
    shipped: &Calibration,
) -> Result<Calibration, Failure> {
    let mut held_against: Vec<(Vec<StagePlan>, Vec<Comparison>)> = Vec::new();
    let mut elsewhere = 0;
    let about = &foreseen.kernels[0].about;
    for (subject, dir) in sweeps {
        let other = &subject.kernels[0].about;
        let sides = [
            ("model", &foreseen.plan.base, &subject.plan.base),
            ("data set", &about.data, &other.data),
            ("set of weights", &about.held, &other.held),
        ];
        if let Some((what, ..)) = sides.iter().find(|(_, wanted, other)| wanted != other) {
            return Err(Failure::Input(format!(
                "--calibrate: the runs in {} are of another {what}, and say nothing of how far these forecasts can be trusted; \
                 name some of the same",
                dir.display()
            )));
        }
        let forecasts =
            forecast_runs(&subject.runs, &subject.plan, &subject.kernels, shipped).map_err(Failure::input)?;
        // Guards and prompts that no forecast foresees make no forecast wrong.
        let forecasts: Vec<RunForecast<'_>> = forecasts
            .into_iter()
            .filter(|run| run.plan.stages.iter().all(StagePlan::differs_in_rows_alone))
            .filter(|run| !subject.was_pilot(run) && judged.iter().all(|(_, other)| other.id() != run.plan.id()))
            .collect();
        let results = SweepResults::load(dir).map_err(Failure::input)?;
        let runs = comparison::finished(dir, &results, &subject.plan, &forecasts)?;
        let is_elsewhere =
            |run: &RunForecast<'_>| results.run(&run.plan.id()).is_some_and(|run| run.origin().is_some());
        elsewhere += runs.iter().filter(|(run, _)| is_elsewhere(run)).count();
        held_against.extend(runs.into_iter().map(|(run, components)| (run.plan.stages.clone(), components)));
    }
    let set = shipped.set_by(&held_against, about);
    let widths = set.courses.iter().filter(|known| known.course.path != [0.0; 2]).map(|known| {
        let each = Component::ALL.iter().zip(known.errors);
        let each: Vec<String> =
            each.map(|(component, error)| format!("{} {:.2}", component.word(), error.widen)).collect();
        format!("{}: {}", known.course.optimisers, each.join(", "))
    });
    let widths: Vec<String> = widths.collect();
    let others = if elsewhere > 0 { format!(", {elsewhere} of them trained elsewhere") } else { String::new() };
    talk(&format!(
        "intervals are set by {}{others}; widths, {}",
        counted(held_against.len(), "finished run"),
        widths.join("; ")
    ));
    Ok(set)
}

/// A failure to get kernels, and whose fault it is.
pub(crate) fn no_kernels(error: KernelsError) -> Failure {
    if error.is_input() { Failure::input(error) } else { Failure::work(error) }
}
