//! Sweeps on a real Slurm: what fails, is killed or cancelled there is submitted again by the same command, and nothing else; tables
//! and report are those of a local sweep.

mod slurm_cluster;
mod sweep_tables;

use std::{
    path::Path,
    process::{Command, Output},
    time::{Duration, Instant},
};

use serde_json::Value;
use slurm_cluster::TestCluster;
use sweep_tables::{files, tables};

/// Twelve runs.
const SPEC: &str = r#"
title = "Small"
seeds = [0, 1, 2]
[[stage]]
rows = 3200
[probes]
items = 8
every = 10
[sweep]
"train.mix.bad→good" = [0.0, 0.05, 0.5, 1.0]
[slurm]
partition = "main"
cpus = 1
"#;

const ON_SLURM: &[&str] = &["run", "spec.toml", "--out", "sweep", "--on", "slurm"];

fn titer(command: &mut Command, dir: &Path, args: &[&str]) -> Output {
    command.current_dir(dir).env("HF_HUB_OFFLINE", "1").args(args).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The one test with a cluster, since daemons take their time to start: its parts go on from each other.
#[test]
fn a_sweep_on_slurm_ends_as_a_local_one() {
    let Some(cluster) = TestCluster::start() else { return };
    let program = env!("CARGO_BIN_EXE_titer");
    let (local, dir) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    for dir in [local.path(), dir.path()] {
        fs_err::write(dir.join("spec.toml"), SPEC).unwrap();
    }
    let whole = titer(&mut Command::new(program), local.path(), &["run", "spec.toml", "--out", "sweep"]);
    assert!(whole.status.success(), "{}", text(&whole.stderr));
    let on = |args: &[&str]| titer(&mut cluster.slurm(program), dir.path(), args);
    let run = |more: &[&str]| {
        let output = on(&[ON_SLURM, more, &["--json"]].concat());
        let talk = text(&output.stderr);
        assert!(output.status.success(), "{talk}");
        (serde_json::from_slice::<Value>(&output.stdout).unwrap(), talk)
    };
    let status = || serde_json::from_slice::<Value>(&on(&["status", "sweep", "--json"]).stdout).unwrap();
    let sweep = dir.path().join("sweep");
    let wait = |what: &str, until: &dyn Fn() -> bool| {
        let started = Instant::now();
        while !until() {
            assert!(
                started.elapsed() < Duration::from_secs(240),
                "{what} does not come: {} {:?}",
                status(),
                cluster.queue("%F_%K %j %T %r")
            );
            std::thread::sleep(Duration::from_millis(100));
        }
    };
    let count = |name: &str| files(&sweep, |file| file == name).len();

    a_partition_that_is_not_there(&on, dir.path());

    // Nothing starts while the partition is down. One run cannot be made: a file is where its folder belongs.
    let partition = |state: &str| {
        let update = ["update", "PartitionName=main", &format!("State={state}")];
        assert!(cluster.slurm("scontrol").args(update).status().unwrap().success());
    };
    partition("DOWN");
    let (submitted, talk) = run(&["--at-once", "2", "--slots", "7"]);
    assert!(talk.contains("4 arms × 3 seeds, 12 runs missing, 0 on their way, 0 finished before"), "{talk}");
    assert_eq!((&submitted["new"], &submitted["slots"]), (&12.into(), &7.into()), "{submitted}");
    let jobs: Vec<String> =
        submitted["jobs"].as_array().unwrap().iter().map(|job| job.as_str().unwrap().to_owned()).collect();
    assert_eq!(jobs.len(), 2, "7 slots are 2 arrays of at most 5");
    assert_eq!(cluster.queue("%F_%K").len(), 8, "and a report: {:?}", cluster.queue("%F_%K %j %r"));
    let (again, talk) = run(&[]);
    assert!(talk.contains("0 runs missing, 12 on their way, 0 finished before"), "{talk}");
    assert_eq!(again["new"], 0);
    let waiting = status();
    assert_eq!((&waiting["waiting"], &waiting["slots"]["waiting"]), (&12.into(), &7.into()), "{waiting}");
    let local_run = on(&["exec", "sweep", "--slot", "0", "--submission", "3"]);
    assert_eq!(local_run.status.code(), Some(2), "{}", text(&local_run.stderr));
    let blocked = sweep.join(&run_ids(&local.path().join("sweep"))[0]);
    fs_err::write(&blocked, "in the way").unwrap();

    // One slot is cancelled before it starts, one while it makes a run, and one is put back into the queue while it makes a run.
    let ok = |command: &mut Command| assert!(command.status().unwrap().success());
    ok(cluster.slurm("scancel").arg(format!("{}_3", jobs[0])));
    partition("UP");
    wait("a first run", &|| count("done") >= 1);
    ok(cluster.slurm("scontrol").args(["requeue", &format!("{}_1", jobs[0])]));
    wait("a requeued slot", &|| cluster.queue("%F_%K %T").iter().any(|line| *line == format!("{}_1 PENDING", jobs[0])));
    ok(cluster.slurm("scancel").arg(format!("{}_0", jobs[0])));
    // Slurm holds a requeued job for two minutes, unless it is told not to.
    ok(cluster.slurm("scontrol").args(["update", &format!("jobid={}_1", jobs[0]), "starttime=now"]));
    wait("three more runs", &|| count("done") >= 4);
    // The rest is cancelled.
    ok(cluster.slurm("scancel").args(&jobs));
    wait("an empty queue", &|| cluster.queue("%j").is_empty());
    let stopped = status();
    let finished = count("done");
    assert!((4..12).contains(&finished), "{stopped}");
    assert_eq!(stopped["finished"], finished);
    assert_eq!(stopped["running"], Value::Array(Vec::new()), "{stopped}");
    fs_err::remove_file(&blocked).unwrap();

    // The same command submits what is missing, no more.
    let before = tables(&sweep);
    let (rest, talk) = run(&[]);
    assert!(
        talk.contains(&format!("{} runs missing, 0 on their way, {finished} finished before", 12 - finished)),
        "{talk}"
    );
    assert_eq!((&rest["new"], &rest["slots"]), (&(12 - finished).into(), &(12 - finished).into()));
    wait("the report", &|| cluster.queue("%j").is_empty());
    let done = status();
    assert_eq!((&done["finished"], &done["waiting"]), (&12.into(), &0.into()), "{done}");
    let after = tables(&sweep);
    assert!(before.iter().all(|(name, bytes)| after.get(name) == Some(bytes)), "finished runs are not made again");
    assert!(after == tables(&local.path().join("sweep")), "tables differ from those of the local sweep");
    let page = |dir: &Path| fs_err::read_to_string(dir.join("sweep/report.html")).unwrap();
    assert!(page(dir.path()) == page(local.path()), "the report differs from that of the local sweep");

    let (nothing, talk) = run(&[]);
    assert!(talk.contains("0 runs missing, 0 on their way, 12 finished before"), "{talk}");
    assert!(nothing["new"] == 0 && cluster.queue("%j").is_empty());

    a_run_that_fails(&cluster, &wait, &sweep, dir.path());
    another_cluster(&on, &sweep);
}

/// Without a cluster, by slots that anything may start.
#[test]
fn slots_share_a_sweep_and_make_each_run_once() {
    let (local, dir) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let spec = SPEC.replace("rows = 3200", "rows = 320");
    for dir in [local.path(), dir.path()] {
        fs_err::write(dir.join("spec.toml"), &spec).unwrap();
    }
    let run = |dir: &Path, args: &[&str]| {
        let output = titer(&mut Command::new(env!("CARGO_BIN_EXE_titer")), dir, args);
        assert!(output.status.success(), "{}", text(&output.stderr));
        text(&output.stderr)
    };
    run(local.path(), &["run", "spec.toml", "--out", "sweep"]);
    run(dir.path(), &["run", "spec.toml", "--out", "sweep", "--on", "slots", "--slots", "4"]);
    let slots: Vec<_> = (0..4)
        .map(|slot| {
            let mut command = Command::new(env!("CARGO_BIN_EXE_titer"));
            command.current_dir(dir.path()).env("HF_HUB_OFFLINE", "1");
            command.args(["exec", "sweep", "--threads", "1", "--slot", &slot.to_string()]);
            command.stderr(std::process::Stdio::piped()).spawn().unwrap()
        })
        .collect();
    let mut made = 0;
    for slot in slots {
        let output = slot.wait_with_output().unwrap();
        let talk = text(&output.stderr);
        assert!(output.status.success(), "{talk}");
        let line = talk.lines().find_map(|line| line.strip_prefix("made ")?.strip_suffix(" runs"));
        made += line.unwrap().parse::<usize>().unwrap();
    }
    assert_eq!(made, 12, "each run is made once");
    assert!(tables(&dir.path().join("sweep")) == tables(&local.path().join("sweep")));
    run(dir.path(), &["report", "sweep"]);
    let page = |dir: &Path| fs_err::read_to_string(dir.join("sweep/report.html")).unwrap();
    assert!(page(dir.path()) == page(local.path()), "the report differs from that of the local sweep");
    let talk = run(dir.path(), &["run", "spec.toml", "--out", "sweep", "--on", "slots"]);
    assert!(talk.contains("0 runs missing, 0 on their way, 12 finished before"), "{talk}");
    let status = titer(&mut Command::new(env!("CARGO_BIN_EXE_titer")), dir.path(), &["status", "sweep"]);
    assert!(text(&status.stdout).starts_with("Small: 12 runs in sweep\nfinished     12\n"), "{}", text(&status.stdout));
}

/// What a user can get wrong where there is no cluster: one clear error each, and nothing is written.
#[test]
fn what_cannot_be_submitted_is_said_before_anything_is_written() {
    let dir = tempfile::tempdir().unwrap();
    fs_err::write(dir.path().join("spec.toml"), SPEC).unwrap();
    fs_err::write(dir.path().join("typo.toml"), SPEC.replace("cpus = 1", "cpu = 1")).unwrap();
    let refused = |args: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_titer"));
        let output = titer(command.env("PATH", dir.path()), dir.path(), args);
        assert_eq!(output.status.code(), Some(2), "{}", text(&output.stderr));
        assert!(!dir.path().join("sweep").exists(), "something is written");
        text(&output.stderr)
    };
    assert_eq!(
        refused(ON_SLURM),
        "error: `sbatch` is not on the path: run this where Slurm's commands are, such as on the cluster's login node\n"
    );
    let talk = refused(&["run", "spec.toml", "--out", "sweep", "--cpus", "2"]);
    assert_eq!(talk, "error: --cpus is for jobs of a cluster: add --on slurm, or leave it out\n");
    let talk = refused(&["run", "typo.toml", "--out", "sweep", "--on", "slurm"]);
    assert!(talk.contains("unknown key `cpu`") || talk.contains("unknown field `cpu`"), "{talk}");
    let talk = refused(&["exec", "sweep", "--slot", "0"]);
    assert!(talk.contains("sweep has nothing for slots to do"), "{talk}");
}

/// Who makes a run is not disturbed by who would make all of them.
#[test]
fn a_local_run_is_refused_while_a_slot_makes_a_run() {
    let dir = tempfile::tempdir().unwrap();
    fs_err::write(dir.path().join("spec.toml"), SPEC.replace("rows = 3200", "rows = 320000")).unwrap();
    let program = env!("CARGO_BIN_EXE_titer");
    let on = |args: &[&str]| titer(&mut Command::new(program), dir.path(), args);
    assert!(on(&["run", "spec.toml", "--out", "sweep", "--on", "slots"]).status.success());
    let mut slot = Command::new(program)
        .current_dir(dir.path())
        .env("HF_HUB_OFFLINE", "1")
        .args(["exec", "sweep", "--slot", "5", "--threads", "1"])
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let started = Instant::now();
    while files(&dir.path().join("sweep"), |name| name == "events.jsonl").is_empty() {
        assert!(started.elapsed() < Duration::from_secs(60) && slot.try_wait().unwrap().is_none(), "no run starts");
        std::thread::sleep(Duration::from_millis(5));
    }
    let local = on(&["run", "spec.toml", "--out", "sweep"]);
    let talk = text(&local.stderr);
    assert_eq!(local.status.code(), Some(2), "{talk}");
    assert!(
        talk.starts_with("error: slot 5") && talk.contains("is writing to sweep; wait for it or cancel it"),
        "{talk}"
    );
    let status: Value = serde_json::from_slice(&on(&["status", "sweep", "--json"]).stdout).unwrap();
    assert_eq!((status["running"].as_array().unwrap().len(), &status["waiting"]), (1, &11.into()), "{status}");
    // Told that its time is nearly up, it leaves the run to whoever comes.
    assert!(Command::new("kill").args(["-USR1", &slot.id().to_string()]).status().unwrap().success());
    let output = slot.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(138), "{}", text(&output.stderr));
    assert_eq!(text(&output.stderr).matches("stopped; the run that was under way").count(), 1);
    let status: Value = serde_json::from_slice(&on(&["status", "sweep", "--json"]).stdout).unwrap();
    assert_eq!((status["running"].as_array().unwrap().len(), &status["waiting"]), (0, &12.into()), "{status}");
}

/// Names of the runs in a sweep's folder.
fn run_ids(sweep: &Path) -> Vec<String> {
    let done = files(sweep, |name| name == "done");
    done.iter().map(|file| file.parent().unwrap().file_name().unwrap().to_string_lossy().into_owned()).collect()
}

/// A partition that the spec or the command asks for and the cluster has not: said before anything is written.
fn a_partition_that_is_not_there(on: &dyn Fn(&[&str]) -> Output, dir: &Path) {
    let named = on(&[ON_SLURM, &["--partition", "nope"]].concat());
    let said = "error: cluster t has no partition `nope`; it has main\n";
    assert_eq!((named.status.code(), text(&named.stderr)), (Some(2), said.to_owned()));
    fs_err::write(dir.join("other.toml"), SPEC.replace("\"main\"", "\"nope\"")).unwrap();
    let in_spec = on(&["run", "other.toml", "--out", "sweep", "--on", "slurm"]);
    let talk = text(&in_spec.stderr);
    assert_eq!(in_spec.status.code(), Some(2), "{talk}");
    assert!(talk.contains("other.toml:12:") && talk.contains("no partition `nope`"), "{talk}");
    assert!(!dir.join("sweep").exists(), "nothing is written");
}

/// A run that a slot cannot make is named with its reason, is no reason for the others to stop, and is submitted again.
fn a_run_that_fails(cluster: &TestCluster, wait: &dyn Fn(&str, &dyn Fn() -> bool), sweep: &Path, dir: &Path) {
    let program = env!("CARGO_BIN_EXE_titer");
    let runs = run_ids(sweep);
    for run in &runs[..3] {
        fs_err::remove_dir_all(sweep.join(run)).unwrap();
    }
    let blocked = sweep.join(&runs[0]);
    fs_err::write(&blocked, "in the way").unwrap();
    let submitted = titer(&mut cluster.slurm(program), dir, &[ON_SLURM, &["--slots", "1"]].concat());
    assert!(text(&submitted.stderr).contains("3 runs missing"), "{}", text(&submitted.stderr));
    wait("an end", &|| cluster.queue("%j").is_empty());
    let status = titer(&mut cluster.slurm(program), dir, &["status", "sweep", "--watch"]);
    let said = text(&status.stdout);
    assert!(said.contains("finished     11\n") && said.contains("failed        1\n"), "{said}");
    let failed: Vec<&str> = said.lines().filter(|line| line.starts_with("failed: ")).collect();
    assert!(failed.len() == 1 && failed[0].contains(&runs[0]) && failed[0].contains("seed"), "{said}");
    assert!(said.contains("the command that began the sweep goes on with it"), "{said}");
    fs_err::remove_file(blocked).unwrap();
    let again = titer(&mut cluster.slurm(program), dir, ON_SLURM);
    assert!(
        text(&again.stderr).contains("1 run missing, 0 on their way, 11 finished before"),
        "{}",
        text(&again.stderr)
    );
    wait("the last run", &|| cluster.queue("%j").is_empty());
    assert_eq!(run_ids(sweep).len(), 12);
}

/// A folder that was given to one cluster is no other one's.
fn another_cluster(on: &dyn Fn(&[&str]) -> Output, sweep: &Path) {
    let file = sweep.join("slots/0.toml");
    let theirs = fs_err::read_to_string(&file).unwrap().replace("cluster = \"t\"", "cluster = \"farm\"");
    fs_err::write(&file, theirs).unwrap();
    let refused = on(ON_SLURM);
    let talk = text(&refused.stderr);
    assert_eq!(refused.status.code(), Some(2), "{talk}");
    assert!(talk.starts_with("error: sweep was submitted to cluster farm, and this is t: "), "{talk}");
    assert!(talk.contains("--out") && talk.contains("delete sweep/slots"), "{talk}");
}

/// A cluster may take the slots and refuse the job behind them: what is in its queue is named then.
#[cfg(unix)]
#[test]
fn slots_that_are_submitted_are_named_where_the_report_s_job_is_refused() {
    use std::os::unix::fs::PermissionsExt as _;

    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    fs_err::write(dir.join("spec.toml"), SPEC).unwrap();
    let commands = dir.join("bin");
    fs_err::create_dir(&commands).unwrap();
    for (name, script) in [
        ("sbatch", "case \"$*\" in *report.sh*) echo 'job violates accounting policy' >&2; exit 1;; esac; echo 1234"),
        ("squeue", "exit 0"),
        ("scontrol", "case \"$*\" in *partition*) echo PartitionName=main;; *) echo 'ClusterName = test';; esac"),
    ] {
        let file = commands.join(name);
        fs_err::write(&file, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs_err::set_permissions(&file, std::fs::Permissions::from_mode(0o755)).unwrap();
    }
    let path = format!("{}:{}", commands.display(), std::env::var("PATH").unwrap());
    let output = titer(Command::new(env!("CARGO_BIN_EXE_titer")).env("PATH", path), dir, ON_SLURM);
    let talk = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{talk}");
    for wanted in ["all slots are submitted, as jobs 1234", "accounting policy", "`titer report sweep` writes it"] {
        assert!(talk.contains(wanted), "{talk} lacks {wanted}");
    }
}
