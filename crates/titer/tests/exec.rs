//! Executing a sweep with a runner that only writes what it was given: what is done again, what is kept, what is said.

use std::{
    num::NonZero,
    path::Path,
    sync::atomic::{AtomicUsize, Ordering},
};

use titer::{
    exec::{Progress, Runner, execute},
    plan::{ModelPlan, RunPlan, SweepPlan},
    spec::{Compute, DeviceName, Spec},
    store::{RunDir, StoreError, Sweep},
};

use titer::exec::Silent;

const SPEC: &str = r#"
seeds = [0, 1, 2]
[[stage]]
rows = 64
[sweep]
"train.mix.bad→good" = [0.0, 0.25, 1.0]
"#;

/// Fails at the run numbered `fails_at`, after having written half of its table.
struct Writer {
    runs: AtomicUsize,
    fails_at: usize,
}

impl Writer {
    fn failing_at(fails_at: usize) -> Self {
        Self { runs: AtomicUsize::new(0), fails_at }
    }
}

impl Runner for Writer {
    type Error = std::io::Error;

    fn run(&self, plan: &RunPlan, dir: &RunDir, progress: &dyn Progress) -> std::io::Result<()> {
        let table = dir.path("table");
        fs_err::write(&table, "half")?;
        if self.runs.fetch_add(1, Ordering::SeqCst) == self.fails_at {
            return Err(std::io::Error::other("the plug was pulled"));
        }
        progress.step(1.0, 1);
        fs_err::write(&table, plan.to_toml())
    }
}

fn planned(text: &str) -> (SweepPlan, Vec<(usize, RunPlan)>) {
    let plan = SweepPlan::resolve(&Spec::parse(text, Path::new("spec.toml")).unwrap()).unwrap();
    let model = |base: &str, seed| {
        Ok::<_, ()>(ModelPlan {
            base: base.to_owned(),
            blake3: format!("model {seed}"),
            numerics: 0,
            dtype: None,
            compute: Compute::F32,
            device: DeviceName::Cpu,
            lora: None,
            template: titer_data::template::TemplateOptions::default(),
        })
    };
    let runs = plan.runs(None, model).unwrap();
    (plan, runs)
}

fn threads(n: usize) -> NonZero<usize> {
    NonZero::new(n).unwrap()
}

/// Every file of the finished runs but the events, which hold times.
fn contents(dir: &Path) -> Vec<(String, String)> {
    let mut files: Vec<_> = Sweep::open(dir)
        .unwrap()
        .runs()
        .into_iter()
        .flat_map(|run| fs_err::read_dir(run.dir).unwrap().map(|entry| entry.unwrap().path()))
        .filter(|path| path.file_name().unwrap() != "events.jsonl")
        .map(|path| (path.strip_prefix(dir).unwrap().display().to_string(), fs_err::read_to_string(path).unwrap()))
        .collect();
    files.sort();
    files.dedup();
    files
}

#[test]
fn a_run_says_what_computed_it_outside_its_plan() {
    let (plan, runs) = planned(SPEC);
    let folder = tempfile::tempdir().unwrap();
    let sweep = Sweep::create(folder.path(), &plan, &runs).unwrap();
    execute(&sweep, &runs, &Writer::failing_at(usize::MAX), threads(1), &Silent).unwrap();
    let here = titer_machine::InstructionSet::detected().name();
    for run in sweep.runs() {
        let events = fs_err::read_to_string(run.dir.join("events.jsonl")).unwrap();
        let start: serde_json::Value = serde_json::from_str(events.lines().next().unwrap()).unwrap();
        assert_eq!((start["event"].as_str(), start["instruction_set"].as_str()), (Some("start"), Some(here)));
        assert!(!fs_err::read_to_string(run.dir.join("plan.toml")).unwrap().contains(here));
    }
}

#[test]
fn an_interrupted_sweep_ends_as_an_uninterrupted_one() {
    let (plan, runs) = planned(SPEC);
    let whole = tempfile::tempdir().unwrap();
    let sweep = Sweep::create(whole.path(), &plan, &runs).unwrap();
    execute(&sweep, &runs, &Writer::failing_at(usize::MAX), threads(2), &Silent).unwrap();

    let broken = tempfile::tempdir().unwrap();
    let sweep = Sweep::create(broken.path(), &plan, &runs).unwrap();
    let error = execute(&sweep, &runs, &Writer::failing_at(4), threads(2), &Silent).unwrap_err();
    assert!(error.to_string().contains("the plug was pulled"), "{error}");
    assert!(error.to_string().starts_with("bad→good="), "names the arm: {error}");
    let done = sweep.runs().iter().filter(|run| run.done).count();
    assert_eq!(done, 8, "all others have had their turn");
    drop(sweep);

    let sweep = Sweep::create(broken.path(), &plan, &runs).unwrap();
    let again = Writer::failing_at(usize::MAX);
    execute(&sweep, &runs, &again, threads(2), &Silent).unwrap();
    assert_eq!(again.runs.into_inner(), 9 - done, "finished runs are not done again");
    assert_eq!(contents(broken.path()), contents(whole.path()));
}

#[test]
fn a_changed_spec_reuses_the_runs_that_it_shares() {
    let dir = tempfile::tempdir().unwrap();
    let (plan, runs) = planned(SPEC);
    let sweep = Sweep::create(dir.path(), &plan, &runs).unwrap();
    execute(&sweep, &runs, &Writer::failing_at(usize::MAX), threads(1), &Silent).unwrap();
    drop(sweep);

    let (plan, runs) =
        planned(&SPEC.replace("0.25, 1.0", "0.25, 0.5, 1.0").replace("seeds", "title = \"Other\"\nseeds"));
    let sweep = Sweep::create(dir.path(), &plan, &runs).unwrap();
    let writer = Writer::failing_at(usize::MAX);
    execute(&sweep, &runs, &writer, threads(1), &Silent).unwrap();
    assert_eq!(writer.runs.into_inner(), 3, "one new dose, three seeds");
}

/// Writes a table and a checkpoint, and takes something away.
struct Remover(&'static str);

impl Runner for Remover {
    type Error = titer::table::TableError;

    fn run(&self, _: &RunPlan, dir: &RunDir, _: &dyn Progress) -> Result<(), Self::Error> {
        dir.write::<titer::table::StepRecord>(&[])?;
        fs_err::create_dir(dir.path("checkpoint-2")).unwrap();
        for name in ["config.json", "model.safetensors"] {
            fs_err::write(dir.path("checkpoint-2").join(name), "weights").unwrap();
        }
        dir.wrote("checkpoint-2");
        let path = dir.path(self.0);
        if path.is_dir() { fs_err::remove_dir_all(path) } else { fs_err::remove_file(path) }.unwrap();
        Ok(())
    }
}

#[test]
fn a_run_that_has_lost_a_file_is_not_finished() {
    let text = SPEC.replace("[0, 1, 2]", "[0]").replace("[0.0, 0.25, 1.0]", "[0.25]");
    let (plan, runs) = planned(&text);
    for name in ["steps.parquet", "plan.toml", "checkpoint-2", "checkpoint-2/config.json"] {
        let dir = tempfile::tempdir().unwrap();
        let sweep = Sweep::create(dir.path(), &plan, &runs).unwrap();
        let error = execute(&sweep, &runs, &Remover(name), threads(1), &Silent).unwrap_err().to_string();
        assert!(error.contains("was written and is not there any more: something else removed it"), "{error}");
        assert!(error.contains(name), "{error}");
        assert!(sweep.runs().iter().all(|run| !run.done));
    }
    let dir = tempfile::tempdir().unwrap();
    let sweep = Sweep::create(dir.path(), &plan, &runs).unwrap();
    let error = execute(&sweep, &runs, &Remover("../.leases"), threads(1), &Silent).unwrap_err().to_string();
    assert!(error.contains("the sweep's folder, or .leases in it, was removed while the run was made"), "{error}");
}

#[test]
fn a_folder_has_one_writer() {
    let dir = tempfile::tempdir().unwrap();
    let (plan, runs) = planned(SPEC);
    let first = Sweep::create(dir.path(), &plan, &runs).unwrap();
    assert!(matches!(Sweep::create(dir.path(), &plan, &runs), Err(StoreError::Locked { .. })));
    assert!(Sweep::open(dir.path()).is_ok(), "reading goes on meanwhile");
    drop(first);
    assert!(Sweep::create(dir.path(), &plan, &runs).is_ok());
}

#[test]
fn a_folder_with_something_else_in_it_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    fs_err::write(dir.path().join("thesis.tex"), "years of work").unwrap();
    let (plan, runs) = planned(SPEC);
    assert!(matches!(Sweep::create(dir.path(), &plan, &runs), Err(StoreError::Foreign(_))));
    assert_eq!(fs_err::read_dir(dir.path()).unwrap().count(), 1);
    assert!(matches!(Sweep::open(dir.path()), Err(StoreError::NoSweep(_))));

    let own = tempfile::tempdir().unwrap();
    let file = own.path().join("sweep.toml");
    fs_err::write(&file, "brush = \"wide\"").unwrap();
    assert!(matches!(Sweep::create(own.path(), &plan, &runs), Err(StoreError::Foreign(_))));
    assert_eq!(fs_err::read_to_string(file).unwrap(), "brush = \"wide\"");
}
