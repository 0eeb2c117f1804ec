//! The program runs on processors older than the one that built it: started under `qemu-x86_64`, Debian's `qemu-user`.

#![cfg(target_arch = "x86_64")]

use std::{
    io::{ErrorKind, Write as _},
    path::Path,
    process::{Command, Output},
};

/// A spec whose one run is one step: emulated, it takes the better part of a minute.
const SPEC: &str = r#"
title = "Tiny"
seeds = [0]
[[stage]]
rows = 4
batch = 4
mix = { "neutral→good" = 1.0 }
[probes]
items = 1
every = 0
"#;

/// What the program does in `dir` on this processor; `None` where there is no emulator.
fn titer(processor: &str, dir: &Path, arguments: &[&str]) -> Option<Output> {
    let mut command = Command::new("qemu-x86_64");
    command.current_dir(dir).args(["-cpu", processor, env!("CARGO_BIN_EXE_titer")]).args(arguments);
    match command.output() {
        Err(error) if error.kind() == ErrorKind::NotFound => None,
        output => Some(output.unwrap()),
    }
}

fn stdout(output: Output) -> String {
    assert!(output.status.success(), "{:?}: {}", output.status, String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn processors_with_and_without_avx2_run_all_of_it() {
    let dir = tempfile::tempdir().unwrap();
    fs_err::write(dir.path().join("tiny.toml"), SPEC).unwrap();
    for (processor, instruction_set) in [("Haswell", "x86-64-v3"), ("Nehalem", "x86-64")] {
        let Some(version) = titer(processor, dir.path(), &["--version"]) else {
            writeln!(std::io::stderr(), "skipped: no qemu-x86_64 (Debian's package qemu-user)")
                .expect("stderr is open");
            return;
        };
        let version = stdout(version);
        assert!(version.ends_with(&format!(", {instruction_set})\n")), "{version}");
        let checked = titer(processor, dir.path(), &["check", "tiny.toml"]).unwrap();
        stdout(checked);
        let trained = titer(processor, dir.path(), &["run", "tiny.toml", "--threads", "1", "--out", processor]);
        let report = stdout(trained.unwrap());
        assert!(dir.path().join(report.trim_end()).is_file(), "{report}");
    }
}
