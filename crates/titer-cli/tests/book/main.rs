//! The book's examples: every page that shows commands is done as its reader would do it, in an empty folder beside the experiments.
//!
//! A `console` block whose first line begins with `$ ` is an example; other commands stand in `sh` blocks and are not run. A paragraph
//! that ends in a file's name and a colon says what the block below it is called. So a page can be followed word by word, and needs
//! no second folder with what it shows. `BOOK=overwrite` writes what is found.

#[path = "../markdown/mod.rs"]
mod markdown;
mod output;
mod page;

use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use markdown::markdown;
use output::{fits, shortened};
use page::{Part, Shown, parts};

fn project() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

/// An empty folder with the experiments and the organisms of the project in it.
fn clone(page: &Path) -> PathBuf {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("book").join(page.file_stem().unwrap());
    if dir.exists() {
        fs_err::remove_dir_all(&dir).unwrap();
    }
    fs_err::create_dir_all(&dir).unwrap();
    for folder in ["experiments", "organism"] {
        fs_err::os::unix::fs::symlink(project().join(folder), dir.join(folder)).unwrap();
    }
    dir
}

/// Exit code of a command line, and the lines that it wrote to stdout and stderr: without a network, tables 88 characters wide.
fn ask(dir: &Path, command: &str) -> (i32, Vec<String>) {
    let titer = Path::new(env!("CARGO_BIN_EXE_titer")).parent().unwrap();
    let path = format!("{}:{}", titer.display(), std::env::var("PATH").unwrap());
    let mut shell = Command::new("sh");
    shell.args(["-c", &format!("{{ {command}\n}} 2>&1")]).current_dir(dir).stdin(Stdio::null());
    let output =
        shell.env("PATH", path).env("HF_HUB_OFFLINE", "1").env("LC_ALL", "C").env("COLUMNS", "88").output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let mut lines: Vec<String> = text.lines().map(|line| line.trim_end().to_owned()).collect();
    while lines.last().is_some_and(String::is_empty) {
        lines.pop();
    }
    (output.status.code().unwrap(), lines)
}

/// Does all of a page; what came out otherwise than it says, and the page as it would have to be.
fn follow(page: &Path) -> (Vec<String>, String) {
    let text = fs_err::read_to_string(page).unwrap();
    let dir = clone(page);
    let (mut wrong, mut mended, mut written) = (Vec::new(), String::new(), 0);
    for part in parts(&text) {
        match part {
            Part::File { name, text } => fs_err::write(dir.join(name), text).unwrap(),
            Part::Command(Shown { command, code, output, at }) => {
                let (found_code, found) = ask(&dir, &command);
                if found_code != code || !fits(&output, &found) {
                    wrong.push(format!(
                        "$ {command}\nexit code {found_code}, the page says {code}\n--- the page\n{}\n--- found\n{}\n",
                        output.join("\n"),
                        found.join("\n")
                    ));
                    mended.push_str(&text[written..at.start]);
                    mended.extend(shortened(&output, &found).iter().map(|line| format!("{line}\n")));
                    written = at.end;
                }
            }
        }
    }
    mended.push_str(&text[written..]);
    (wrong, mended)
}

#[test]
fn every_command_prints_what_its_page_says() {
    let pages = markdown(&project().join("docs"));
    let shows = |page: &&PathBuf| parts(&fs_err::read_to_string(page).unwrap()).iter().any(Part::is_command);
    let examples: Vec<&PathBuf> = pages.iter().filter(shows).collect();
    assert!(examples.len() > 10, "concepts and tutorials show commands: {examples:?}");
    let mut wrong = Vec::new();
    for page in examples {
        let (found, mended) = follow(page);
        if !found.is_empty() && std::env::var("BOOK").is_ok_and(|value| value == "overwrite") {
            fs_err::write(page, mended).unwrap();
        } else {
            wrong.extend(found.into_iter().map(|what| format!("{}\n{what}", page.display())));
        }
    }
    assert!(wrong.is_empty(), "{}\nBOOK=overwrite writes what was found", wrong.join("\n"));
}
