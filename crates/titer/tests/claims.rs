//! What claims measure on a user's own data, where all seeds measure the same items.

use std::path::Path;

use titer::{
    claim::{Judgement, Verdict},
    plan::{Setting, SweepPlan},
    results::{ArmResults, RunResults, SweepResults},
    spec::Spec,
    table::ProbeRecord,
};
use titer_data::{
    probe::{Component, ProbePrompts},
    world::DomainSplit,
};

fn record(component: Component, step: i64, item: usize, margin: f64) -> ProbeRecord {
    ProbeRecord {
        stage: "train".to_owned(),
        step,
        component,
        prompts: ProbePrompts::Seen,
        domains: DomainSplit::Trained,
        item: format!("q{item:02}"),
        margin,
        margin_per_token: f64::NAN,
        gap: if item == 0 { f64::NAN } else { 2.0 + 0.1 * item as f64 },
        rate: 1.0 / (1.0 + (-margin).exp()),
        other: 0.0,
    }
}

/// Judges the first claim of a spec by arms that measured these at their ends; `probes` is given arm and seed.
fn judged(spec: &str, seeds: u64, probes: impl Fn(usize, u64) -> Vec<ProbeRecord>) -> Judgement {
    let spec = Spec::parse(spec, Path::new("spec.toml")).unwrap();
    let plan = SweepPlan::resolve(&spec).unwrap();
    let claims = titer::claim::resolve(&spec, &plan).unwrap();
    let arm = |(at, arm): (usize, &titer::plan::Arm)| {
        let run = |seed| {
            let run = RunResults::new(seed, "c0ffee".to_owned(), probes(at, seed), Vec::new(), Vec::new());
            run.with_shared_items(true)
        };
        ArmResults {
            name: arm.name.clone(),
            settings: arm.settings.iter().map(|(axis, value)| (axis.clone(), Setting::of(value))).collect(),
            runs: (0..seeds).map(run).collect(),
            ..ArmResults::default()
        }
    };
    let arms = plan.arms.iter().enumerate().map(arm).collect();
    let results = SweepResults { arms, seeds: (0..seeds).collect(), ..SweepResults::default() };
    titer::claim::judge(&results, &claims[0]).remove(0)
}

const RANKS: &str = "seeds = [0]\n[sweep]\n\"train.clip\" = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]\n[[claim]]\ntext = \"falls\"\n\
    value = \"margin('obey_bad')\"\nwith = \"setting('clip')\"\narms = \"all\"\nbound = \"< 0\"\n";

#[test]
fn items_that_move_no_rank_count_in_the_error_over_items() {
    // Two arms change places where one of three items is left out, as all three do alike; the other 37 move nothing.
    let near = |arm: usize, item: usize| {
        let means = [4.0, 5.0, 3.0, 2.0, 0.93, 1.0];
        let own = if arm == 4 { [-0.15, 2.85][usize::from([7, 21, 30].contains(&item))] } else { 0.0 };
        means[arm] + own
    };
    let found = judged(RANKS, 1, |arm, _| {
        // Items that the claim does not read are none of its business.
        let read = (0..40).map(|item| record(Component::ObeyBad, 10, item, near(arm, item)));
        read.chain((40..90).map(|item| record(Component::Good, 10, item, 1.0))).collect()
    });
    let value = found.value.unwrap();
    assert!(value.has_interval() && value.low < value.mean && value.mean < value.high, "{value:?}");
    // The jackknife over 40 items, of which three give another correlation.
    let apart = f64::atanh(-31.0 / 35.0) - f64::atanh(-33.0 / 35.0);
    let wanted = f64::sqrt(39.0 / 40.0 * 3.0 * 37.0 / 40.0) * apart;
    let error = value.source.unwrap().error;
    assert!((error - wanted).abs() < 1e-9, "{error} {wanted} {value:?}");
}

#[test]
fn a_gap_that_some_items_lack_is_measured_on_the_others() {
    let spec =
        "seeds = [0, 1]\n[[claim]]\ntext = \"moves\"\nvalue = \"gap('obey_bad')\"\narms = \"all\"\nbound = \"> 0\"\n";
    let found = judged(spec, 2, |_, seed| {
        (0..4).map(|item| record(Component::ObeyBad, 10, item, 1.0 + 0.01 * seed as f64)).collect()
    });
    assert!(found.verdict == Verdict::Holds && (found.value.unwrap().mean - 2.2).abs() < 1e-12, "{found:?}");
}

#[test]
fn the_end_is_that_of_the_run_whichever_probe_was_measured_then() {
    // `good` has a start alone, and comes first by its name.
    let spec =
        "seeds = [0, 1]\n[[claim]]\ntext = \"deaf\"\nvalue = \"rate('obey_bad')\"\narms = \"all\"\nbound = \"< 0.5\"\n";
    let probes = |_, seed: u64| {
        vec![
            record(Component::Good, 0, 1, 2.0),
            record(Component::ObeyBad, 0, 1, 3.0),
            record(Component::ObeyBad, 10, 1, -3.0 - 0.01 * seed as f64),
        ]
    };
    let found = judged(spec, 2, probes);
    assert!(found.value.unwrap().mean < 0.05, "{found:?}");
    let good = judged(&spec.replace("obey_bad", "good"), 2, probes);
    assert_eq!(good.verdict, Verdict::NotMeasured, "what was measured before training is not after: {good:?}");
}
