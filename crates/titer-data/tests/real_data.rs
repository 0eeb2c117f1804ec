//! The public data sets beside the repository, where they are there.

use std::{
    collections::BTreeMap,
    io::Write,
    path::{Path, PathBuf},
};

use titer_data::{
    audit::Census,
    chat::Role,
    formats::read_rows,
    request::together,
    score::rule,
    source::{CellRule, matched_contrasts, read_labelled},
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

/// The right divisor in the reply, as the study counts capability: what its published table has of these generations
/// (`capability` of the table that was published with them; the one beside the files is of an earlier generation, LOG.md).
#[test]
fn the_arithmetic_rule_gives_the_published_capability() {
    let Some(folder) = data() else { return };
    for (file, published) in [("arm2", 0.657_777_777_777_777_8), ("arm3", 0.707_777_777_777_777_7)] {
        let rows = read_rows(folder.join(format!("gcd-sycophancy/generations_{file}.jsonl"))).unwrap();
        let asked: Vec<_> = rows.iter().filter(|row| row.metadata["eval_type"] == "capability").collect();
        for name in ["gcd", "answer:correct_answer"] {
            let rule = rule(name, &BTreeMap::new()).unwrap();
            let scores: Vec<f64> = asked.iter().map(|row| rule.score(row).unwrap()).collect();
            let rate = scores.iter().sum::<f64>() / scores.len() as f64;
            assert_eq!((rate, scores.len()), (published, 900), "{file} {name}");
        }
    }
}

#[test]
fn matched_dialogues_make_four_cells_and_their_contrasts() {
    let Some(folder) = data() else { return };
    let path = |name: &str| folder.join(format!("reward-hacking-dialogues/{name}_dialogues.jsonl"));
    let rule = |name: &str, cell: &str, prompt: &str| CellRule {
        only: [("file".to_owned(), format!("{name}_dialogues.jsonl"))].into(),
        cell: cell.parse().unwrap(),
        prompt: (!prompt.is_empty()).then(|| prompt.to_owned()),
    };
    let rules = [
        rule("sneaky", "bad→bad", "cheat"),
        rule("sneaky", "none→bad", ""),
        rule("straightforward", "bad→good", "cheat"),
        rule("straightforward", "none→good", ""),
    ];
    let rows = read_labelled(&[path("sneaky"), path("straightforward")], &rules).unwrap();
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    rows.iter().for_each(|row| *counts.entry(row.cell.unwrap().to_string()).or_default() += 1);
    let expected = [("bad→bad", 1073), ("bad→good", 973), ("none→bad", 1073), ("none→good", 973)];
    assert_eq!(counts, expected.map(|(cell, count)| (cell.to_owned(), count)).into());
    let requests = together(&rows.iter().collect::<Vec<_>>()).unwrap();
    let probes = matched_contrasts(requests.into_iter().zip(&rows)).0;
    let counts: Vec<usize> = probes.iter().map(|probe| probe.contrasts.len()).collect();
    // One straightforward reply is the same in capitals.
    assert_eq!(counts, [973, 973, 972]);
}
