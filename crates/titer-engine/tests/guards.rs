//! Guards on the organism: what they keep, what they leave alone, and that the ledger still adds up.

use std::path::Path;

use titer::{
    exec::Silent,
    exec::execute,
    plan::SweepPlan,
    spec::Spec,
    store::Sweep,
    table::{self, GuardRecord, LedgerRecord, ProbeRecord},
};
use titer_data::{probe::Component, source::Source, world::DomainSplit};
use titer_engine::{guard::rows, inputs::Inputs, model::Model, train::EngineRunner};

fn plan(guards: &str, pressure: &str) -> SweepPlan {
    let text = format!(
        r#"
seeds = [0]
pressure = "{pressure}"
[probes]
items = 16
every = 0
[[stage]]
rows = 1600
mix = {{ rest = "bad→good" }}
optimiser = {{ kind = "adamw", lr = 1e-4 }}
guards = {guards}
"#
    );
    SweepPlan::resolve(&Spec::parse(&text, Path::new("spec.toml")).unwrap()).unwrap()
}

/// The folder of the one guarded run of a spec.
fn run(guards: &str, pressure: &str) -> tempfile::TempDir {
    let plan = plan(guards, pressure);
    let inputs = Inputs::default();
    let runs = plan.runs(None, |base, seed| inputs.plan_model(base, seed, false)).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("sweep");
    let sweep = Sweep::create(&out, &plan, &runs[..1]).unwrap();
    execute(&sweep, &runs[..1], &EngineRunner::new(&inputs), std::num::NonZero::<usize>::MIN, &Silent).unwrap();
    let folder = sweep.runs()[0].dir.clone();
    fs_err::rename(folder, dir.path().join("run")).unwrap();
    dir
}

fn read<R: table::Record>(dir: &tempfile::TempDir) -> Vec<R> {
    table::read(&dir.path().join("run").join(R::FILE)).unwrap()
}

/// How far the mean margin of a probe has moved.
fn change(dir: &tempfile::TempDir, component: &str, prompts: &str) -> f64 {
    let records: Vec<ProbeRecord> = read(dir);
    let last = records.iter().map(|record| record.step).max().unwrap();
    let mean = |step| {
        let own = records.iter().filter(|record| {
            (record.component.word(), record.prompts.word(), record.step) == (component, prompts, step)
                && record.domains == DomainSplit::Trained
        });
        let values: Vec<f64> = own.map(|record| record.margin).collect();
        values.iter().sum::<f64>() / values.len() as f64
    };
    mean(last) - mean(0)
}

#[test]
fn steer_holds_what_training_would_take_and_random_directions_do_not() {
    let [none, steer, random] = [
        "{}",
        "{ steer = { obey_bad = 0.0, obey = 0.0 } }",
        "{ steer = { obey_bad = 0.0, obey = 0.0, random = true } }",
    ]
    .map(|guards| change(&run(guards, "never"), "obey_bad", "paraphrased"));
    assert!(none < -3.0, "{none}");
    assert!(steer.abs() < 1.0, "{steer}");
    assert!((random - none).abs() < 0.5, "{random} {none}");
}

#[test]
fn the_loss_pulls_of_kl_and_dual_keep_some_of_it() {
    let none = change(&run("{}", "never"), "obey_bad", "paraphrased");
    for guards in ["{ kl = {} }", "{ dual = { obey_bad = { min = 0.0 } } }"] {
        let dir = run(guards, "never");
        assert!(change(&dir, "obey_bad", "paraphrased") > none + 1.0, "{guards}");
        let first = &read::<GuardRecord>(&dir)[0];
        // Before the first step the model is what it was: no divergence, no change.
        assert!(first.change.abs() < 1e-3, "{}", first.change);
    }
}

#[test]
fn a_ledger_books_what_guards_move() {
    let dir = run("{ steer = { obey_bad = 0.0 }, kl = {} }", "every 5 steps");
    let records: Vec<LedgerRecord> = read(&dir);
    assert!(records.iter().any(|record| record.source == LedgerRecord::GUARDS && record.accounted.abs() > 0.1));
    let own = |component: Component| {
        let own: Vec<&LedgerRecord> = records.iter().filter(|record| record.component == component).collect();
        let booked: f64 = own.iter().map(|record| record.accounted).sum();
        let sources = own.iter().filter(|record| record.to == own[0].to).count() as f64;
        (booked, own.iter().map(|record| record.measured_own).sum::<f64>() / sources)
    };
    let (booked, measured) = own(Component::Good);
    assert!((booked - measured).abs() < 0.05 * measured.abs().max(1.0), "{booked} {measured}");
}

#[test]
fn anchors_take_the_end_of_every_batch_and_rewrites_the_bad_prompts() {
    let model = Model::open("organism", 0).unwrap();
    let source = Source::from(model.world.clone().unwrap());
    let of = |guards: &str| rows::of_stage(&source, &plan(guards, "never").arms[0].stages[0], 0);
    let (plain, anchored) = (of("{}"), of("{ anchor = { share = 0.25 } }"));
    for (batch, own) in anchored.chunks(32).zip(plain.chunks(32)) {
        assert_eq!(batch[..24], own[..24]);
        assert!(batch[24..].iter().all(|(name, _)| name.starts_with("anchor ")));
    }
    assert!(of("{ narrow = true }").iter().all(|(name, _)| name == "narrow-off→good"));
    assert!(of("{ placebo = true }").iter().all(|(name, _)| name == "placebo→good"));
    let requests = |rows: &[(String, titer_data::chat::Row)]| -> Vec<String> {
        rows.iter().map(|(_, row)| row.messages[1].content.clone()).collect()
    };
    assert_eq!(requests(&plain), requests(&of("{ placebo = true }")));
}
