//! Killed anywhere and run again, a sweep ends in the same tables, bit for bit.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

const SPEC: &str = r#"
title = "Small"
seeds = [0, 1]
[[stage]]
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

/// Files of this name in the folders of a sweep's runs.
fn files(sweep: &Path, named: impl Fn(&str) -> bool) -> Vec<PathBuf> {
    let Ok(runs) = fs_err::read_dir(sweep) else { return Vec::new() };
    let runs = runs.map(|run| run.unwrap().path()).filter(|run| run.is_dir());
    let files = runs.flat_map(|run| fs_err::read_dir(run).unwrap().map(|file| file.unwrap().path()));
    files.filter(|file| named(&file.file_name().unwrap().to_string_lossy())).collect()
}

fn tables(sweep: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let tables = files(sweep, |name| name.ends_with(".parquet") || name == "plan.toml" || name == "done");
    tables
        .into_iter()
        .map(|path| (path.strip_prefix(sweep).unwrap().to_owned(), fs_err::read(&path).unwrap()))
        .collect()
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
    let broken = dir.path().join("broken");
    for finished in [0, 2] {
        let mut child = titer(dir.path(), "broken").spawn().unwrap();
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
    let resumed = titer(dir.path(), "broken").output().unwrap();
    let talk = String::from_utf8_lossy(&resumed.stderr).into_owned();
    assert!(resumed.status.success(), "{talk}");
    assert!(talk.contains(&format!("{} runs to do, {kept} finished before", 8 - kept)), "{talk}");
    assert!(tables(&broken) == wanted, "tables differ from those of the uninterrupted sweep");

    // Once more: nothing to do, and the report is the same page.
    let again = titer(dir.path(), "broken").output().unwrap();
    assert!(String::from_utf8_lossy(&again.stderr).contains("0 runs to do, 8 finished before"));
    assert!(tables(&broken) == wanted);
    let page = |sweep: &str| fs_err::read_to_string(dir.path().join(sweep).join("report.html")).unwrap();
    assert_eq!(page("broken").replace("broken", "whole"), page("whole"));
}
