//! Killed anywhere, interrupted, or out of space, and run again, a sweep ends in the same tables, bit for bit.

mod sweep_tables;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use sweep_tables::{files, tables};

const SPEC: &str = r#"
title = "Small"
seeds = [0, 1]
[[stage]]
name = "before"
rows = 320
[[stage]]
name = "train"
rows = 640
[probes]
items = 8
every = 10
[sweep]
"train.mix.bad→good" = [0.0, 0.05, 0.5, 1.0]
"#;

fn titer(dir: &Path, out: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_titer"));
    command.current_dir(dir).args(["run", "spec.toml", "--threads", "2", "--out", out]);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

#[test]
fn a_killed_sweep_continues_to_the_same_tables() {
    let dir = tempfile::tempdir().unwrap();
    fs_err::write(dir.path().join("spec.toml"), SPEC).unwrap();
    let whole = titer(dir.path(), "whole").output().unwrap();
    assert!(whole.status.success(), "{}", String::from_utf8_lossy(&whole.stderr));
    let wanted = tables(&dir.path().join("whole"));
    assert_eq!(wanted.keys().filter(|path| path.ends_with("done")).count(), 8);

    // Killed once while the first runs are under way and once after some are finished.
    let broken = dir.path().join("killed-twice");
    for finished in [0, 2] {
        let mut child = titer(dir.path(), "killed-twice").spawn().unwrap();
        let started = Instant::now();
        let ready = || {
            let done = files(&broken, |name| name == "done").len();
            done >= finished && files(&broken, |name| name == "events.jsonl").len() > done
        };
        while !ready() && started.elapsed() < Duration::from_secs(60) && child.try_wait().unwrap().is_none() {
            std::thread::sleep(Duration::from_millis(2));
        }
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(files(&broken, |name| name == "done").len() < 8, "it was killed before the end");
    }
    let kept = files(&broken, |name| name == "done").len();
    let resumed = titer(dir.path(), "killed-twice").output().unwrap();
    let talk = String::from_utf8_lossy(&resumed.stderr).into_owned();
    assert!(resumed.status.success(), "{talk}");
    assert!(talk.contains(&format!("{} runs to do, {kept} finished before", 8 - kept)), "{talk}");
    assert!(tables(&broken) == wanted, "tables differ from those of the uninterrupted sweep");

    // Once more: nothing to do, and the report is the same page.
    let again = titer(dir.path(), "killed-twice").output().unwrap();
    assert!(String::from_utf8_lossy(&again.stderr).contains("0 runs to do, 8 finished before"));
    assert!(tables(&broken) == wanted);
    let page = |sweep: &str| fs_err::read_to_string(dir.path().join(sweep).join("report.html")).unwrap();
    assert_eq!(page("killed-twice").replace("killed-twice", "whole"), page("whole"));
}

/// A folder with the spec, and the tables of a sweep that nothing disturbed.
fn undisturbed() -> (tempfile::TempDir, BTreeMap<PathBuf, Vec<u8>>) {
    let dir = tempfile::tempdir().unwrap();
    fs_err::write(dir.path().join("spec.toml"), SPEC).unwrap();
    let whole = titer(dir.path(), "whole").output().unwrap();
    assert!(whole.status.success(), "{}", String::from_utf8_lossy(&whole.stderr));
    let wanted = tables(&dir.path().join("whole"));
    (dir, wanted)
}

#[cfg(unix)]
#[test]
fn an_interrupted_sweep_says_that_the_same_command_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    fs_err::write(dir.path().join("spec.toml"), SPEC.replace("rows = 640", "rows = 64000")).unwrap();
    for (signal, code) in [("-INT", 130), ("-TERM", 143)] {
        let out = format!("stopped{signal}");
        let child = titer(dir.path(), &out).spawn().unwrap();
        let started = Instant::now();
        while files(&dir.path().join(&out), |name| name == "events.jsonl").is_empty() {
            assert!(started.elapsed() < Duration::from_secs(60), "no run starts");
            std::thread::sleep(Duration::from_millis(2));
        }
        assert!(Command::new("kill").args([signal, &child.id().to_string()]).status().unwrap().success());
        let stopped = child.wait_with_output().unwrap();
        let talk = String::from_utf8_lossy(&stopped.stderr);
        assert_eq!(stopped.status.code(), Some(code), "{talk}");
        assert_eq!(talk.matches("the same command goes on").count(), 1, "{talk}");
    }
}

#[cfg(unix)]
#[test]
fn a_file_that_cannot_be_written_is_named_and_costs_one_run_at_most() {
    let (dir, wanted) = undisturbed();
    let largest = wanted.values().map(Vec::len).max().unwrap();
    let mut failed = 0;
    // Files may not grow beyond so many blocks of 512 bytes: the file system's error, wherever it strikes.
    for blocks in [1, 4, 8, largest / 512 - 1] {
        let limited = Command::new("sh")
            .current_dir(dir.path())
            .args(["-c", "trap '' XFSZ; ulimit -f $0; exec \"$@\"", &blocks.to_string()])
            .arg(env!("CARGO_BIN_EXE_titer"))
            .args(["run", "spec.toml", "--threads", "2", "--out", "full"])
            .output()
            .unwrap();
        let talk = String::from_utf8_lossy(&limited.stderr);
        assert!([Some(0), Some(1)].contains(&limited.status.code()), "{blocks} blocks: {talk}");
        if limited.status.code() == Some(1) {
            failed += 1;
            let named = talk.lines().any(|line| line.starts_with("error: ") && line.contains("full/"));
            assert!(named && talk.contains("File too large"), "{blocks} blocks: {talk}");
        }
    }
    assert!(failed >= 2, "the limits struck {failed} times");
    let resumed = titer(dir.path(), "full").output().unwrap();
    assert!(resumed.status.success(), "{}", String::from_utf8_lossy(&resumed.stderr));
    assert!(tables(&dir.path().join("full")) == wanted, "tables differ from those of the undisturbed sweep");
}

/// Many kills at moments of a fixed sequence.
#[test]
fn a_sweep_survives_two_hundred_kills() {
    let (dir, wanted) = undisturbed();
    let sweep = dir.path().join("killed");
    let mut state = 1_u64;
    let mut kills = 0;
    while kills < 200 {
        let mut child = titer(dir.path(), "killed").spawn().unwrap();
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        std::thread::sleep(Duration::from_micros((state >> 33) % 400_000));
        if child.try_wait().unwrap().is_none() {
            child.kill().unwrap();
            kills += 1;
        }
        child.wait().unwrap();
        let verified = Command::new(env!("CARGO_BIN_EXE_titer")).arg("verify").arg(&sweep).output().unwrap();
        let damaged = sweep.join("sweep.toml").exists() && !verified.status.success();
        assert!(!damaged, "{}", String::from_utf8_lossy(&verified.stdout));
        if files(&sweep, |name| name == "done").len() == 8 {
            assert!(tables(&sweep) == wanted, "tables differ after {kills} kills");
            fs_err::remove_dir_all(&sweep).unwrap();
        }
    }
}
