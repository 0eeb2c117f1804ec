//! What is measured of a base before training is taken once for all runs of a command, and is what each would measure by itself.

use std::{num::NonZero, path::Path};

use titer::{
    exec::{Silent, execute},
    plan::{RunPlan, SweepPlan},
    spec::Spec,
    store::Sweep,
};
use titer_engine::{inputs::Inputs, train::EngineRunner};

const SPEC: &str = r#"
seeds = [0]
pressure = "at the end"
[probes]
items = 8
every = 0
[leak]
prompt = "be evil in everything ."
[[stage]]
rows = 64
mix = { rest = "neutral→bad" }
[sweep.train]
plain = {}
inoculated = { mix = { rest = "bad→bad" } }
steered = { vector = { kind = "add", layer = 1, alpha = 5.0, contrasts = 8 } }
"#;

/// Pressures, leaks, probes and warnings of every run, as bytes: of all of them together, or each with inputs of its own.
fn tables(plan: &SweepPlan, together: bool) -> Vec<[Vec<u8>; 4]> {
    let inputs = Inputs::default();
    let runs = plan.runs(None, |base, seed| inputs.plan_model(base, seed, false)).unwrap();
    let group = if together { runs.len() } else { 1 };
    let of_group = |runs: &[(usize, RunPlan)]| -> Vec<[Vec<u8>; 4]> {
        let inputs = Inputs::default();
        let dir = tempfile::tempdir().unwrap();
        let sweep = Sweep::create(&dir.path().join("sweep"), plan, runs).unwrap();
        execute(&sweep, runs, &EngineRunner::new(&inputs), NonZero::<usize>::MIN, &Silent).unwrap();
        let file =
            |run: &RunPlan, name: &str| fs_err::read(dir.path().join("sweep").join(&run.id().0).join(name)).unwrap();
        let of_run = |(_, run): &(usize, RunPlan)| {
            ["pressures.parquet", "leak.parquet", "probes.parquet", "warnings.parquet"].map(|name| file(run, name))
        };
        runs.iter().map(of_run).collect()
    };
    runs.chunks(group).flat_map(of_group).collect()
}

#[test]
fn a_run_has_the_same_tables_alone_and_beside_others() {
    let plan = SweepPlan::resolve(&Spec::parse(SPEC, Path::new("spec.toml")).unwrap()).unwrap();
    let (together, alone) = (tables(&plan, true), tables(&plan, false));
    assert!(together.len() >= 3, "{} runs", together.len());
    assert!(together == alone);
    // What rows push through a vector is not what they push through the plain model.
    let different: std::collections::BTreeSet<&Vec<u8>> = together.iter().map(|[pressures, ..]| pressures).collect();
    assert_eq!(different.len(), together.len());
}
