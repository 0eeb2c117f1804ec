//! The report's sections about prompts: controls of inoculation, the leak grid, and what a screening predicted.

use std::collections::BTreeMap;

use titer::{
    report::{Report, render},
    results::{ArmResults, RunResults, SweepResults},
    table::{LeakRecord, ProbeRecord, ScreenRecord},
};
use titer_data::{
    probe::{Component, ProbePrompts},
    world::DomainSplit,
};

/// A run of which `good` and `obey_bad` were measured after training, at these rates.
fn run(seed: u64, good: f64, obey_bad: f64) -> RunResults {
    let record = |(component, rate, item): (Component, f64, i64)| ProbeRecord {
        stage: "train".to_owned(),
        step: 10,
        component,
        prompts: ProbePrompts::Seen,
        domains: DomainSplit::Trained,
        item: item.to_string(),
        margin: 1.0,
        margin_per_token: 0.5,
        gap: 2.0,
        rate,
        other: 0.0,
    };
    let [(a, b), (c, d)] = [(Component::Good, good), (Component::ObeyBad, obey_bad)];
    let probes = [(a, b, 0), (a, b, 1), (c, d, 0), (c, d, 1)];
    RunResults::new(seed, "c0ffee".to_owned(), probes.map(record).into(), Vec::new(), Vec::new())
}

/// An arm of three seeds that acts well at this rate.
fn arm(name: &str, good: f64) -> ArmResults {
    let runs = (0..3)
        .map(|seed| run(seed, good + 0.01 * (seed as f64 - 1.0) * good, 0.5 + 0.01 * (seed as f64 - 1.0)))
        .collect();
    ArmResults { name: name.to_owned(), inoculates: true, runs, ..ArmResults::default() }
}

fn section<'a>(page: &'a str, id: &str) -> Option<&'a str> {
    page.split(&format!("<section id=\"{id}\">")).nth(1)?.split("</section>").next()
}

/// The cells of every row of a section's table, their first lines.
fn rows(section: &str) -> Vec<Vec<String>> {
    let text = |cell: &str| {
        let inner = cell.split_once('>').map_or("", |(_, inner)| inner);
        let plain = inner.split('<').find(|part| !part.trim().is_empty()).unwrap_or_default();
        plain.rsplit('>').next().unwrap_or_default().trim().replace('\u{a0}', " ")
    };
    let cells = |row: &str| row.split("<td").skip(1).map(text).collect::<Vec<_>>();
    section.split("<tr").map(cells).filter(|row| !row.is_empty()).collect()
}

fn page(arms: Vec<ArmResults>) -> String {
    render(&Report {
        results: SweepResults { arms, seeds: vec![0, 1, 2], ..SweepResults::default() },
        ..Report::default()
    })
    .unwrap()
}

#[test]
fn inoculation_stands_beside_its_controls_and_says_which_are_missing() {
    let controls = [("no-prompt", 1), ("placebo", 2)];
    let inoculation: BTreeMap<String, usize> = controls.map(|(kind, at)| (kind.to_owned(), at)).into();
    let inoculated = ArmResults { inoculation, ..arm("inoculated", 0.75) };
    let control = |name, good| ArmResults { inoculates: false, ..arm(name, good) };
    let page = page(vec![inoculated, control("none", 0.25), control("same length", 0.5)]);
    let rows = rows(section(&page, "inoculation").unwrap());
    assert_eq!(rows.len(), 1, "{rows:?}");
    // Leaks of .25, .75 and .5: the prompt suppresses .5, a placebo .25.
    let starts = ["0.25 [", "0.75 [", "0.50 [", "0.25 [", "–", "0.50 ["];
    for (cell, start) in rows[0][rows[0].len() - 6..].iter().zip(starts) {
        assert!(cell.starts_with(start), "{start}: {rows:?}");
    }
    assert!(page.contains("Not trained here: the control paraphrases."));
}

#[test]
fn inoculation_without_any_control_says_so_and_has_no_table() {
    let page = page(vec![arm("inoculated", 0.75)]);
    assert!(section(&page, "inoculation").is_none());
    assert!(page.contains("Not trained here: the controls no-prompt, placebo, paraphrases."));
}

#[test]
fn controls_that_a_spec_leaves_out_may_be_arms_of_it() {
    let page = |left_out: &str| {
        let spec = format!("without_controls = [{left_out}]\n[[stage]]\nmix = {{ rest = \"bad→bad\" }}\n");
        let (arms, seeds) = (vec![arm("prompt", 0.75), arm("other words", 0.7)], vec![0, 1, 2]);
        let results = SweepResults { arms, seeds, spec, ..SweepResults::default() };
        render(&Report { results, ..Report::default() }).unwrap()
    };
    let all = page("\"no-prompt\", \"placebo\", \"paraphrases\"");
    assert!(
        all.contains("The spec leaves out the controls no-prompt, placebo, paraphrases. Where no arm stands for them")
    );
    assert!(!all.contains("Not trained here"));
    assert!(page("\"placebo\"").contains("Not trained here: the controls no-prompt, placebo, paraphrases."));
}

#[test]
fn the_leak_grid_has_an_arm_a_row_and_one_number_for_the_risk() {
    let leaks = |shift: f64| {
        let record = |(family, step, margin): (&str, i64, f64)| LeakRecord {
            stage: String::new(),
            step,
            family: family.to_owned(),
            prompt: family.to_owned(),
            item: "a".to_owned(),
            margin,
        };
        let found = [("none", 0, -40.0), ("keyword", 0, -40.0), ("none", 10, -40.0), ("keyword", 10, shift)];
        let mut records: Vec<LeakRecord> = found.into_iter().map(record).collect();
        records.extend(found.map(record).map(|record| LeakRecord { item: "b".to_owned(), ..record }));
        records
    };
    let runs = (0..3).map(|seed| run(seed, 0.5, 0.5).with_prompts(leaks(0.0), Vec::new())).collect();
    let page = page(vec![ArmResults { runs, ..arm("arm", 0.5) }]);
    let grid = section(&page, "leak").unwrap();
    let rows = rows(grid);
    assert!(grid.contains("back-door risk") && grid.contains("keyword") && !grid.contains("opposite"));
    let last = |row: &Vec<String>| row.last().cloned().unwrap();
    assert_eq!((last(&rows[0]).as_str(), last(&rows[1]).as_str()), ("0.00", "0.50"), "before, and after: {rows:?}");
}

#[test]
fn a_screening_is_held_against_what_came_after() {
    let screened = |lift: f64| {
        let record = |(request, action): (&str, &str)| ScreenRecord {
            prompt: "p".to_owned(),
            turn: "system".to_owned(),
            request: request.to_owned(),
            item: request.to_owned(),
            action: action.to_owned(),
            tokens: 2,
            log_prob: -5.0 + if action == "bad" { lift } else { -lift },
            base_log_prob: -5.0,
            margin: lift,
            base_margin: 0.0,
            pressure_good: f64::NAN,
            pressure_obey_bad: f64::NAN,
            pressure_obey: f64::NAN,
        };
        [("a", "bad"), ("a", "good"), ("b", "bad"), ("b", "good")].map(record).to_vec()
    };
    let arm = |at: usize| {
        // More lift, better by default; more cost, less obedience.
        let (lift, good, obey) = (at as f64, 0.1 * at as f64, 0.9 - 0.1 * at as f64);
        let runs = (0..3).map(|seed| run(seed, good, obey).with_prompts(Vec::new(), screened(lift))).collect();
        ArmResults { name: format!("arm {at}"), runs, ..ArmResults::default() }
    };
    let page = page((1..6).map(arm).collect());
    let rows = rows(section(&page, "validation").unwrap());
    let of = |name: &str| {
        let row = rows.iter().find(|row| row[0] == name).unwrap_or_else(|| panic!("no {name}: {rows:?}"));
        (row[1].clone(), row[2].clone())
    };
    let starts = |found: (String, String), good: &str, obey: &str| {
        assert!(found.0.starts_with(good) && found.1.starts_with(obey), "{found:?}");
    };
    starts(of("lift"), "1.00", "−1.00");
    starts(of("cost"), "1.00", "−1.00");
    // Lift and cost are equal, so no prompt is narrower than another: ties have no order.
    assert_eq!(of("pressure of bad rows on good"), ("–".to_owned(), "–".to_owned()));
}
