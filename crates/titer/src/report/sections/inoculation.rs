//! Inoculation beside its controls: how much of what looks suppressed is tied to the string of the prompt.

use std::cell::RefCell;

use titer_data::probe::Component;

use crate::{
    report::{format, view::Table},
    results::{ArmResults, At, Measure, Split, SweepResults},
    spec::ControlKind,
    stats::{Estimate, Sample},
};

/// What the answer has to add where inoculation was trained without its controls; empty where all are there.
pub(crate) fn note(results: &SweepResults) -> String {
    let arms: Vec<_> = results.arms.iter().filter(|arm| arm.inoculates && !is_control(results, arm)).collect();
    if arms.is_empty() {
        return String::new();
    }
    let lacks = |kind: &ControlKind| !results.arms.iter().any(|arm| arm.inoculation.contains_key(kind.word()));
    let missing: Vec<ControlKind> = ControlKind::ALL.into_iter().filter(lacks).collect();
    if missing.is_empty() {
        return String::new();
    }
    let controls = if missing.len() == 1 { "control" } else { "controls" };
    let words = missing.iter().map(|kind| kind.word()).collect::<Vec<_>>().join(", ");
    let open = "it stays open whether a prompt works by what it says or by being these very words.";
    // Arms may stand for controls that a spec leaves out, which their stages do not tell.
    if results.read_spec().is_ok_and(|spec| missing.iter().all(|kind| spec.without_controls.contains(kind))) {
        return format!("The spec leaves out the {controls} {words}. Where no arm stands for them, {open}");
    }
    format!("Not trained here: the {controls} {words}. So {open}")
}

/// One row for each inoculated arm: the bad action on neutral prompts in it and without a prompt, how much of that its own prompts
/// and those of its controls suppress, and what is left of obedience. `None` where no arm has a control of inoculation.
pub(crate) fn table(results: &SweepResults) -> Option<Table> {
    let [measure, ..] = results.measures();
    let leak = |arm: &ArmResults| leak(arm, measure);
    let shown = results.arms.iter().filter(|arm| !arm.inoculation.is_empty() && !arm.runs.is_empty());
    let behind: RefCell<Vec<Estimate>> = RefCell::default();
    let written = |estimate: Option<Estimate>| {
        behind.borrow_mut().extend(estimate);
        estimate.map_or_else(|| "–".to_owned(), |estimate| format::interval(&estimate))
    };
    let rows: Vec<Vec<String>> = shown
        .map(|arm| {
            let control = |kind: ControlKind| arm.inoculation.get(kind.word()).map(|at| &results.arms[*at]);
            let leaked = leak(arm);
            let mut row = vec![arm.name.clone(), written(leaked.estimate())];
            let base = control(ControlKind::NoPrompt).map(leak);
            row.push(written(base.as_ref().and_then(Sample::estimate)));
            let suppressed = |sample: &Sample<String>| -> String {
                written(base.as_ref().and_then(|base| base.less(sample).estimate()))
            };
            row.push(suppressed(&leaked));
            for kind in [ControlKind::Placebo, ControlKind::Paraphrases] {
                row.push(control(kind).map_or_else(|| "–".to_owned(), |arm| suppressed(&leak(arm))));
            }
            let obeys = arm.finished().probe(&Split::leading(Component::ObeyBad), measure, At::End).estimate();
            row.push(written(obeys));
            row
        })
        .collect();
    let behind = format::behind(&behind.into_inner());
    (!rows.is_empty()).then(|| Table {
        caption: format!(
            "{} on neutral prompts in trained domains after training, with 95 % intervals; suppressed: the no-prompt \
             control's less this one, on the same seeds and items; behind each number {behind}. Source: probes.parquet.",
            match measure {
                Measure::Rate => "Rate of bad actions",
                _ => "Nearly all replies are neither, so rates say little; log-odds of the bad reply against the good one, nats a reply,",
            }
        ),
        text_columns: 1,
        head: [
            "arm",
            "leak as written",
            "without a prompt",
            "suppressed as written",
            "by placebo",
            "by paraphrases",
            "obeys bad prompts",
        ]
        .map(str::to_owned)
        .to_vec(),
        rows,
    })
}

fn is_control(results: &SweepResults, arm: &ArmResults) -> bool {
    arm.settings.is_empty()
        && results.arms.iter().any(|other| other.inoculation.values().any(|at| std::ptr::eq(&results.arms[*at], arm)))
}

/// The bad action on neutral prompts: what is neither good nor any other reply, or its log-odds where rates say little.
fn leak(arm: &ArmResults, measure: Measure) -> Sample<String> {
    let (split, runs) = (Split::leading(Component::Good), arm.finished());
    if measure != Measure::Rate {
        let margin = runs.probe(&split, Measure::Margin, At::End);
        return margin.map_with(&margin, |margin, _| -margin);
    }
    let good = runs.probe(&split, Measure::Rate, At::End);
    let other = runs.probe(&split, Measure::Other, At::End);
    good.map_with(&other, |good, other| 1.0 - good - other)
}
