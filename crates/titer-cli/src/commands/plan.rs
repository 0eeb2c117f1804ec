//! `titer plan`

use std::path::Path;

use serde_json::json;
use titer::{
    files::write_whole,
    forecast::{ArmForecast, Calibration, Kernel, SavedForecast, forecast_runs},
    limits::{Limit, LimitsFile, MixCandidate, SearchResult, Supply, check_rows, planned_spec, search},
    plan::{Arm, SweepPlan},
    spec::Spec,
};
use titer_engine::{
    inputs::{Inputs, Resolved},
    kernel::KernelRequest,
};

use super::{forecast::no_kernels, open::resolve, outputs::fresh};
use crate::{
    args::{PlanArgs, ViewArgs},
    listener::listener,
    paths::shown,
    printer::{Failure, data, prose, talk, verbatim},
    progress::KernelBar,
    text_table::{TextColumn, TextTable},
};

/// Finds a mix for limits and writes it as a spec, with its forecast beside it.
pub(crate) fn plan(args: &PlanArgs) -> Result<(), Failure> {
    if args.out.extension().is_none_or(|extension| extension != "toml") {
        return Err(Failure::Input(format!(
            "{}: a plan is a spec; name a file that ends in .toml",
            args.out.display()
        )));
    }
    columns().knows(&args.view)?;
    let beside = args.out.with_extension(SavedForecast::FILE);
    fresh([("--out", Some(&args.out)), ("--out (the forecast goes beside the spec)", Some(&beside))])?;
    if args.mixes == 0 {
        return Err(Failure::input("--mixes is 0; use at least 1"));
    }
    let text = listener().and_then(|listener| listener.spec(&args.limits));
    let file = text.map_or_else(|| LimitsFile::read(&args.limits), |text| LimitsFile::parse(&text, &args.limits));
    let mut file = file.map_err(Failure::input)?;
    file.spec.base = args.model.clone().or(file.spec.base);
    let asked = args.compute.asked();
    file.spec.compute = asked.compute.or(file.spec.compute);
    file.spec.device = asked.device.or(file.spec.device);
    let LimitsFile { spec, supplies, limits } = &file;
    // A swept mix would stand in the planned spec in place of the planned one.
    if let Some(axis) = spec.axes.iter().find(|axis| axis.name.split('.').any(|part| part == "mix")) {
        let keys = ["sweep", axis.name.as_str()];
        return Err(Failure::input(spec.error(&keys, "the mix is what a plan finds", "leave this axis out")));
    }
    let inputs = Inputs::default();
    let Resolved { plan: sweep, runs, .. } = resolve(spec, &inputs).map_err(Failure::input)?;
    file.check_probes(&sweep).map_err(Failure::input)?;
    let limits: Vec<Limit> = limits.iter().map(|(_, limit)| limit.clone()).collect();
    let blamed = |error: &dyn std::fmt::Display| Failure::Input(format!("{}: {error}", args.limits.display()));
    // Controls that titer adds are not asked for.
    let asked = sweep.axes.iter().map(|(_, values)| values.len()).product::<usize>();
    let arms = &sweep.arms[..asked];
    let mut stages = Vec::new();
    for arm in arms {
        let [stage] = arm.stages.as_slice() else { return Err(blamed(&"a plan is for one stage; name one [[stage]]")) };
        if !stage.differs_in_rows_alone() {
            return Err(blamed(&format!(
                "`{}`: only anchors and rewritten prompts are foreseen; leave other guards, `drawn`, `vector`, `helper` and `prompts` out",
                arm.name
            )));
        }
        check_rows(stage, supplies).map_err(|error| blamed(&error))?;
        stages.push(stage.clone());
    }
    exist(spec, &sweep, supplies, &inputs)?;
    let request = KernelRequest { inputs: &inputs, folder: args.kernel.as_deref(), rows: 256, contrasts: 128 };
    let kernels = request.kernels(&sweep, &runs, &KernelBar::default()).map_err(no_kernels)?;
    let result = search(&kernels, &stages, supplies, &limits, args.mixes).map_err(|error| blamed(&error))?;
    if !result.holds() {
        return Err(Failure::Input(unmet(&args.limits, &limits, &result)));
    }
    let text = planned_spec(spec, &sweep, &limits, &result);
    let forecast = forecast_planned(&text, &args.out, &inputs, &kernels)?;
    let forecast_text = serde_json::to_string_pretty(&forecast).expect("a forecast is plain data");
    write_whole(&beside, forecast_text.as_bytes()).map_err(Failure::work)?;
    write_whole(&args.out, text.as_bytes()).map_err(Failure::work)?;
    talk(&format!("{} and {}; `titer run {0}` trains it and shows both", args.out.display(), beside.display()));
    if args.json {
        let kept = kept(&limits, &result, &forecast.arms);
        verbatim(
            &json!({ "limits": limits, "found": result, "kept": kept, "spec": shown(&args.out), "forecast": forecast.arms })
                .to_string(),
        );
    } else {
        print(&limits, &result, arms, &forecast.arms, &args.view)?;
    }
    Ok(())
}

/// Rows of the user's own that there are not cannot be planned with.
fn exist(spec: &Spec, sweep: &SweepPlan, supplies: &[Supply], inputs: &Inputs) -> Result<(), Failure> {
    let Some(data) = &sweep.data else { return Ok(()) };
    inputs
        .plan_data(data, supplies.iter().filter(|supply| supply.most > 0).map(|supply| supply.cell))
        .map_err(Failure::input)?;
    let counts = inputs.data(data).map_err(Failure::input)?.chats().counts();
    for Supply { cell, most, .. } in supplies {
        let trained = counts.get(cell).map_or(0, |(trained, _)| *trained);
        if *most > trained {
            let problem = format!("there are {trained} rows of `{cell}` to train on, not {most}");
            let remedy = format!("write at most {trained}; rows beside them are held out for probes");
            return Err(Failure::input(spec.error(&["rows", cell.to_string().as_str()], problem, &remedy)));
        }
    }
    Ok(())
}

/// The forecast of the planned spec.
fn forecast_planned(text: &str, path: &Path, inputs: &Inputs, kernels: &[Kernel]) -> Result<SavedForecast, Failure> {
    let spec = Spec::parse(text, path).map_err(Failure::work)?;
    let Resolved { plan, runs, .. } = resolve(&spec, inputs).map_err(Failure::input)?;
    let calibration = Calibration::default();
    let forecasts = forecast_runs(&runs, &plan, kernels, &calibration).map_err(Failure::input)?;
    SavedForecast::of(&plan, &forecasts, &calibration).ok_or_else(|| Failure::input("the spec has no run that trains"))
}

fn unmet(path: &Path, limits: &[Limit], result: &SearchResult) -> String {
    let binding = result.binding();
    let alone = if result.reach[binding] >= 0.0 {
        "alone it can be met, but not together with the others".to_owned()
    } else {
        format!("even alone it is missed by {:.1} points", -100.0 * result.reach[binding])
    };
    format!(
        "{}: none of {} mixes meets all limits; the one that binds is `{}`: the best mix misses it by {:.1} points, and {alone}. \
         Loosen it, name other rows in [rows], or train less",
        path.display(),
        result.tried,
        limits[binding].words(),
        -100.0 * result.best.slack[binding]
    )
}

/// The planned arm's forecast of a limit's probe; the planned arm is the first.
fn foreseen<'a>(forecast: &'a [ArmForecast], limit: &Limit) -> Option<&'a ArmForecast> {
    forecast.iter().find(|entry| entry.arm == forecast[0].arm && entry.split().short_name() == limit.probe)
}

/// By what share of its interval each limit is kept.
fn kept(limits: &[Limit], result: &SearchResult, forecast: &[ArmForecast]) -> Vec<Option<f64>> {
    let share = |(at, limit): (usize, &Limit)| {
        let rate = foreseen(forecast, limit)?.rate;
        Some(limit.bound.share_kept(result.best.rates[at], result.best.slack[at], [rate.low, rate.high]))
    };
    limits.iter().enumerate().map(share).collect()
}

/// The columns of limits, without lines.
fn columns() -> TextTable {
    TextTable::new([
        TextColumn::text("limit"),
        TextColumn::number("forecast rate").meaning("with the 95 % interval of a run"),
        TextColumn::number("spare").meaning("points between the forecast and the limit"),
        TextColumn::number("of").meaning("the most points to spare that any mix has"),
        TextColumn::number("kept by").meaning("share of the interval that keeps the limit"),
        TextColumn::word("binds").meaning("the limit with the least to spare"),
    ])
}

fn print(
    limits: &[Limit],
    result: &SearchResult,
    arms: &[Arm],
    forecast: &[ArmForecast],
    view: &ViewArgs,
) -> Result<(), Failure> {
    let mut doubts: Vec<String> = Vec::new();
    prose(&format!(
        "{} of {} mixes meet all limits in the forecast; the one with the most to spare:",
        result.met, result.tried
    ));
    let setting = |candidate: &MixCandidate| {
        if arms.len() > 1 { format!("{}: ", arms[candidate.stage].name) } else { String::new() }
    };
    if arms.len() > 1 {
        data(&format!("  {}", arms[result.best.stage].name));
    }
    for (cell, rows) in &result.best.rows {
        data(&format!("  {:20} {rows:>6} rows", cell.to_string()));
    }
    let mut table = columns();
    let kept = kept(limits, result, forecast);
    for (at, limit) in limits.iter().enumerate() {
        let predicted = foreseen(forecast, limit);
        let band = predicted
            .map_or_else(String::new, |predicted| format!(" [{:.2}, {:.2}]", predicted.rate.low, predicted.rate.high));
        let unknown = predicted.map_or("", |predicted| predicted.beyond.as_str());
        if !unknown.is_empty() {
            doubts.push(format!("  {}: {unknown}", limit.probe));
        }
        table.line([
            limit.words(),
            format!("{:.3}{band}", result.best.rates[at]),
            format!("{:.1}", 100.0 * result.best.slack[at]),
            format!("{:.1}", 100.0 * result.reach[at]),
            kept[at].map_or_else(|| "–".to_owned(), |share| format!("{:.0} %", 100.0 * share)),
            if at == result.binding() { "binds" } else { "" }.to_owned(),
        ]);
    }
    table.print(view)?;
    let open: Vec<&str> = limits
        .iter()
        .zip(&kept)
        .filter(|(_, share)| share.is_some_and(|share| share < 1.0))
        .map(|(limit, _)| limit.probe.as_str())
        .collect();
    if !open.is_empty() {
        prose(&format!(
            "The mean keeps every limit; a run need not: part of the interval does not keep that of {}.",
            open.join(", ")
        ));
    }
    if !doubts.is_empty() {
        data("it does not know");
        doubts.iter().for_each(|doubt| prose(doubt));
    }
    data("mixes that no other one beats at every limit, by points to spare:");
    for candidate in &result.front {
        let slack: Vec<String> = candidate.slack.iter().map(|slack| format!("{:6.1}", 100.0 * slack)).collect();
        let rows: Vec<String> = candidate.rows.iter().map(|(cell, rows)| format!("{cell} {rows}")).collect();
        prose(&format!("  {}   {}{}", slack.join(" "), setting(candidate), rows.join(", ")));
    }
    Ok(())
}
