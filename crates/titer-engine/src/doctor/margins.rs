//! Margins of the contrasts: does the model follow bad prompts, and prompts at all?

use titer::{
    stats::{Estimate, Support},
    table::ProbeRecord,
    words::counted,
};
use titer_data::{probe::Component, source::Source};

use super::Check;
use crate::{
    model::Model,
    probe::{Moment, Probes},
};

/// One margin and what it would mean if it were not above 0.
struct Wanted {
    name: &'static str,
    component: Component,
    /// What is measured, and where.
    what: &'static str,
    of: fn(&ProbeRecord) -> f64,
    remedy: &'static str,
}

const GOOD: Wanted = Wanted {
    name: "prefers good replies",
    component: Component::Good,
    what: "good",
    of: |record| record.margin,
    remedy: "an action that the model takes by itself needs no inoculation; this is the distance to learn",
};
const OBEY_BAD: Wanted = Wanted {
    name: "follows bad prompts",
    component: Component::ObeyBad,
    what: "bad prompt",
    of: |record| record.margin,
    remedy: "a prompt that does not raise the bad action cannot inoculate against it: try others, or a larger model",
};
const GAP: Wanted = Wanted { what: "bad prompt less neutral one", of: |record| record.gap, ..OBEY_BAD };
const OBEY: Wanted = Wanted {
    name: "follows prompts",
    component: Component::Obey,
    what: "harmless instruction",
    of: |record| record.margin,
    remedy: "what a run does to prompt following cannot be seen on a model that follows none",
};

/// A check of every component, measured on at most `items` contrasts of each kind.
pub(super) fn margins(model: &Model, source: &Source, seed: u64, items: usize) -> Vec<Check> {
    match Probes::of_source(model, source, seed, items) {
        Ok(probes) => {
            let records = probes.measure(model, Moment { stage: "base", step: 0 });
            [GOOD, OBEY_BAD, OBEY].into_iter().map(|wanted| of_component(&wanted, &records)).collect()
        }
        Err(error) => vec![Check::fail(
            "contrasts",
            format!("one cannot be encoded: {error}"),
            "mend it or the template as it says; the checks of margins were left out",
        )],
    }
}

fn of_component(wanted: &Wanted, records: &[ProbeRecord]) -> Check {
    let own: Vec<&ProbeRecord> = records.iter().filter(|record| record.component == wanted.component).collect();
    if own.is_empty() {
        let remedy = "without such contrasts nothing can be said of it; see `titer check` for how a spec gets them";
        return Check::note(wanted.name, format!("no contrasts of `{}`", wanted.component.word()), remedy);
    }
    if let Some(broken) = own.iter().find(|record| !record.margin.is_finite()) {
        let count = own.iter().filter(|record| !record.margin.is_finite()).count();
        let finding = format!(
            "{count} of {} contrasts have no margin: that of `{}` is {} nats",
            own.len(),
            broken.item,
            broken.margin
        );
        return Check::fail(wanted.name, finding, "see the check of log-probabilities").with_number(broken.margin);
    }
    // Contrasts without a neutral counterpart have no gap.
    let gaps = own.iter().any(|record| record.gap.is_finite());
    let wanted = if wanted.component == Component::ObeyBad && gaps { &GAP } else { wanted };
    let values: Vec<f64> = own.iter().map(|record| (wanted.of)(record)).filter(|value| value.is_finite()).collect();
    let Some(estimate) = Estimate::over_items(&values, Support::Line) else {
        return Check::fail(wanted.name, "no margin is a number", wanted.remedy);
    };
    let interval = match estimate.has_interval() {
        true => format!(" ({:.2} to {:.2})", estimate.low, estimate.high),
        false => String::new(),
    };
    let finding = format!(
        "margin, {}: {:+.2} nats a reply{interval}, {}",
        wanted.what,
        estimate.mean,
        counted(estimate.n_items, "contrast")
    );
    let holds = estimate.mean > 0.0 && (!estimate.has_interval() || estimate.low > 0.0);
    let check = match holds {
        true => Check::pass(wanted.name, finding),
        false => Check::note(wanted.name, finding, wanted.remedy),
    };
    check.with_number(estimate.mean)
}
