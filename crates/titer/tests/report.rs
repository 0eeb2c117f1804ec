//! The report of a synthetic sweep: what it says, and that it says it again.

mod report_synthetic;

use report_synthetic::{Size, sweep};
use titer::report::{ReportError, write};

fn page(size: &Size) -> String {
    let folder = tempfile::tempdir().unwrap();
    sweep(folder.path(), size);
    let out = folder.path().join("report.html");
    write(folder.path(), &out).unwrap();
    fs_err::read_to_string(out).unwrap()
}

#[test]
fn a_report_is_whole_and_asks_for_nothing_else() {
    let page = page(&Size { seeds: 3, items: 6, missing: 0 });
    for section in ["response", "targeted", "effect", "training", "cells", "health", "reproduce"] {
        assert!(page.contains(&format!("<section id=\"{section}\">")), "no section {section}");
    }
    for outside in ["http:", "https:", "src=", "@import", "url("] {
        assert!(!page.contains(outside), "the page asks for something outside: {outside}");
    }
    assert!(page.contains("t over seeds") && page.contains("probes.parquet"));
    assert!(page.contains("titer run q1-dose-response.toml"));
    assert!(!page.contains("not finished") && !page.contains("NaN") && !page.contains("inf"));
}

#[test]
fn the_answer_names_the_largest_dose_and_the_control() {
    let page = page(&Size { seeds: 3, items: 6, missing: 0 });
    let answer = page.split("<p class=\"answer\">").nth(1).and_then(|rest| rest.split("</p>").next()).unwrap();
    insta::assert_snapshot!(answer);
}

#[test]
fn unfinished_runs_are_named() {
    let page = page(&Size { seeds: 3, items: 3, missing: 2 });
    assert!(page.contains("2 runs are not finished"));
    assert!(page.contains("bad→good=1.0 rest=bad→bad optimiser=sgd, seed 2"));
}

#[test]
fn one_seed_is_reported_over_items_and_says_so() {
    let page = page(&Size { seeds: 1, items: 4, missing: 0 });
    assert!(page.contains("t over items of one seed") && !page.contains("<td>t over seeds"));
}

#[test]
fn equal_sweeps_give_equal_reports() {
    let size = Size { seeds: 2, items: 3, missing: 0 };
    assert_eq!(page(&size), page(&size));
}

#[test]
fn a_sweep_without_finished_runs_and_a_folder_without_a_sweep_are_errors() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("report.html");
    assert!(matches!(write(folder.path(), &out), Err(ReportError::Store(_))));
    sweep(folder.path(), &Size { seeds: 1, items: 2, missing: 36 });
    assert!(matches!(write(folder.path(), &out), Err(ReportError::Empty)));
    assert!(!out.exists());
}
