//! Every guard beside plain training at the organism's size, interleaved on one thread: seconds a step, everything
//! included, as ratios within a round; and what they buy, for steer how far each component ends from its target, in nats.
//!
//!     cargo bench --bench guards -- [rounds]

#![expect(clippy::print_stdout, reason = "its output is the measurement")]

use std::{collections::BTreeMap, num::NonZero, path::Path};

use serde_json::Value;
use titer::{
    exec::Silent,
    exec::execute,
    plan::{RunPlan, SweepPlan},
    spec::Spec,
    store::Sweep,
    table::{self, ProbeRecord},
};
use titer_data::world::DomainSplit;
use titer_engine::{inputs::Inputs, train::EngineRunner};

/// Half bad→good on neutral→good; the targets of the steered arms are +2 / 0 / 0.
const SPEC: &str = r#"
[probes]
every = 0
[[stage]]
name = "train"
rows = 3200
mix = { "bad→good" = 0.5, rest = "neutral→good" }
[sweep."train.guards"]
none = {}
"steer, a look every 4 steps" = { steer = { good = 2.0, obey_bad = 0.0, obey = 0.0 } }
"steer, a look every step" = { steer = { good = 2.0, obey_bad = 0.0, obey = 0.0, every = 1 } }
"steer, a look every 10 steps" = { steer = { good = 2.0, obey_bad = 0.0, obey = 0.0, every = 10 } }
"steer, open loop" = { steer = { good = 2.0, obey_bad = 0.0, obey = 0.0, feedback = false } }
dual = { dual = { obey_bad = { min = 0.0 }, obey = { min = 0.0 } } }
reweight = { reweight = { obey_bad = { min = 0.0 }, obey = { min = 0.0 } } }
kl = { kl = {} }
anchor = { anchor = {} }
"#;

const TARGETS: [(&str, &str, f64); 3] =
    [("good", "seen", 2.0), ("obey_bad", "paraphrased", 0.0), ("obey", "paraphrased", 0.0)];

/// Seconds a step, and the change of each of [`TARGETS`]'s components over the run.
fn measure(plan: &SweepPlan, run: &(usize, RunPlan), inputs: &Inputs) -> (f64, Vec<f64>) {
    let dir = tempfile::tempdir().expect("a folder");
    let runs = std::slice::from_ref(run);
    let sweep = Sweep::create(&dir.path().join("sweep"), plan, runs).expect("a sweep");
    execute(&sweep, runs, &EngineRunner::new(inputs), NonZero::<usize>::MIN, &Silent).expect("the run works");
    let folder = sweep.runs()[0].dir.clone();
    let events = fs_err::read_to_string(folder.join("events.jsonl")).expect("events");
    let seconds: f64 =
        events.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok()?["step_seconds"].as_f64()).sum();
    let probes: Vec<ProbeRecord> = table::read(&folder.join("probes.parquet")).expect("probes");
    let last = probes.iter().map(|record| record.step).max().expect("probes");
    let change = |&(component, prompts, _): &(&str, &str, f64)| {
        let mean = |step| {
            let own = probes.iter().filter(|record| {
                (record.component.word(), record.prompts.word(), record.step) == (component, prompts, step)
                    && record.domains == DomainSplit::Trained
            });
            let margins: Vec<f64> = own.map(|record| record.margin).collect();
            margins.iter().sum::<f64>() / margins.len() as f64
        };
        mean(last) - mean(0)
    };
    (seconds / run.1.steps() as f64, TARGETS.iter().map(change).collect())
}

fn main() {
    let rounds: u64 = std::env::args().skip(1).find_map(|argument| argument.parse().ok()).unwrap_or(5);
    let inputs = Inputs::default();
    let mut spec = Spec::parse(SPEC, Path::new("guards.toml")).expect("a spec");
    // A round is a seed; there are five organisms.
    let (mut ratios, mut seconds, mut misses) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
    for round in 0..rounds {
        spec.seeds = Some(vec![round % 5]);
        let plan = SweepPlan::resolve(&spec).expect("a plan");
        let runs = plan.runs(None, |base, seed| inputs.plan_model(base, seed, false)).expect("organisms");
        // Not the control that titer adds.
        let runs = runs.iter().filter(|(arm, _)| plan.arms[*arm].control != *arm);
        let mut plain = None;
        for run in runs {
            let name = plan.arms[run.0].name.clone();
            let (spent, changes) = measure(&plan, run, &inputs);
            let plain = *plain.get_or_insert(spent);
            ratios.entry(name.clone()).or_insert_with(Vec::new).push(spent / plain);
            seconds.entry(name.clone()).or_insert_with(Vec::new).push(spent);
            misses.entry(name).or_insert_with(Vec::new).push(changes);
        }
    }
    for (name, ratios) in &mut ratios {
        let mean = |at: usize| {
            let own: Vec<f64> = misses[name].iter().map(|changes: &Vec<f64>| changes[at]).collect();
            own.iter().sum::<f64>() / own.len() as f64
        };
        let changes: BTreeMap<_, _> =
            TARGETS.iter().enumerate().map(|(at, (component, ..))| (*component, mean(at))).collect();
        ratios.sort_by(f64::total_cmp);
        let seconds = seconds.get_mut(name).expect("as ratios");
        seconds.sort_by(f64::total_cmp);
        let line = serde_json::json!({
            "arm": name,
            "milliseconds_a_step": 1e3 * seconds[seconds.len() / 2],
            "over_plain": ratios[ratios.len() / 2],
            "lowest": ratios[0],
            "highest": ratios[ratios.len() - 1],
            "change": changes,
        });
        println!("{line}");
    }
}
