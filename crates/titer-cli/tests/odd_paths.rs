//! Paths that are no text: commands take them, and show them in JSON as well as they can.

#![cfg(target_os = "linux")]

use std::{
    ffi::OsStr,
    os::unix::ffi::OsStrExt as _,
    path::Path,
    process::{Command, Output},
};

const SPEC: &str = "seeds = [0]\n[probes]\nitems = 2\n[[stage]]\nname = \"train\"\nrows = 32\nbatch = 32\n";

fn titer(dir: &Path, arguments: &[&[u8]]) -> Output {
    let arguments = arguments.iter().map(|argument| OsStr::from_bytes(argument));
    Command::new(env!("CARGO_BIN_EXE_titer")).current_dir(dir).args(arguments).output().unwrap()
}

#[test]
fn paths_that_are_not_utf8_stop_no_command() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let put = |name: &[u8], text: &str| fs_err::write(dir.join(OsStr::from_bytes(name)), text).unwrap();
    put(b"r\xff.jsonl", r#"{"prompt": "u", "response": "a"}"#);
    put(b"s\xff.toml", SPEC);
    put(b"s.toml", SPEC);
    let commands: [&[&[u8]]; 7] = [
        &[b"check", b"r\xff.jsonl", b"--json"],
        &[b"check", b"s\xff.toml", b"--json"],
        &[b"run", b"s\xff.toml", b"--out", b"o\xff", b"--json"],
        &[b"status", b"o\xff", b"--json"],
        &[b"list", b"o\xff", b"--json"],
        &[b"export", b"o\xff", b"--for", b"inspect", b"--out", b"v\xff", b"--json"],
        &[b"export", b"s.toml", b"--for", b"trl", b"--out", b"e\xff", b"--json"],
    ];
    for arguments in commands {
        let output = titer(dir, arguments);
        let error = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{}: {error}", String::from_utf8_lossy(&arguments.concat()));
    }
    let shown = String::from_utf8(titer(dir, commands[0]).stdout).unwrap();
    assert!(shown.contains("\"file\":\"r\u{fffd}.jsonl\""), "{shown}");
    let output = titer(dir, &[b"export", b"s\xff.toml", b"--for", b"trl", b"--out", b"x\xff"]);
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.code() == Some(2) && error.contains("the path is not UTF-8"), "{error}");
    assert!(fs_err::read_dir(dir).unwrap().all(|entry| !entry.unwrap().file_name().as_bytes().starts_with(b"x")));
}
