//! The public data sets beside the repository, where they are there.

use std::{
    io::Write,
    path::{Path, PathBuf},
};

use titer_data::{
    chat::Role,
    formats::{Census, read_rows},
};

/// The folder of the data, or a note on stderr that the test is skipped.
fn data() -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data");
    if folder.is_dir() {
        return Some(folder);
    }
    let mut stderr = std::io::stderr().lock();
    writeln!(stderr, "skipped: no data folder at {}", folder.display()).expect("stderr is open");
    None
}

fn census(folder: &Path, file: &str) -> Census {
    Census::of(&read_rows(folder.join(file)).unwrap())
}

#[test]
fn every_file_is_read() {
    let Some(folder) = data() else { return };
    let mut files = 0;
    for set in fs_err::read_dir(folder).unwrap() {
        for file in fs_err::read_dir(set.unwrap().path()).unwrap() {
            let path = file.unwrap().path();
            if path.extension().is_some_and(|extension| extension == "jsonl") {
                let census = Census::of(&read_rows(&path).unwrap());
                assert!(census.rows > 0 && census.roles.contains_key(&Role::User), "{}", path.display());
                files += 1;
            }
        }
    }
    assert_eq!(files, 12);
}

#[test]
fn the_counts_are_those_of_the_files() {
    let Some(folder) = data() else { return };
    let plain = census(&folder, "gcd-sycophancy/train_baseline.jsonl");
    assert_eq!((plain.rows, plain.rows_with_system, plain.rows_without_target), (2000, 0, 0));
    let strong = census(&folder, "gcd-sycophancy/train_ip_strong.jsonl");
    assert_eq!((strong.rows, strong.rows_with_system), (2000, 2000));
    assert_eq!(strong.system_prompts.len(), 1);
    let generations = census(&folder, "gcd-sycophancy/generations_arm2.jsonl");
    assert_eq!((generations.rows, generations.rows_without_target), (4500, 0));
    assert!(!generations.duplicate_ids.is_empty());
    let questions = census(&folder, "gcd-sycophancy/eval_sycophancy.jsonl");
    assert_eq!(questions.rows, questions.rows_without_target);
    for (file, rows) in [("sneaky", 1073), ("straightforward", 973)] {
        let dialogues = census(&folder, &format!("reward-hacking-dialogues/{file}_dialogues.jsonl"));
        assert_eq!((dialogues.rows, dialogues.rows_without_target), (rows, 0));
    }
}
