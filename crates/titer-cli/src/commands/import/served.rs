//! Runs whose models are behind an endpoint.

use titer::{plan::RunPlan, words};
use titer_engine::{
    endpoint::{Endpoint, Spending},
    scoring::{CountedEndpoint, Scoring, ScoringError, ToldEndpoint},
    train::{BroughtBack, ServedMoment, TrainError},
};

use super::found::{Found, Import};
use crate::{
    commands::subjects::{options_of, spent, unasked},
    printer::{Failure, data, talk, verbatim},
    progress::Bar,
};

/// What is not measured of a run behind an endpoint, in the words of its report.
const NOT_AFTER: &str = "its model was measured behind an endpoint, by log-probabilities: no pressures, and nothing else that takes gradients";

/// The same where the model that it begins with was measured there, too.
const NOT_BEFORE: &str = "the model that it begins with was measured behind the endpoint too: no early warnings";

/// Runs by what an endpoint says of their models; `None` where it is only told what asking would cost. Nothing has been written by then but
/// answers, which are kept.
pub(super) fn served(import: &Import<'_>, url: &str) -> Result<Option<Found>, Failure> {
    let args = &import.args.endpoint;
    let named = import.named_runs()?;
    if named.is_empty() {
        let problem = "say what the server calls the runs with --run 'ARM/SEED=NAME', once a run";
        return Err(Failure::Input(format!("--endpoint: {problem}")));
    }
    let mut runs = Vec::new();
    for (run, _, name) in &named {
        let plan = import.plan(run);
        import.rows_are_those_of(plan)?;
        runs.push(ServedRun { name: run.name(), plan, endpoint: open(import, plan, name, url)? });
    }
    let base = args.served.as_ref().map(|name| {
        let first = runs[0].plan;
        match runs.iter().find(|run| run.plan.model.blake3 != first.model.blake3) {
            None => open(import, first, name, url),
            Some(other) => Err(Failure::Input(format!(
                "--served: {} and {} begin with different models, and `{name}` is one: leave it out, and what they begin with is measured here",
                runs[0].name, other.name
            ))),
        }
    });
    let base = base.transpose()?;
    let spending = counted(import, &runs, base.as_ref())?;
    if args.dry_run {
        if import.args.json {
            verbatim(&spent(&spending).to_string())
        } else {
            data(&spending.to_string())
        }
        return Ok(None);
    }
    talk(&format!("{spending}, for {}", words::counted(runs.len(), "run")));
    let mut found = Found::new();
    for ServedRun { name, plan, endpoint } in &runs {
        let before = base.as_ref().map(|base| {
            let name = format!("{name}, before training");
            asked(base, &name, |scoring| import.inputs.served_before(plan, scoring)).map(Box::new)
        });
        let before = before.transpose()?;
        let after = Box::new(asked(endpoint, name, |scoring| import.inputs.served_after(plan, scoring))?);
        let mut hasher = blake3::Hasher::new();
        let numbers = before.iter().flat_map(|before| before.numbers()).chain(after.numbers());
        for number in numbers {
            hasher.update(&number.to_le_bytes());
        }
        let mut origin = import.origin_of(vec![endpoint.place()], hasher.finalize().to_hex().to_string());
        origin.not_carried.push(NOT_AFTER.to_owned());
        origin.not_carried.extend(before.is_some().then(|| NOT_BEFORE.to_owned()));
        found.insert(plan.id(), (BroughtBack::Served { before, after }, origin));
    }
    Ok(Some(found))
}

/// A run, and where its model is.
struct ServedRun<'a> {
    name: String,
    plan: &'a RunPlan,
    endpoint: Endpoint,
}

/// The model that a server calls so, read as a run's is.
fn open(import: &Import<'_>, plan: &RunPlan, name: &str, url: &str) -> Result<Endpoint, Failure> {
    let reader = import.inputs.reader(plan).map_err(Failure::input)?;
    Endpoint::new(reader, options_of(name, url, &import.args.endpoint)?).map_err(unasked)
}

/// What measuring these runs costs.
fn counted(import: &Import<'_>, runs: &[ServedRun<'_>], base: Option<&Endpoint>) -> Result<Spending, Failure> {
    let mut sum = Spending::default();
    let before = base.map(CountedEndpoint::new);
    for ServedRun { plan, endpoint, .. } in runs {
        let after = CountedEndpoint::new(endpoint);
        import.inputs.served_after(plan, &after).map_err(Failure::input)?;
        sum = sum + after.spending();
        if let Some(before) = &before {
            import.inputs.served_before(plan, before).map_err(Failure::input)?;
        }
    }
    Ok(before.map_or(sum.clone(), |before| sum + before.spending()))
}

/// What a model behind an endpoint says of a run.
fn asked(
    endpoint: &Endpoint,
    name: &str,
    ask: impl FnOnce(&dyn Scoring) -> Result<ServedMoment, TrainError>,
) -> Result<ServedMoment, Failure> {
    let bar = Bar::new(0, "answers");
    let say = |line: &str| talk(&format!("{name}: {line}"));
    let said = ask(&ToldEndpoint { endpoint, say: &say, progress: &|done, of| bar.stands_at(done, of, name) });
    bar.clear();
    said.map_err(|error| match error {
        TrainError::Scoring(ScoringError::Endpoint(error)) => unasked(error),
        other => Failure::input(other),
    })
}
