//! `titer forecast`

pub mod kernels;
mod onset;
mod page;
mod refresh;
mod table;
mod truth;

use serde_json::json;
use titer::{
    forecast::{Calibration, Forecast, Kernel, Placement},
    plan::{RunPlan, SweepPlan},
};

pub use page::foretold;

use super::{open_spec, resolve};
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
    let mut spec = open_spec(args.spec.as_deref()).map_err(Failure::input)?;
    if let Some(seeds) = &args.seeds {
        spec.seeds = Some(seeds.clone());
    }
    let (plan, runs) = resolve(&spec).map_err(Failure::input)?;
    if let Some(out) = args.html.as_ref().filter(|out| out.exists() && !page::is_page(out)) {
        return Err(Failure::Input(format!("{} is no page of titer; choose another file with --html", out.display())));
    }
    if let Some(out) = args.out.as_ref().filter(|out| out.exists() && !page::is_foretold(out)) {
        return Err(Failure::Input(format!("{} is no forecast; choose another file with --out", out.display())));
    }
    let wanted = kernels::Wanted { kernel: args.kernel.as_deref(), rows: args.rows, contrasts: args.contrasts };
    let mut kernels = kernels::of(&wanted, &plan, &runs)?;
    let calibration = Calibration::default();
    let mut piloted = Vec::new();
    if args.refresh > 0 {
        piloted = refresh::refresh(&mut kernels, &wanted, &plan, &runs, &calibration, args.refresh)?;
    }
    let foreseen = foresee(&runs, &plan, &kernels, &calibration)?;
    if let Some(out) = &args.out {
        let text = serde_json::to_string(&page::foretold(&plan, &foreseen)?).expect("a forecast is plain data");
        fs_err::write(out, text).map_err(Failure::work)?;
        talk(&format!("{}: `titer report` shows it beside what was measured", out.display()));
    }
    if let Some(out) = &args.html {
        return page::write(out, args.against.as_deref(), &plan, &foreseen);
    }
    if let Some(dir) = &args.against {
        // What has been looked at is no forecast.
        let unseen = foreseen.into_iter().filter(|found| !piloted.contains(&(found.arm, found.plan.seed)));
        let foreseen: Vec<Foreseen<'_>> = unseen.collect();
        return truth::print(dir, &plan, &foreseen, args.json);
    }
    if args.json {
        let one = |found: &Foreseen<'_>| json!({ "arm": plan.arms[found.arm].name, "seed": found.plan.seed, "forecast": found.forecast });
        let rest = |stages: &[titer::plan::StagePlan]| stages.last().map(titer::forecast::rest);
        let arms = plan.arms.iter().map(|arm| json!({ "arm": arm.name, "rest": rest(&arm.stages) }));
        data(
            &json!({ "arms": arms.collect::<Vec<_>>(), "onsets": onset::onsets(&plan, &foreseen)?, "runs": foreseen.iter().map(one).collect::<Vec<_>>() })
                .to_string(),
        );
        return Ok(());
    }
    table::print(&plan, &foreseen);
    onset::print(&plan, &onset::onsets(&plan, &foreseen)?);
    Ok(())
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
