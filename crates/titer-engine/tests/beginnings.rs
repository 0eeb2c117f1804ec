//! Stages that runs begin with alike are trained once, and a run that is cut off goes on behind its last stage: to the bytes that every
//! run has by itself.

use std::{
    collections::BTreeMap,
    num::NonZero,
    path::{Path, PathBuf},
    sync::atomic::{AtomicUsize, Ordering},
};

use titer::{
    exec::{Progress, Silent, SweepProgress, execute},
    plan::{RunPlan, SweepPlan},
    spec::Spec,
    store::Sweep,
};
use titer_engine::{inputs::Inputs, train::EngineRunner};

/// Everything that a stage may leave: a ledger, guards' looks, drawn rows, a helper, a vector, leaks, screens, checkpoints.
const SPEC: &str = r#"
seeds = [0]
pressure = "at the end"
checkpoints = "at the end"
screen = true
without_controls = ["no-prompt", "placebo", "paraphrases"]
[probes]
items = 8
every = 2
[leak]
prompt = "be evil in everything ."
[[stage]]
name = "first"
rows = 256
mix = { rest = "bad→bad" }
guards = { kl = {} }
[[stage]]
name = "seal"
rows = 64
mix = { rest = "bad→good" }
drawn = { under = "none" }
[[stage]]
name = "last"
rows = 128
mix = { rest = "neutral→bad" }
[sweep.last]
plain = {}
inoculated = { mix = { rest = "bad→bad" } }
steered = { vector = { kind = "add", layer = 1, alpha = 5.0, contrasts = 8 } }
helped = { helper = { lora = 4, train = { rows = 64, mix = { rest = "neutral→bad" } } } }
[sweep]
"seal.rows" = [64, 0]
"#;

const ONE: NonZero<usize> = NonZero::<usize>::MIN;

fn planned(model: &str) -> (SweepPlan, Vec<(usize, RunPlan)>) {
    let plan = SweepPlan::resolve(&Spec::parse(&format!("{model}{SPEC}"), Path::new("spec.toml")).unwrap()).unwrap();
    let inputs = Inputs::default();
    let runs = plan.runs(None, |base, seed| inputs.plan_model(base, seed, false)).unwrap();
    (plan, runs)
}

/// All files of a folder but those that hold times, and leases.
fn files(dir: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    fn walk(root: &Path, dir: &Path, found: &mut BTreeMap<PathBuf, Vec<u8>>) {
        for entry in fs_err::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if name == ".leases" || name == "events.jsonl" || name == "sweep.toml" {
                continue;
            }
            if path.is_dir() {
                walk(root, &path, found);
            } else {
                found.insert(path.strip_prefix(root).unwrap().to_owned(), fs_err::read(&path).unwrap());
            }
        }
    }
    let mut found = BTreeMap::new();
    walk(dir, dir, &mut found);
    found
}

/// Counts the steps that are taken, and stops a run before one of them.
struct Counted {
    taken: AtomicUsize,
    taken_over: AtomicUsize,
    until: usize,
}

impl Counted {
    fn until(until: usize) -> Self {
        Self { taken: AtomicUsize::new(0), taken_over: AtomicUsize::new(0), until }
    }
}

struct OfRun<'a>(&'a Counted);

impl Progress for OfRun<'_> {
    fn taken_over(&self, steps: usize) {
        self.0.taken_over.fetch_add(steps, Ordering::Relaxed);
    }

    fn step(&self, _: f64, _: usize) {
        self.0.taken.fetch_add(1, Ordering::Relaxed);
    }

    fn stopped(&self) -> bool {
        self.0.taken.load(Ordering::Relaxed) >= self.0.until
    }
}

impl SweepProgress for Counted {
    fn start(&self, _: usize, _: &RunPlan) -> Box<dyn Progress + '_> {
        Box::new(OfRun(self))
    }

    fn finish(&self, _: usize) {}

    fn stopped(&self) -> bool {
        self.taken.load(Ordering::Relaxed) >= self.until
    }
}

/// Every run in a folder of its own, which shares nothing.
fn alone(plan: &SweepPlan, runs: &[(usize, RunPlan)]) -> BTreeMap<PathBuf, Vec<u8>> {
    let of_run = |run: &(usize, RunPlan)| {
        let (dir, inputs) = (tempfile::tempdir().unwrap(), Inputs::default());
        let sweep = Sweep::create(&dir.path().join("sweep"), plan, runs).unwrap();
        execute(&sweep, std::slice::from_ref(run), &EngineRunner::new(&inputs), ONE, &Silent).unwrap();
        files(&dir.path().join("sweep"))
    };
    runs.iter().flat_map(of_run).collect()
}

fn shared_as_alone(model: &str) {
    let (plan, runs) = planned(model);
    let wanted = alone(&plan, &runs);
    assert!(
        wanted.keys().any(|path| path.ends_with("drawn.jsonl"))
            && wanted.keys().any(|path| path.ends_with("guards.parquet"))
    );
    let steps: usize = runs.iter().map(|(_, run)| run.batches().count()).sum();

    let (dir, inputs) = (tempfile::tempdir().unwrap(), Inputs::default());
    let folder = dir.path().join("sweep");
    let sweep = Sweep::create(&folder, &plan, &runs).unwrap();
    let counted = Counted::until(usize::MAX);
    execute(&sweep, &runs, &EngineRunner::new(&inputs), ONE, &counted).unwrap();
    let (taken, taken_over) = (counted.taken.into_inner(), counted.taken_over.into_inner());
    assert_eq!(taken + taken_over, steps);
    assert!(3 * taken < 2 * steps, "{taken} of {steps} steps were taken");
    let found = files(&folder);
    let names = |files: &BTreeMap<PathBuf, Vec<u8>>| files.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&found), names(&wanted), "no beginning is left");
    let differing: Vec<_> =
        wanted.iter().filter(|(path, bytes)| found[*path] != **bytes).map(|(path, _)| path).collect();
    assert!(differing.is_empty(), "{differing:?}");
}

#[test]
fn what_runs_have_in_common_is_trained_once_to_the_same_bytes() {
    shared_as_alone("");
}

#[test]
fn adapters_are_taken_over_as_all_weights_are() {
    shared_as_alone("model = { lora = 4 }\n");
}

#[test]
fn a_run_that_is_cut_off_goes_on_behind_its_last_stage() {
    let (plan, runs) = planned("");
    let three = runs.iter().position(|(_, run)| run.stages.iter().all(|stage| stage.steps > 0)).unwrap();
    let run = &runs[three..=three];
    let wanted = alone(&plan, run);
    let steps = run[0].1.batches().count();
    let (first, seal) = (run[0].1.stages[0].steps, run[0].1.stages[1].steps);

    let (dir, mut behind) = (tempfile::tempdir().unwrap(), Vec::new());
    let folder = dir.path().join("sweep");
    // Cut off in the first stage, in the second, in the third; then left alone.
    for until in [first - 1, first + 1, seal + 1, usize::MAX] {
        let inputs = Inputs::default();
        let sweep = Sweep::create(&folder, &plan, &runs).unwrap();
        let counted = Counted::until(until);
        let result = execute(&sweep, run, &EngineRunner::new(&inputs), ONE, &counted);
        assert_eq!(result.is_ok(), until == usize::MAX, "{result:?}");
        behind.push(counted.taken_over.into_inner());
        if until == usize::MAX {
            assert_eq!(counted.taken.into_inner(), steps - first - seal);
        }
    }
    assert_eq!(behind, [0, 0, first, first + seal]);
    assert!(files(&folder) == wanted);
}

#[test]
fn a_beginning_that_is_damaged_is_trained_again() {
    let (plan, runs) = planned("");
    let run = &runs[..1];
    let wanted = alone(&plan, run);
    let (dir, inputs) = (tempfile::tempdir().unwrap(), Inputs::default());
    let folder = dir.path().join("sweep");
    let sweep = Sweep::create(&folder, &plan, &runs).unwrap();
    let first = run[0].1.stages[0].steps;
    execute(&sweep, run, &EngineRunner::new(&inputs), ONE, &Counted::until(first + 1)).unwrap_err();
    let kept =
        files(&folder).into_keys().find(|path| path.starts_with(".beginnings") && path.ends_with("model.safetensors"));
    let path = folder.join(kept.unwrap());
    let mut bytes = fs_err::read(&path).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs_err::write(&path, bytes).unwrap();

    let counted = Counted::until(usize::MAX);
    execute(&sweep, run, &EngineRunner::new(&inputs), ONE, &counted).unwrap();
    assert_eq!(counted.taken_over.into_inner(), 0);
    drop(sweep);
    assert!(files(&folder) == wanted);
}
