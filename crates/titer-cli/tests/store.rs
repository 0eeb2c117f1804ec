//! What a sweep's folder promises: formats are told apart before anything is read, finished runs are what they were, one
//! writes at a time, and claims say when they were made.

mod offline;
mod sweep_folder;

use std::{
    path::Path,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use offline::titer;
use sweep_folder::{Folder, SPEC, run_folders, tree};

/// Commands that open a sweep.
const READERS: [&[&str]; 4] = [
    &["report", "sweep"],
    &["verify", "sweep"],
    &["results", "sweep"],
    &["forecast", "tiny.toml", "--items", "8", "--contrasts", "8", "--against", "sweep"],
];
const RUN: &[&str] = &["run", "tiny.toml", "--out", "sweep"];

#[test]
fn a_folder_of_an_earlier_version_is_read_and_kept() {
    let folder = Folder::of_format_1();
    let before = tree(&folder.sweep());
    let (code, out, error) = folder.titer(READERS[1]);
    assert_eq!((code, out.as_str()), (0, ""), "{error}");
    assert_eq!(
        error,
        "finished runs: 0 as they were written, 0 damaged, 2 unverified (an older titer wrote no hashes)\n"
    );
    assert_eq!(tree(&folder.sweep()), before, "verifying changes nothing");

    let (code, _, error) = folder.titer(READERS[0]);
    assert_eq!(code, 0, "{error}");
    let page = folder.page();
    assert!(page.contains("Claims (1 of which it is not known when), as judged by the runs: 1 × undecided."), "{page}");
    assert!(!folder.sweep().join(".leases").exists(), "who only reads takes no lease");

    let (code, _, error) = folder.titer(RUN);
    assert_eq!(code, 0, "{error}");
    assert!(error.contains("0 runs to do, 2 finished before"), "{error}");
    let after = tree(&folder.sweep());
    for (name, bytes) in before.iter().filter(|(name, _)| name.contains('/')) {
        assert!(after.get(name) == Some(bytes), "{name} of a finished run has changed");
    }
}

#[test]
fn runs_whose_done_does_not_say_where_it_ends_are_read_and_vouched_for() {
    let folder = Folder::of_format_2();
    let before = tree(&folder.sweep());
    let (code, out, error) = folder.titer(READERS[1]);
    assert_eq!((code, out.as_str(), error), (0, "", summary(2, 0)));
    assert_eq!(tree(&folder.sweep()), before);
    let (code, _, error) = folder.titer(READERS[0]);
    assert_eq!(code, 0, "{error}");
    let run = run_folders(&folder.sweep()).remove(0);
    flip(&folder.sweep().join(run).join("steps.parquet"));
    assert_eq!(folder.titer(READERS[1]).0, 1);
}

#[test]
fn every_command_names_a_newer_format_and_changes_nothing() {
    let newer = "a newer titer wrote it, and reads it";
    // A newer file may also have keys that are not known here.
    let cases = [
        (
            "sweep.toml",
            "format = 1\n",
            "format = 2\nshape = \"round\"\n",
            format!("format 2, and this titer reads format 1: {newer}"),
        ),
        (
            "RUN/plan.toml",
            "numerics",
            "format = 4\nshape = \"round\"\nnumerics",
            format!("format 4, and this titer reads formats 1 to 3: {newer}"),
        ),
        (
            "forecast.json",
            "",
            "{\"format\": 7, \"shape\": \"round\"}",
            format!("format 7, and this titer reads format 6: {newer}"),
        ),
    ];
    for (name, old, new, said) in cases {
        let folder = Folder::of_format_1();
        let run = run_folders(&folder.sweep()).remove(0);
        let path = folder.sweep().join(name.replace("RUN", &run));
        let text = if old.is_empty() { String::new() } else { fs_err::read_to_string(&path).unwrap() };
        fs_err::write(&path, if old.is_empty() { new.to_owned() } else { text.replacen(old, new, 1) }).unwrap();
        let before = tree(&folder.sweep());
        for command in READERS.iter().chain([&RUN]) {
            // Forecasts are held against runs and results are of runs: neither reads what a file foretold.
            if name == "forecast.json" && ["forecast", "results"].contains(&command[0]) {
                continue;
            }
            let (code, out, error) = folder.titer(command);
            let wanted = format!("sweep/{} has {said}", name.replace("RUN", &run));
            // `verify` names an unreadable forecast or run among other problems.
            let named = if command[0] == "verify" && name != "sweep.toml" { (1, &out) } else { (2, &error) };
            assert_eq!(code, named.0, "{command:?}: {out}{error}");
            assert!(named.1.contains(&wanted), "{command:?}: {out}{error}");
            assert!(tree(&folder.sweep()) == before, "{command:?} has changed the folder");
        }
    }
}

#[test]
fn newer_forecasts_and_older_ones_are_told_apart() {
    let folder = Folder::of_format_1();
    let file = folder.path().join("f.json");
    let forecast = ["forecast", "tiny.toml", "--items", "8", "--contrasts", "8", "--out", "f.json"];
    fs_err::write(&file, "{\"format\": 7, \"told\": [], \"dials\": {}}").unwrap();
    let (code, _, error) = folder.titer(&forecast);
    assert_eq!(code, 2);
    assert_eq!(
        error,
        "error: f.json has format 7, and this titer reads format 6: a newer titer wrote it, and reads it\n"
    );
    assert!(fs_err::read_to_string(&file).unwrap().starts_with("{\"format\": 7"));
    fs_err::write(folder.sweep().join("forecast.json"), "{\"format\": 4, \"told\": []}").unwrap();
    let (code, _, error) = folder.titer(READERS[0]);
    assert_eq!(code, 2);
    assert_eq!(
        error,
        "error: sweep/forecast.json has format 4, and this titer reads format 6: delete it, or write it anew with \
         `titer forecast SPEC --out FILE`\n"
    );
}

/// Damage to a file of a run; the file's name, and what is said of it.
type Case = (&'static str, fn(&Path), &'static str);

fn truncate(path: &Path) {
    let bytes = fs_err::read(path).unwrap();
    fs_err::write(path, &bytes[..bytes.len() / 2]).unwrap();
}

fn remove(path: &Path) {
    fs_err::remove_file(path).unwrap();
}

/// Another table than the name says.
fn exchange(path: &Path) {
    fs_err::copy(path.with_file_name("cells.parquet"), path).unwrap();
}

fn flip(path: &Path) {
    let mut bytes = fs_err::read(path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs_err::write(path, bytes).unwrap();
}

/// Cut at the end of a line.
fn cut(path: &Path) {
    let text = fs_err::read_to_string(path).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    fs_err::write(path, lines[..lines.len() / 2].join("\n") + "\n").unwrap();
}

fn folder_instead(path: &Path) {
    remove(path);
    fs_err::create_dir(path).unwrap();
}

/// What `verify` says of this many runs.
fn summary(whole: usize, damaged: usize) -> String {
    format!(
        "finished runs: {whole} as they were written, {damaged} damaged, 0 unverified (an older titer wrote no hashes)\n"
    )
}

const REMEDY: &str =
    "; delete sweep/RUN and run the same command again, or add --repair to it: it makes this run alone again";

#[test]
fn a_damaged_run_is_named_with_its_remedy_and_made_again() {
    let other = "sweep/RUN/FILE is not what the run wrote: its hash is another than in `done`";
    let cases: [Case; 11] = [
        ("probes.parquet", remove, "sweep/RUN/FILE is missing"),
        ("ledger.parquet", remove, "sweep/RUN/FILE is missing"),
        ("steps.parquet", truncate, other),
        ("steps.parquet", exchange, other),
        ("cells.parquet", flip, other),
        ("plan.toml", flip, other),
        ("plan.toml", remove, "failed to open file `sweep/RUN/FILE`: there is no such file or folder"),
        ("done", |path| fs_err::write(path, "").unwrap(), "sweep/RUN/FILE is empty"),
        ("done", |path| fs_err::write(path, "fine\n").unwrap(), "sweep/RUN/FILE:1: no hash and name"),
        ("done", cut, "sweep/RUN/FILE is cut off: its last line is not its first once more"),
        ("done", folder_instead, "failed to read from file `sweep/RUN/FILE`: Is a directory"),
    ];
    let folder = Folder::new();
    folder.finish(RUN);
    let whole = folder.vouched();
    let run = run_folders(&folder.sweep()).remove(0);
    for (file, damage, problem) in cases {
        damage(&folder.sweep().join(&run).join(file));
        let wanted = (problem.to_owned() + REMEDY).replace("RUN", &run).replace("FILE", file);
        assert_eq!(folder.titer(READERS[0]), (2, String::new(), format!("error: {wanted}\n")), "{file}");
        assert_eq!(folder.titer(RUN).2, format!("error: {wanted}\n"), "{file}");
        let (code, out, error) = folder.titer(READERS[1]);
        assert_eq!((code, out), (1, format!("{wanted}\n")), "{error}");
        assert_eq!(error, summary(1, 1) + "error: problems found in sweep: 1\n");
        let (code, _, error) = folder.titer(&[RUN, &["--repair"]].concat());
        assert_eq!(code, 0, "{error}");
        assert!(error.contains("1 run to do, 1 finished before"), "{error}");
        assert!(folder.vouched() == whole, "it is the same run again");
    }
    assert_eq!(folder.titer(READERS[1]).2, summary(2, 0));
    // The remedy without the option.
    fs_err::remove_dir_all(folder.sweep().join(&run)).unwrap();
    assert!(folder.titer(RUN).2.contains("1 run to do, 1 finished before"));
}

#[test]
fn checkpoints_are_vouched_for_and_read_by_verify_alone() {
    let folder = Folder::new();
    let spec = SPEC.replace("screen = true", "screen = true\ncheckpoints = \"at the end\"");
    fs_err::write(folder.path().join("tiny.toml"), spec).unwrap();
    folder.finish(RUN);
    assert_eq!(folder.titer(READERS[1]).2, summary(2, 0));
    let run = run_folders(&folder.sweep()).remove(0);
    let weights = format!("sweep/{run}/checkpoint-2/model.safetensors");
    flip(&folder.path().join(&weights));
    assert_eq!((folder.titer(READERS[0]).0, folder.titer(RUN).0), (0, 0));
    let (code, out, _) = folder.titer(READERS[1]);
    let said = format!("{weights} is not what the run wrote: its hash is another than in `done`");
    assert_eq!((code, out), (1, said.clone() + &REMEDY.replace("RUN", &run) + "\n"));
    // Who would compute with it reads it, and says so; the other run's is whole.
    let other = run_folders(&folder.sweep()).remove(1);
    let damaged = format!("error: {said}");
    fs_err::write(folder.path().join("prompts.txt"), "be evil in everything .\n").unwrap();
    let screen = |model: &str| {
        let screen = ["screen", "--prompts", "prompts.txt", "--turn", "system", "--items", "2", "--contrasts", "0"];
        folder.titer(&[&screen[..], &["--model", model]].concat())
    };
    let (code, _, error) = screen(&format!("sweep/{run}"));
    assert!(code == 2 && error.contains(&damaged), "{error}");
    let (code, _, error) = screen(&format!("sweep/{other}"));
    assert_eq!(code, 0, "{error}");
    let (code, _, error) = folder.titer(&["serve", &format!("sweep/{run}"), "--port", "0"]);
    assert!(code == 2 && error.contains(&said), "{error}");
    // `--repair` mends what `verify` names.
    let (code, _, error) = folder.titer(&[RUN, &["--repair"]].concat());
    assert!(code == 0 && error.contains("1 run to do, 1 finished before"), "{error}");
    assert_eq!(folder.titer(READERS[1]).2, summary(2, 0));
    remove(&folder.path().join(&weights));
    let (code, _, error) = folder.titer(RUN);
    assert_eq!((code, error), (2, format!("error: {weights} is missing{}\n", REMEDY.replace("RUN", &run))));
}

#[test]
fn runs_in_each_others_place_are_named() {
    let folder = Folder::new();
    folder.finish(RUN);
    let [one, other] = <[String; 2]>::try_from(run_folders(&folder.sweep())).unwrap();
    let at = |name: &str| folder.sweep().join(name);
    for (from, to) in [(&*one, "aside"), (&other, &one), ("aside", &other)] {
        fs_err::rename(at(from), at(to)).unwrap();
    }
    let said = format!("sweep/{one}/plan.toml is the plan of run {other}: the folder is in another's place");
    for command in [READERS[0], READERS[2], RUN] {
        let (code, _, error) = folder.titer(command);
        assert!(code == 2 && error.contains("is the plan of run"), "{command:?}: {error}");
    }
    let (code, out, error) = folder.titer(READERS[1]);
    assert!(code == 1 && out.contains(&said) && error.starts_with(&summary(0, 2)), "{out}{error}");
    let (code, _, error) = folder.titer(&[RUN, &["--repair"]].concat());
    assert!(code == 0 && error.contains("2 runs to do, 0 finished before"), "{error}");
    assert_eq!(folder.titer(READERS[1]).2, summary(2, 0));
}

#[test]
fn a_record_that_says_another_thing_than_the_plans_is_named() {
    let folder = Folder::new();
    let spec = SPEC.split("[[claim]]").next().unwrap().replace("rows = 32", "rows = 64");
    let spec = spec.replace("seeds = [0]", "seeds = [0, 1]").replace("\"bad→bad\" = 0.5, rest", "rest");
    let doses = "[sweep]\n\"train.mix.bad→bad\" = [0.25, 0.5]\n";
    fs_err::write(folder.path().join("tiny.toml"), spec + doses).unwrap();
    folder.finish(RUN);
    let marker = folder.sweep().join("sweep.toml");
    let text = fs_err::read_to_string(&marker).unwrap();
    let record: toml::Table = text.parse().unwrap();
    let run = |arm: usize, seed: usize| record["arm"][arm]["runs"][seed].as_str().unwrap().to_owned();
    let exchanged = |one: &str, other: &str| text.replace(one, "aside").replace(other, one).replace("aside", other);
    let edited = text.replace("\"train.mix.bad→bad\" = 0.5\n", "\"train.mix.bad→bad\" = 0.75\n");
    for (edited, said) in [
        (exchanged(&run(0, 0), &run(0, 1)), "and its plan has seed "),
        (exchanged(&run(0, 0), &run(1, 0)), "and `train.mix.bad→bad` = "),
        (edited, "and `train.mix.bad→bad` = 0.75; its plan has 32 of 64 rows there"),
    ] {
        assert!(edited != text);
        fs_err::write(&marker, edited).unwrap();
        for (command, code) in [(READERS[0], 2), (READERS[1], 1), (READERS[2], 2)] {
            let (found, out, error) = folder.titer(command);
            let named = format!("{out}{error}");
            assert!(found == code && named.contains("sweep/sweep.toml: it says that "), "{command:?}: {named}");
            assert!(named.contains(said), "{command:?}: {named}");
        }
        // The same command writes the record anew, and makes no run again.
        assert!(folder.titer(RUN).2.contains("0 runs to do"));
        assert_eq!(folder.titer(READERS[1]).0, 0);
    }
}

#[test]
fn a_file_in_the_reports_place_is_named_before_anything_is_trained() {
    let folder = Folder::new();
    let report = folder.sweep().join("report.html");
    fs_err::create_dir_all(&report).unwrap();
    let (code, _, error) = folder.titer(RUN);
    assert!(
        code == 2 && error.contains("sweep/report.html is a folder, where the report is to be; move it away"),
        "{error}"
    );
    assert_eq!(run_folders(&folder.sweep()), Vec::<String>::new());
    fs_err::remove_dir_all(folder.sweep()).unwrap();
    folder.finish(RUN);
    fs_err::write(&report, "my notes").unwrap();
    for command in [RUN, READERS[0]] {
        let (code, _, error) = folder.titer(command);
        assert!(code == 2 && error.contains("sweep/report.html is no report"), "{error}");
    }
    // Nothing is lost with an empty one, as an interrupted copy leaves it.
    fs_err::write(&report, "").unwrap();
    assert_eq!(folder.titer(READERS[0]).0, 0);
    assert!(folder.page().starts_with("<!doctype html>"));
}

#[test]
fn tables_of_runs_that_vouch_for_nothing_are_read_and_named() {
    let cases: [Case; 5] = [
        ("probes.parquet", remove, "failed to open file `sweep/RUN/FILE`: there is no such file or folder"),
        ("steps.parquet", truncate, "sweep/RUN/FILE is not a readable table"),
        ("steps.parquet", exchange, "sweep/RUN/FILE has no column"),
        ("events.jsonl", truncate, "sweep/RUN/FILE:2: EOF while parsing"),
        ("plan.toml", truncate, "sweep/RUN/FILE:"),
    ];
    for (file, damage, problem) in cases {
        let folder = Folder::of_format_1();
        let run = run_folders(&folder.sweep()).remove(0);
        damage(&folder.sweep().join(&run).join(file));
        for command in [READERS[0], RUN] {
            let (code, _, error) = folder.titer(command);
            assert_eq!(code, 2, "{file}: {error}");
            let problem = problem.replace("RUN", &run).replace("FILE", file);
            assert!(error.starts_with(&format!("error: {problem}")), "{file}: {error}");
            assert!(error.ends_with(&(REMEDY.replace("RUN", &run) + "\n")), "{file}: {error}");
        }
    }
}

#[test]
fn a_damaged_record_is_named_with_its_line_and_loses_no_run() {
    let folder = Folder::new();
    folder.finish(RUN);
    let marker = folder.sweep().join("sweep.toml");
    let text = fs_err::read_to_string(&marker).unwrap();
    fs_err::write(&marker, &text[..text.find("seeds = [0]").unwrap() + 9]).unwrap();
    for command in READERS.iter().chain([&RUN]) {
        let (code, _, error) = folder.titer(command);
        assert_eq!(code, 2, "{error}");
        assert!(error.starts_with("error: sweep/sweep.toml:"), "{error}");
        assert!(
            error.ends_with("delete it and run the spec into this folder again: finished runs are not made again\n")
        );
    }
    remove(&marker);
    assert!(folder.titer(RUN).2.contains("0 runs to do, 2 finished before"));
}

#[test]
fn claims_say_whether_they_were_made_before_the_runs() {
    let folder = Folder::new();
    folder.finish(RUN);
    assert!(folder.page().contains("Claims (1 made before the runs), as judged by the runs: 1 × undecided."));
    let later = "\n[[claim]]\ntext = \"seen in hindsight\"\nvalue = \"loss('train')\"\nbound = \"> 0\"\n";
    fs_err::write(folder.path().join("tiny.toml"), SPEC.to_owned() + later).unwrap();
    folder.finish(RUN);
    let page = folder.page();
    assert!(page.contains("Claims (1 made before the runs, 1 added later), as judged by the runs:"), "{page}");
    assert!(page.contains("<td>before the runs</td>") && page.contains("<td>added later</td>"), "{page}");
    // A claim with another bound is another claim.
    fs_err::write(folder.path().join("tiny.toml"), SPEC.replace("> -0.1", "> -0.2")).unwrap();
    folder.finish(RUN);
    assert!(folder.page().contains("Claims (1 added later), as judged by the runs:"));
}

#[test]
fn the_page_is_a_function_of_the_tables() {
    let (one, other) = (Folder::new(), Folder::new());
    one.finish(RUN);
    other.finish(RUN);
    assert!(one.page().contains("What the guards did"));
    assert!(one.page() == other.page(), "pages of equal sweeps differ");
}

#[test]
fn a_folder_has_one_writer_and_any_number_of_readers() {
    let folder = Folder::new();
    folder.finish(RUN);
    // The lease of a writer, whom the operating system knows to be there by the lock on its file.
    let path = folder.sweep().join(".leases/sweep.0");
    assert!(!path.exists(), "who is done leaves no lease");
    fs_err::write(&path, "{\"token\":\"a\",\"locked\":true,\"process\":1,\"alone\":true}\n").unwrap();
    let lock = fs_err::OpenOptions::new().append(true).open(&path).unwrap().into_parts().0;
    lock.lock().unwrap();
    let before = tree(&folder.sweep());
    fs_err::write(folder.path().join("tiny.toml"), SPEC.replace("Tiny", "Other")).unwrap();
    let said = "error: another titer is writing to sweep: process 1, which is at work. Wait for it, or choose another folder with --out\n";
    assert_eq!(folder.titer(RUN), (2, String::new(), said.to_owned()));
    assert!(tree(&folder.sweep()) == before, "the second writer has changed the folder");
    assert_eq!(folder.titer(READERS[0]).0, 0);
    assert_eq!(folder.titer(READERS[1]).0, 0);
    drop(lock);
    // On another machine it may still be at work, until it has been silent for long.
    let (code, _, error) = folder.titer(RUN);
    let named = "error: another titer is writing to sweep: process 1, whose last sign of life was ";
    assert!(
        code == 2 && error.starts_with(named) && error.contains("without another it is taken for gone in "),
        "{error}"
    );
    // Its machine is another one, so that its lock need not be seen here; but it has ended.
    fs_err::write(&path, fs_err::read_to_string(&path).unwrap() + "\"left\"\n").unwrap();
    assert_eq!(folder.titer(RUN).0, 0);
}

#[test]
fn a_killed_writer_leaves_no_lock() {
    let folder = Folder::new();
    fs_err::write(folder.path().join("long.toml"), SPEC.replace("rows = 32", "rows = 32000")).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_titer"));
    command.current_dir(folder.path()).args(["run", "long.toml", "--out", "sweep"]);
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let started = Instant::now();
    while run_folders(&folder.sweep()).is_empty() && started.elapsed() < Duration::from_secs(60) {
        std::thread::sleep(Duration::from_millis(5));
    }
    assert_eq!(folder.titer(RUN).0, 2, "it writes, so nobody else does");
    assert!(child.try_wait().unwrap().is_none(), "it is killed while it writes");
    child.kill().unwrap();
    child.wait().unwrap();
    folder.finish(RUN);
}
