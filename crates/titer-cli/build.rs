//! Tells the program which commit it is built from, where git keeps this file.

use std::{path::Path, process::Command};

/// What git answers, without the end of the line; `None` where there is no git or it fails.
fn git(arguments: &[&str]) -> Option<String> {
    let answer = Command::new("git").args(arguments).output().ok().filter(|answer| answer.status.success())?;
    Some(String::from_utf8(answer.stdout).ok()?.trim_end().to_owned())
}

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    if git(&["ls-files", "--error-unmatch", "build.rs"]).is_none() {
        return;
    }
    // A commit moves the branch, checking out another one moves HEAD; git may pack the branch's file away.
    let branch = git(&["symbolic-ref", "--quiet", "HEAD"]);
    for name in ["HEAD", "packed-refs"].into_iter().chain(branch.as_deref()) {
        if let Some(path) = git(&["rev-parse", "--git-path", name]).filter(|path| Path::new(path).exists()) {
            println!("cargo::rerun-if-changed={path}");
        }
    }
    if let Some(commit) = git(&["rev-parse", "--short=7", "HEAD"]) {
        println!("cargo::rustc-env=TITER_COMMIT={commit}");
    }
}
