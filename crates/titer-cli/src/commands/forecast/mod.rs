//! `titer forecast`

pub mod kernels;
mod onset;
mod page;
mod refresh;
mod table;
mod truth;

use std::path::Path;

use serde_json::json;
use titer::{
    forecast::{Calibration, Forecast, Kernel, Placement, against::Pair},
    plan::{RunId, RunPlan, StagePlan, SweepPlan},
    spec::Spec,
    store::{Sweep, write_whole},
};
use titer_data::probe::Component;
use titer_engine::inputs::Resolved;

pub use page::foretold;

use super::{has_folder, open_spec, resolve};
use crate::{
    args::ForecastArgs,
    printer::{Failure, data, talk},
};

/// One run, foreseen.
pub struct Foreseen<'a> {
    /// Index of its arm.
    pub arm: usize,
    /// Its plan.
    pub plan: &'a RunPlan,
    /// Its kernel.
    pub kernel: &'a Kernel,
    /// What is foreseen.
    pub forecast: Forecast,
}

/// Foresees every arm and seed of a spec.
pub fn forecast(args: &ForecastArgs) -> Result<(), Failure> {
    if args.rows < 8 || args.contrasts < 8 {
        return Err(Failure::input(
            "--rows and --contrasts need at least 8: a kernel is a mean, and its error is told from its parts",
        ));
    }
    let mut spec = open_spec(args.spec.as_deref(), args.base.as_ref()).map_err(Failure::input)?;
    if let Some(seeds) = &args.seeds {
        spec.seeds = Some(seeds.clone());
    }
    [&args.html, &args.out].into_iter().flatten().try_for_each(|out| has_folder(out))?;
    if let Some(out) = args.html.as_ref().filter(|out| out.exists() && !page::is_page(out)) {
        return Err(Failure::Input(format!("{} is no page of titer; choose another file with --html", out.display())));
    }
    if let Some(out) = args.out.as_ref().filter(|out| out.exists()) {
        page::may_be_replaced(out)?;
    }
    // Before anything is measured.
    for dir in args.against.iter().chain(args.calibrate.iter().skip(1).step_by(2)) {
        Sweep::open(dir).map_err(Failure::input)?;
    }
    let wanted = kernels::Wanted { kernel: args.kernel.as_deref(), rows: args.rows, contrasts: args.contrasts };
    let shipped = Calibration::of_organisms(args.refresh > 0);
    let subject = Subject::of(&spec, &wanted, &shipped, args.refresh)?;
    let calibration = if args.calibrate.is_empty() {
        shipped
    } else {
        let judged = if args.against.is_some() { subject.runs.as_slice() } else { &[] };
        let mut sweeps = Vec::new();
        for [spec, dir] in args.calibrate.as_chunks::<2>().0 {
            let spec = open_spec(Some(spec), args.base.as_ref()).map_err(Failure::input)?;
            sweeps.push((Subject::of(&spec, &wanted, &shipped, args.refresh)?, dir.as_path()));
        }
        calibrate(&subject, &sweeps, judged, &shipped)?
    };
    let plan = &subject.plan;
    let foreseen = foresee(&subject.runs, plan, &subject.kernels, &calibration)?;
    if let Some(out) = &args.out {
        let text =
            serde_json::to_string(&page::foretold(plan, &foreseen, &calibration)?).expect("a forecast is plain data");
        write_whole(out, text.as_bytes()).map_err(Failure::work)?;
        talk(&format!("{}: `titer report` shows it beside what was measured", out.display()));
    }
    if let Some(out) = &args.html {
        return page::write(out, args.against.as_deref(), plan, &foreseen, &calibration);
    }
    if let Some(dir) = &args.against {
        let unseen = foreseen.into_iter().filter(|found| !subject.was_pilot(found));
        let foreseen: Vec<Foreseen<'_>> = unseen.collect();
        return truth::print(dir, plan, &foreseen, args.json);
    }
    if args.json {
        let one = |found: &Foreseen<'_>| json!({ "arm": plan.arms[found.arm].name, "seed": found.plan.seed, "forecast": found.forecast });
        let rest = |stages: &[titer::plan::StagePlan]| stages.last().map(titer::forecast::rest);
        let arms = plan.arms.iter().map(|arm| json!({ "arm": arm.name, "rest": rest(&arm.stages) }));
        data(
            &json!({ "arms": arms.collect::<Vec<_>>(), "onsets": onset::onsets(plan, &foreseen)?, "runs": foreseen.iter().map(one).collect::<Vec<_>>() })
                .to_string(),
        );
        return Ok(());
    }
    table::print(plan, &foreseen);
    onset::print(plan, &onset::onsets(plan, &foreseen)?);
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
    fn of(
        spec: &Spec,
        wanted: &kernels::Wanted<'_>,
        calibration: &Calibration,
        pilots: usize,
    ) -> Result<Self, Failure> {
        let Resolved { plan, runs, .. } = resolve(spec).map_err(Failure::input)?;
        let mut kernels = kernels::of(wanted, &plan, &runs)?;
        let pilots = match pilots {
            0 => Vec::new(),
            _ => refresh::refresh(&mut kernels, wanted, &plan, &runs, calibration, pilots)?,
        };
        Ok(Self { plan, runs, kernels, pilots })
    }

    /// What has been looked at is no forecast.
    fn was_pilot(&self, found: &Foreseen<'_>) -> bool {
        self.pilots.contains(&found.plan.id())
    }
}

/// The calibration with widths from the finished runs of sweeps, but for those that are to be judged by it.
fn calibrate(
    own: &Subject,
    sweeps: &[(Subject, &Path)],
    judged: &[(usize, RunPlan)],
    shipped: &Calibration,
) -> Result<Calibration, Failure> {
    let mut held_against: Vec<(Vec<StagePlan>, Vec<Pair>)> = Vec::new();
    let about = &own.kernels[0].about;
    for (subject, dir) in sweeps {
        let other = &subject.kernels[0].about;
        let sides = [
            ("model", &own.plan.base, &subject.plan.base),
            ("data set", &about.data, &other.data),
            ("set of weights", &about.held, &other.held),
        ];
        if let Some((what, ..)) = sides.iter().find(|(_, one, other)| one != other) {
            return Err(Failure::Input(format!(
                "--calibrate: the runs in {} are of another {what}, and say nothing of how far these forecasts can be trusted; \
                 name some of the same",
                dir.display()
            )));
        }
        let foreseen = foresee(&subject.runs, &subject.plan, &subject.kernels, shipped)?;
        // Guards and prompts that no forecast foresees make no forecast wrong.
        let foreseen: Vec<Foreseen<'_>> = foreseen
            .into_iter()
            .filter(|found| found.plan.stages.iter().all(StagePlan::differs_in_rows_alone))
            .filter(|found| !subject.was_pilot(found) && judged.iter().all(|(_, run)| run.id() != found.plan.id()))
            .collect();
        let runs = truth::pairs(dir, &subject.plan, &foreseen)?;
        held_against.extend(runs.into_iter().map(|(found, pairs)| (found.plan.stages.clone(), pairs)));
    }
    let set = shipped.set_by(&held_against, about);
    let widths = set.trust.iter().zip(Calibration::OPTIMISERS).zip(set.path).filter(|(_, path)| *path > 0.0);
    let widths = widths.map(|((trust, word), _)| {
        let each = Component::ALL.iter().zip(trust);
        let each: Vec<String> =
            each.map(|(component, trust)| format!("{} {:.2}", component.word(), trust.widen)).collect();
        format!("{word}: {}", each.join(", "))
    });
    let widths: Vec<String> = widths.collect();
    talk(&format!("intervals are set by {} finished runs; widths, {}", held_against.len(), widths.join("; ")));
    Ok(set)
}

/// Foresees every run with the kernel of its seed.
pub fn foresee<'a>(
    runs: &'a [(usize, RunPlan)],
    plan: &SweepPlan,
    kernels: &'a [Kernel],
    calibration: &Calibration,
) -> Result<Vec<Foreseen<'a>>, Failure> {
    let one = |(arm, run): &'a (usize, RunPlan)| {
        let at = plan.seeds.iter().position(|seed| *seed == run.seed).unwrap_or(0);
        let kernel = &kernels[at];
        let probes: Vec<usize> = (0..kernel.probes.len()).collect();
        let placement = Placement::Slots(run.seed);
        let forecast =
            titer::forecast::forecast(kernel, &run.stages, placement, plan.probes.every, &probes, calibration)
                .map_err(Failure::input)?;
        Ok(Foreseen { arm: *arm, plan: run, kernel, forecast })
    };
    runs.iter().map(one).collect()
}
