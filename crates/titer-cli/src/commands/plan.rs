//! `titer plan`

use std::path::Path;

use serde::Deserialize;
use serde_json::json;
use titer::{
    forecast::{Bound, Calibration, Candidate, Foretold, Found, Kernel, Limit, Supply, Told, check_rows, mix, search},
    plan::{Arm, RunPlan, SweepPlan},
    spec::Spec,
};
use titer_data::cell::Cell;
use titer_engine::inputs::Inputs;
use toml::{Table, Value};

use super::{
    forecast::{foresee, foretold, kernels},
    has_folder, resolve,
};
use crate::{
    args::PlanArgs,
    printer::{Failure, data, talk},
};

/// A bound as written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct BoundField {
    at_least: Option<f64>,
    at_most: Option<f64>,
    lost_at_most: Option<f64>,
}

/// Rows of a cell as written: how many there are, or also how many must be trained.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RowsField {
    #[serde(default)]
    least: usize,
    most: usize,
}

/// Finds a mix for limits and writes it as a spec, with its forecast beside it.
pub fn plan(args: &PlanArgs) -> Result<(), Failure> {
    if args.out.exists() {
        return Err(Failure::Input(format!("{} exists already; name another file with --out", args.out.display())));
    }
    if args.out.extension().is_none_or(|extension| extension != "toml") {
        return Err(Failure::Input(format!(
            "{}: a plan is a spec; name a file that ends in .toml",
            args.out.display()
        )));
    }
    has_folder(&args.out)?;
    let beside = args.out.with_extension(Foretold::FILE);
    if beside.exists() {
        return Err(Failure::Input(format!(
            "{} exists already, where the forecast goes; name another file with --out",
            beside.display()
        )));
    }
    if args.tries == 0 {
        return Err(Failure::input("--tries is 0; use at least 1"));
    }
    let (spec, supplies, limits) = read(&args.limits)?;
    let spec = Spec { base: args.base.clone().or(spec.base), ..spec };
    // A swept mix would stand in the planned spec in place of the planned one.
    if let Some(axis) = spec.axes.iter().find(|axis| axis.name.split('.').any(|part| part == "mix")) {
        let keys = ["sweep", axis.name.as_str()];
        return Err(Failure::input(spec.error(&keys, "the mix is what a plan finds", "leave this axis out")));
    }
    let inputs = Inputs::default();
    let (sweep, runs) = resolve(&spec, &inputs).map_err(Failure::input)?;
    measured(&spec, &sweep, &limits)?;
    let limits: Vec<Limit> = limits.into_iter().map(|(_, limit)| limit).collect();
    let blamed = |error: &dyn std::fmt::Display| Failure::Input(format!("{}: {error}", args.limits.display()));
    // Controls that titer adds are not asked for.
    let asked = sweep.axes.iter().map(|(_, values)| values.len()).product::<usize>();
    let arms = &sweep.arms[..asked];
    let mut stages = Vec::new();
    for arm in arms {
        let [stage] = arm.stages.as_slice() else { return Err(blamed(&"a plan is for one stage; name one [[stage]]")) };
        if !stage.differs_in_rows_alone() {
            return Err(blamed(&format!(
                "`{}`: only anchors and rewritten prompts are foreseen; leave other guards and `prompts` out",
                arm.name
            )));
        }
        check_rows(stage, &supplies).map_err(|error| blamed(&error))?;
        stages.push(stage.clone());
    }
    exist(&spec, &sweep, &supplies, &inputs)?;
    let wanted = kernels::Wanted { inputs: &inputs, kernel: args.kernel.as_deref(), rows: 256, contrasts: 128 };
    let kernels = kernels::of(&wanted, &sweep, &runs)?;
    let found = search(&kernels, &stages, &supplies, &limits, args.tries).map_err(|error| blamed(&error))?;
    if !found.holds() {
        return Err(Failure::Input(unmet(&args.limits, &limits, &found)));
    }
    let text = planned(&spec, &sweep, &limits, &found)?;
    let told = tell(&text, &args.out, &inputs, &kernels)?;
    fs_err::write(&beside, serde_json::to_string_pretty(&told).expect("a forecast is plain data"))
        .map_err(Failure::work)?;
    fs_err::write(&args.out, &text).map_err(Failure::work)?;
    talk(&format!("{} and {}; `titer run {0}` trains it and shows both", args.out.display(), beside.display()));
    if args.json {
        data(&json!({ "limits": limits, "found": found, "spec": args.out, "forecast": told.told }).to_string());
    } else {
        print(&limits, &found, arms, &told.told);
    }
    Ok(())
}

/// Limits are on probes that the runs measure.
fn measured(spec: &Spec, sweep: &SweepPlan, limits: &[Written]) -> Result<(), Failure> {
    let names = sweep.probe_names();
    let names: Vec<&str> = names.iter().map(|name| name.strip_suffix("/trained").unwrap_or(name)).collect();
    let Some((key, limit)) = limits.iter().find(|(_, limit)| !names.contains(&limit.probe.as_str())) else {
        return Ok(());
    };
    let (problem, remedy) =
        (format!("there is no probe `{}`", limit.probe), format!("name one of {}", names.join(", ")));
    Err(Failure::input(spec.error(&["limits", key.as_str()], problem, &remedy)))
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

/// A limit with its key.
type Written = (String, Limit);

/// The spec without what is a plan's own, and that.
fn read(path: &Path) -> Result<(Spec, Vec<Supply>, Vec<Written>), Failure> {
    let text = fs_err::read_to_string(path).map_err(Failure::input)?;
    // Lines of a plan's own are left empty, so that errors in the others keep theirs.
    let mut own = false;
    let mut rest = String::new();
    for line in text.lines() {
        if line.trim_start().starts_with('[') {
            own = ["[rows]", "[limits]"].iter().any(|head| line.trim_start().starts_with(head));
        }
        rest += if own { "" } else { line };
        rest.push('\n');
    }
    let mut spec = Spec::parse(&rest, path).map_err(Failure::input)?;
    let table: Table = toml::from_str(&text).map_err(|error| Failure::Input(format!("{}: {error}", path.display())))?;
    text.clone_into(&mut spec.text);
    let fail = |keys: &[&str], problem: String, remedy: &str| Failure::input(spec.error(keys, problem, remedy));
    let mut supplies = Vec::new();
    for (key, value) in table.get("rows").and_then(Value::as_table).into_iter().flatten() {
        let keys = ["rows", key.as_str()];
        let cell: Cell = key.parse().map_err(|error| fail(&keys, format!("{error}"), ""))?;
        let field = match value {
            Value::Integer(most) => usize::try_from(*most).map(|most| RowsField { least: 0, most }).map_err(|_| ()),
            other => RowsField::deserialize(other.clone()).map_err(|_| ()),
        };
        let remedy = "write how many there are, such as 800, or { least = 100, most = 800 }";
        let field = field.map_err(|()| fail(&keys, format!("`{value}` is no number of rows"), remedy))?;
        supplies.push(Supply { cell, least: field.least, most: field.most });
    }
    let mut limits = Vec::new();
    for (key, value) in table.get("limits").and_then(Value::as_table).into_iter().flatten() {
        let keys = ["limits", key.as_str()];
        let remedy =
            "write one of { at_least = 0.98 }, { at_most = 0.05 }, { lost_at_most = 0.02 }; rates lie between 0 and 1";
        let field = BoundField::deserialize(value.clone()).ok();
        let bound = field.and_then(|field| match field {
            BoundField { at_least: Some(rate), at_most: None, lost_at_most: None } => {
                Some((Bound::AtLeast(rate), rate))
            }
            BoundField { at_least: None, at_most: Some(rate), lost_at_most: None } => Some((Bound::AtMost(rate), rate)),
            BoundField { at_least: None, at_most: None, lost_at_most: Some(rate) } => {
                Some((Bound::LostAtMost(rate), rate))
            }
            _ => None,
        });
        let bound = bound.filter(|(_, rate)| (0.0..=1.0).contains(rate));
        let (bound, _) = bound.ok_or_else(|| fail(&keys, format!("`{value}` is no limit"), remedy))?;
        // The leak is what is not good by default.
        let (probe, bound) = match (key.strip_prefix("leak"), bound) {
            (Some(end), Bound::AtMost(most)) => {
                (if end.is_empty() { "good/seen".to_owned() } else { format!("good{end}") }, Bound::AtLeast(1.0 - most))
            }
            _ => (key.clone(), bound),
        };
        limits.push((key.clone(), Limit { probe, bound }));
    }
    if limits.is_empty() {
        return Err(Failure::Input(format!(
            "{}: there are no limits; add [limits], such as \"good/seen\" = {{ at_least = 0.98 }}",
            path.display()
        )));
    }
    Ok((spec, supplies, limits))
}

/// The plan's file as a spec with the mix that was found, of what was swept the setting that goes with it, and the limits as
/// claims.
fn planned(spec: &Spec, sweep: &SweepPlan, limits: &[Limit], found: &Found) -> Result<String, Failure> {
    let mut table: Table = toml::from_str(&spec.text).map_err(Failure::input)?;
    table.remove("rows");
    table.remove("limits");
    let arm = &sweep.arms[found.best.stage];
    if let Some(axes) = table.get_mut("sweep").and_then(Value::as_table_mut) {
        for ((axis, (_, values)), (_, chosen)) in spec.axes.iter().zip(&sweep.axes).zip(&arm.settings) {
            let at = values.iter().position(|value| value == chosen).unwrap_or(0);
            let only = match &axis.names {
                Some(names) => Value::Table([(names[at].clone(), axis.values[at].clone())].into_iter().collect()),
                None => Value::Array(vec![axis.values[at].clone()]),
            };
            axes.insert(axis.name.clone(), only);
        }
    }
    let mix = mix(&found.best.rows, arm.stages[0].rows);
    let mut shares = Table::new();
    for (cell, share) in mix.shares() {
        shares.insert(cell.to_string(), Value::Float(*share));
    }
    if let Some(rest) = mix.rest() {
        shares.insert("rest".to_owned(), Value::String(rest.to_string()));
    }
    if let Some(base) = &spec.base {
        let model = table.entry("model").or_insert_with(|| Value::Table(Table::new()));
        model.as_table_mut().map(|model| model.insert("base".to_owned(), Value::String(base.clone())));
    }
    let mut stage = spec.stages[0].clone();
    stage.insert("mix".to_owned(), Value::Table(shares));
    table.insert("stage".to_owned(), Value::Array(vec![Value::Table(stage)]));
    // The planned arm alone is judged, unless it is neutral→good rows only and so its own control.
    let own_control = mix.shares().is_empty() && mix.rest().is_some_and(|rest| rest.to_string() == "neutral→good");
    let claims = table.entry("claim").or_insert_with(|| Value::Array(Vec::new()));
    if let Value::Array(claims) = claims {
        claims.extend(limits.iter().map(|limit| Value::Table(claim(limit, own_control))));
    }
    let body = toml::to_string(&table).map_err(Failure::work)?;
    Ok(format!("# Planned by titer from {}; its forecast is beside it.\n{body}", spec.path.display()))
}

/// What is foreseen of the planned spec.
fn tell(text: &str, path: &Path, inputs: &Inputs, kernels: &[Kernel]) -> Result<Foretold, Failure> {
    let spec = Spec::parse(text, path).map_err(Failure::work)?;
    let (plan, runs): (SweepPlan, Vec<(usize, RunPlan)>) = resolve(&spec, inputs).map_err(Failure::input)?;
    let calibration = Calibration::default();
    foretold(&plan, &foresee(&runs, &plan, kernels, &calibration)?, &calibration)
}

/// A limit as a claim, which the report of the planned spec judges.
fn claim(limit: &Limit, own_control: bool) -> Table {
    let rate = format!("rate('{}')", limit.probe);
    let (value, bound) = match limit.bound {
        Bound::AtLeast(least) => (rate, format!("> {least}")),
        Bound::AtMost(most) => (rate, format!("< {most}")),
        Bound::LostAtMost(most) => (format!("rate('{}', at='base') - {rate}", limit.probe), format!("< {most}")),
    };
    let mut claim = Table::new();
    for (key, words) in [("text", words(limit)), ("value", value), ("bound", bound)] {
        claim.insert(key.to_owned(), Value::String(words));
    }
    if own_control {
        claim.insert("arms".to_owned(), Value::String("all".to_owned()));
    }
    claim
}

fn words(limit: &Limit) -> String {
    let percent = |rate: f64| format!("{:.1} %", 100.0 * rate);
    match limit.bound {
        Bound::AtLeast(rate) => format!("{} at least {}", limit.probe, percent(rate)),
        Bound::AtMost(rate) => format!("{} at most {}", limit.probe, percent(rate)),
        Bound::LostAtMost(rate) => {
            format!("{} lost at most {} points", limit.probe, percent(rate).trim_end_matches(" %"))
        }
    }
}

fn unmet(path: &Path, limits: &[Limit], found: &Found) -> String {
    let binding = found.binding();
    let alone = if found.reach[binding] >= 0.0 {
        "alone it can be met, but not together with the others".to_owned()
    } else {
        format!("even alone it is missed by {:.1} points", -100.0 * found.reach[binding])
    };
    format!(
        "{}: none of {} mixes meets all limits; the one that binds is `{}`: the best mix misses it by {:.1} points, and {alone}. \
         Loosen it, name other rows in [rows], or train less",
        path.display(),
        found.tried,
        words(&limits[binding]),
        -100.0 * found.best.slack[binding]
    )
}

fn print(limits: &[Limit], found: &Found, arms: &[Arm], told: &[Told]) {
    let mut doubts: Vec<String> = Vec::new();
    data(&format!(
        "{} of {} mixes meet all limits in the forecast; the one with the most to spare:",
        found.met, found.tried
    ));
    let setting = |candidate: &Candidate| {
        if arms.len() > 1 { format!("{}: ", arms[candidate.stage].name) } else { String::new() }
    };
    if arms.len() > 1 {
        data(&format!("  {}", arms[found.best.stage].name));
    }
    for (cell, rows) in &found.best.rows {
        data(&format!("  {:20} {rows:>6} rows", cell.to_string()));
    }
    data("limit, forecast rate [95 % interval of a run], points to spare (the most that any mix has):");
    for (at, limit) in limits.iter().enumerate() {
        let mark = if at == found.binding() { "  binds" } else { "" };
        // The planned arm is the first.
        let of = told.iter().find(|one| one.arm == told[0].arm && one.name() == limit.probe);
        let band = of.map_or_else(String::new, |one| format!(" [{:.2}, {:.2}]", one.rate.low, one.rate.high));
        let unknown = of.map_or("", |one| one.beyond.as_str());
        if !unknown.is_empty() {
            doubts.push(format!("  {}: {unknown}", limit.probe));
        }
        data(&format!(
            "  {:44} {:.3}{band} {:>6.1} ({:.1}){mark}",
            words(limit),
            found.best.rates[at],
            100.0 * found.best.slack[at],
            100.0 * found.reach[at]
        ));
    }
    if !doubts.is_empty() {
        data("it does not know");
        doubts.iter().for_each(|doubt| data(doubt));
    }
    data("mixes that no other one beats at every limit, by points to spare:");
    for candidate in &found.front {
        let slack: Vec<String> = candidate.slack.iter().map(|slack| format!("{:6.1}", 100.0 * slack)).collect();
        let rows: Vec<String> = candidate.rows.iter().map(|(cell, rows)| format!("{cell} {rows}")).collect();
        data(&format!("  {}   {}{}", slack.join(" "), setting(candidate), rows.join(", ")));
    }
}
