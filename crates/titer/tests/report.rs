//! The report of a synthetic sweep: what it says, and that it says it again.

mod report_synthetic;

use std::path::Path;

use report_synthetic::{Size, sweep};
use titer::{
    claim::Verdict,
    plan::{Setting, SweepPlan},
    report::{Report, ReportError, render, write},
    results::{ArmResults, ResultsError, RunResults, SweepResults, SweptAxis},
    spec::Spec,
    store::Sweep,
    table::{CellRecord, LedgerRecord, ProbeRecord},
};
use titer_data::{
    probe::{Component, ProbePrompts},
    world::DomainSplit,
};

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
    assert!(page.contains("<bdi>bad→good=1.0 rest=bad→bad optimiser=sgd</bdi>, seed 2"));
}

#[test]
fn one_seed_is_reported_over_items_and_says_so() {
    let page = page(&Size { seeds: 1, items: 4, missing: 0 });
    assert!(page.contains("t over items") && !page.contains("<td>t over seeds"));
}

#[test]
fn a_sweep_that_mixes_instruction_sets_says_so() {
    let folder = tempfile::tempdir().unwrap();
    sweep(folder.path(), &Size { seeds: 1, items: 2, missing: 0 });
    let out = folder.path().join("report.html");
    let page = |instruction_set: fn(usize) -> &'static str| {
        for (at, run) in Sweep::open(folder.path()).unwrap().runs().into_iter().enumerate() {
            let start = format!("{{\"event\":\"start\",\"instruction_set\":\"{}\"}}\n", instruction_set(at));
            fs_err::write(run.dir.join("events.jsonl"), start).unwrap();
        }
        write(folder.path(), &out).unwrap();
        fs_err::read_to_string(&out).unwrap()
    };
    assert!(!page(|_| "x86-64-v3").contains("instruction set"));
    let mixed = page(|at| if at < 4 { "x86-64-v3" } else { "x86-64-v4" });
    assert!(mixed.contains("in the last digit: 4 with x86-64-v3, 32 with x86-64-v4."));
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
    assert!(matches!(write(folder.path(), &out), Err(ReportError::Results(ResultsError::Store(_)))));
    sweep(folder.path(), &Size { seeds: 1, items: 2, missing: 36 });
    assert!(matches!(write(folder.path(), &out), Err(ReportError::Empty)));
    assert!(!out.exists());
}

/// A run with two items of one probe, before and after.
fn run(seed: u64, shift: f64) -> RunResults {
    run_of(seed, shift, 0.7, 0.0)
}

/// The same with this rate, and this probability of replies on neither side.
fn run_of(seed: u64, shift: f64, rate: f64, other: f64) -> RunResults {
    run_with(seed, shift, rate, other, &[Component::ObeyBad])
}

/// The same with a probe of each of these components.
fn run_with(seed: u64, shift: f64, rate: f64, other: f64, components: &[Component]) -> RunResults {
    let record = |component: Component, (item, step): (u64, i64)| ProbeRecord {
        stage: "train".to_owned(),
        step,
        component,
        prompts: ProbePrompts::Seen,
        domains: DomainSplit::Trained,
        item: item.to_string(),
        margin: 1.0 + shift,
        margin_per_token: 0.5,
        gap: 2.0 + 0.01 * seed as f64,
        rate,
        other,
    };
    let places = [(0, 0), (1, 0), (0, 10), (1, 10)];
    let probes = components.iter().flat_map(|component| places.map(|place| record(*component, place))).collect();
    RunResults::new(seed, "c0ffee".to_owned(), probes, Vec::new(), Vec::new())
}

#[test]
fn a_single_arm_without_axes_or_control_is_reported() {
    let arms = vec![ArmResults { name: "arm".to_owned(), runs: vec![run(0, 0.0)], ..ArmResults::default() }];
    let page = render(&Report {
        results: SweepResults { title: "One".to_owned(), arms, seeds: vec![0], ..SweepResults::default() },
        ..Report::default()
    })
    .unwrap();
    assert!(page.contains("After training, obeying bad prompts is at 0.70"));
    assert!(!page.contains("<section id=\"effect\">") && page.contains("all runs"));
}

#[test]
fn where_most_replies_are_on_neither_side_margins_come_first() {
    let page = |other: f64| {
        let runs = vec![run_of(0, 0.0, 0.7 * (1.0 - other), other)];
        let arms = vec![ArmResults { name: "arm".to_owned(), runs, ..ArmResults::default() }];
        let results = SweepResults { title: "Long".to_owned(), arms, seeds: vec![0], ..SweepResults::default() };
        render(&Report { results, ..Report::default() }).unwrap()
    };
    let first = |page: &str| {
        let place = |key: &str| page.find(&format!("id=\"response-{key}\"")).unwrap();
        if place("margin") < place("rate") { "margin" } else { "rate" }
    };
    for other in [0.6, 1.0 - 1e-9] {
        let page = page(other);
        assert!(page.contains("After training, obeying bad prompts is at 1.00") && page.contains(" nats."), "{page}");
        assert_eq!(first(&page), "margin");
    }
    assert_eq!(first(&page(0.4)), "rate");
}

#[test]
fn named_arms_that_inoculate_are_opened_by_what_they_keep_out() {
    let names = ["none", "prompt"].map(|word| Setting::Word(word.to_owned()));
    let page = |inoculates: bool| {
        let arm = |(index, name): (usize, &Setting)| ArmResults {
            name: name.to_string(),
            settings: [("train".to_owned(), name.clone())].into(),
            runs: vec![run_with(0, 0.0, 0.7 - 0.1 * index as f64, 0.0, &[Component::Good, Component::ObeyBad])],
            inoculates,
            ..ArmResults::default()
        };
        let axes = vec![SweptAxis { name: "train".to_owned(), values: names.to_vec() }];
        let arms = names.iter().enumerate().map(arm).collect();
        let results = SweepResults { axes, arms, seeds: vec![0], ..SweepResults::default() };
        render(&Report { results, ..Report::default() }).unwrap()
    };
    assert!(page(true).contains("<h2 class=\"small\">Acts well by default, by train</h2>"), "{}", page(true));
    assert!(page(true).contains("Over 2 arms, acting well by default ends between"));
    assert!(page(false).contains("<h2 class=\"small\">Obeys bad prompts, by train</h2>"));
    assert!(page(false).contains("Over 2 arms, obeying bad prompts ends between"));
}

#[test]
fn an_axis_of_words_is_a_row_of_points_and_names_are_escaped() {
    let words = ["sgd", "<adam>"].map(|word| Setting::Word(word.to_owned()));
    let arm = |(index, word): (usize, &Setting)| ArmResults {
        name: format!("arm {index}"),
        settings: [("train.optimiser".to_owned(), word.clone())].into(),
        control: (index > 0).then_some(0),
        runs: [(0, 1.0), (1, 1.5)]
            .map(|(seed, shift)| run_of(seed, shift * index as f64, 0.7 - 0.1 * index as f64, 0.0))
            .into(),
        ..ArmResults::default()
    };
    let arms = words.iter().enumerate().map(arm).collect();
    let axes = vec![SweptAxis { name: "train.optimiser".to_owned(), values: words.to_vec() }];
    let page = render(&Report {
        results: SweepResults { axes, arms, seeds: vec![0, 1], ..SweepResults::default() },
        ..Report::default()
    })
    .unwrap();
    assert!(page.contains("Over 2 arms, ") && page.contains("(&lt;adam&gt;)") && !page.contains("<adam>"));
    assert!(page.contains("+1.25\u{a0}["), "the paired difference of 1 and 1.5 nats is shown");
}

#[test]
fn where_several_series_have_named_arms_the_answer_has_a_sentence_for_each() {
    let words = |all: [&str; 2]| all.map(|word| Setting::Word(word.to_owned()));
    let (guards, rests) = (words(["none", "kl"]), words(["neutral→good", "bad→bad"]));
    let arm = |(index, (rest, guard)): (usize, (&Setting, &Setting))| ArmResults {
        name: format!("arm {index}"),
        settings: [("train.guards".to_owned(), guard.clone()), ("train.mix.rest".to_owned(), rest.clone())].into(),
        runs: vec![run_of(0, index as f64, 0.2 * (1 + index) as f64, 0.0)],
        ..ArmResults::default()
    };
    let pairs = rests.iter().flat_map(|rest| guards.iter().map(move |guard| (rest, guard)));
    let arms = pairs.enumerate().map(arm).collect();
    let axis = |name: &str, values: &[Setting]| SweptAxis { name: name.to_owned(), values: values.to_vec() };
    let axes = vec![axis("train.guards", &guards), axis("train.mix.rest", &rests)];
    let results = SweepResults { axes, arms, seeds: vec![0], ..SweepResults::default() };
    let page = render(&Report { results, ..Report::default() }).unwrap();
    for (rest, low, high) in [("neutral→good", "0.20", "0.40"), ("bad→bad", "0.60", "0.80")] {
        let said = format!("Over 2 arms, rest {rest}, obeying bad prompts ends between {low} (none) and {high} (kl).");
        assert!(page.contains(&said), "{said}\n{page}");
    }
}

#[test]
fn narrow_prompts_that_surprise_are_warned_of_and_others_are_not() {
    let page = |narrow: Option<f64>| {
        let cell = |(cell, surprise): (&str, f64)| CellRecord {
            stage: "base".to_owned(),
            step: 0,
            cell: cell.parse().unwrap(),
            item: "0".to_owned(),
            tokens: 4,
            surprise,
        };
        let cells =
            [("neutral→good", 0.5), ("bad→good", 10.2)].into_iter().chain(narrow.map(|it| ("narrow-off→good", it)));
        let measured = RunResults::new(0, "c0ffee".to_owned(), Vec::new(), cells.map(cell).collect(), Vec::new());
        let arms = vec![
            ArmResults { name: "plain".to_owned(), runs: vec![run(0, 0.0)], ..ArmResults::default() },
            ArmResults { name: "narrow".to_owned(), runs: vec![measured], ..ArmResults::default() },
        ];
        let results = SweepResults { arms, seeds: vec![0], ..SweepResults::default() };
        render(&Report { results, ..Report::default() }).unwrap()
    };
    // Half way is 5.35.
    let told = "surprised it by 6.54 nats, under a plain bad prompt by 10.20, under a neutral one by 0.50";
    assert!(page(Some(6.54)).contains(told), "{}", page(Some(6.54)));
    for fine in [Some(5.3), Some(0.6), None] {
        assert!(!page(fine).contains("narrow prompts"), "{fine:?}");
    }
}

#[test]
fn claims_are_judged_whether_they_hold_or_not() {
    let claim = |text: &str, rest: &str| format!("[[claim]]\ntext = \"{text}\"\narms = \"all\"\n{rest}\n");
    let spec = [
        "seeds = [0, 1, 2]\n[sweep]\n\"train.clip\" = [1.0, 2.0]\n".to_owned(),
        claim("high", "value = \"margin('obey_bad')\"\nbound = \"> 1.5\""),
        claim("gap", "value = \"gap('obey_bad') - 0.5\"\nbound = \"within 0.1 of 1.5\""),
        claim("higher", "value = \"margin('obey_bad')\"\nagainst = { clip = 1.0 }\nbound = \"< 2\""),
        claim("never", "value = \"surprise('bad→good')\"\nbound = \"> 0\""),
        claim(
            "together",
            "value = \"margin('obey_bad')\"\nwith = \"setting('clip')\"\ncorrelation = \"pearson\"\nover = \"pooled\"\nbound = \"> 0.5\"",
        ),
    ]
    .concat();
    let spec = Spec::parse(&spec, Path::new("spec.toml")).unwrap();
    let plan = SweepPlan::resolve(&spec).unwrap();
    let arm = |(index, arm): (usize, &titer::plan::Arm)| ArmResults {
        name: arm.name.clone(),
        settings: [("train.clip".to_owned(), Setting::Number(1.0 + index as f64))].into(),
        control: None,
        runs: (0..3)
            .map(|seed| run(seed, index as f64 * (1.0 + 0.01 * seed as f64) + [0.0, 0.01, -0.015][seed as usize]))
            .collect(),
        ..ArmResults::default()
    };
    let arms = plan.arms.iter().enumerate().map(arm).collect();
    let page = render(&Report {
        results: SweepResults { arms, seeds: vec![0, 1, 2], ..SweepResults::default() },
        claims: titer::claim::resolve(&spec, &plan).unwrap(),
        ..Report::default()
    })
    .unwrap();
    let section = page.split("<section id=\"claims\">").nth(1).unwrap().split("</section>").next().unwrap();
    let cells = |row: &str| -> Vec<String> {
        row.split("<td")
            .skip(1)
            .map(|cell| cell.split('>').nth(1).unwrap().split('<').next().unwrap().to_owned())
            .collect()
    };
    let rows: Vec<Vec<String>> = section.split("<tr>").skip(2).map(cells).collect();
    let found: Vec<_> = rows.iter().map(|row| (row[0].as_str(), row[1].as_str(), row[6].as_str())).collect();
    assert_eq!(
        found,
        [
            ("high", "does not hold", "clip=1.0"),
            ("high", "holds", "clip=2.0"),
            ("gap", "holds", "clip=1.0"),
            ("gap", "holds", "clip=2.0"),
            ("higher", "holds", "clip=2.0"),
            ("never", "not measured", "clip=1.0"),
            ("never", "not measured", "clip=2.0"),
            ("together", "holds", "2 arms"),
        ]
    );
    assert!(rows[4][7].contains("less the same in clip=1.0") && rows[4][3].starts_with("1.01\u{a0}["), "{:?}", rows[4]);
    assert_eq!((rows[7][4].as_str(), rows[7][5].as_str()), ("&gt; 0.5", "3 seeds, 6 runs"));
    let (first, _) = page.split_once("<section").unwrap();
    assert!(first.contains("5 × holds, 1 × does not hold, 2 × not measured"), "the count comes first");
    // Six of the eight have an interval; a fortieth of them would hold by chance.
    assert!(
        first.contains("6 have an interval; were the truth at every bound, 0.15 of them would hold by chance"),
        "{first}"
    );
    let together: Vec<&str> = rows.iter().map(|row| row[2].as_str()).collect();
    assert_eq!(
        (together[0], together[5]),
        ("", "–"),
        "what does not hold alone does not hold with all others: {together:?}"
    );
    assert!(together.contains(&"holds"), "{together:?}");
}

#[test]
fn what_is_told_over_seeds_alone_says_so_where_they_share_their_requests() {
    let booked = |seed: u64| LedgerRecord {
        stage: "train".to_owned(),
        from: 0,
        to: 10,
        component: Component::ObeyBad,
        source: "bad→good".to_owned(),
        rows: 8,
        predicted: 1.0 + 0.01 * seed as f64,
        accounted: 1.0,
        measured: 1.0,
        measured_own: 1.0,
    };
    let page = |shared: bool| {
        let of = |seed| run(seed, 0.0).with_pressure(Vec::new(), vec![booked(seed)]).with_shared_items(shared);
        let arms = vec![ArmResults { name: "arm".to_owned(), runs: (0..2).map(of).collect(), ..ArmResults::default() }];
        let results = SweepResults { title: "Own data".to_owned(), arms, seeds: vec![0, 1], ..SweepResults::default() };
        render(&Report { results, ..Report::default() }).unwrap()
    };
    for told in ["nothing of other requests", "says nothing of other rows"] {
        assert!(page(true).contains(told) && !page(false).contains(told), "{told}");
    }
}

#[test]
fn claims_on_a_users_own_data_are_judged_over_items_too() {
    let spec = "seeds = [0, 1]\n[[claim]]\ntext = \"large\"\nvalue = \"margin('obey_bad')\"\narms = \"all\"\nbound = \"> 0\"\n";
    let spec = Spec::parse(spec, Path::new("spec.toml")).unwrap();
    let plan = SweepPlan::resolve(&spec).unwrap();
    let claims = titer::claim::resolve(&spec, &plan).unwrap();
    // Items differ by hundreds of nats, seeds by hundredths.
    let record = |seed: u64, item: u64| ProbeRecord {
        stage: "train".to_owned(),
        step: 10,
        component: Component::ObeyBad,
        prompts: ProbePrompts::Seen,
        domains: DomainSplit::Trained,
        item: item.to_string(),
        margin: [900.0, -400.0, 700.0, 228.0][item as usize] + 0.02 * seed as f64,
        margin_per_token: 0.5,
        gap: 2.0,
        rate: 0.0,
        other: 1.0,
    };
    let run = |seed| {
        RunResults::new(
            seed,
            "c0ffee".to_owned(),
            (0..4).map(|item| record(seed, item)).collect(),
            Vec::new(),
            Vec::new(),
        )
    };
    let judged = |shared: bool| {
        let runs = (0..2).map(|seed| run(seed).with_shared_items(shared)).collect();
        let arms = vec![ArmResults { name: plan.arms[0].name.clone(), runs, ..ArmResults::default() }];
        let results = SweepResults { arms, seeds: vec![0, 1], ..SweepResults::default() };
        titer::claim::judge(&results, &claims[0])[0].clone()
    };
    // As seeds of an organism they would be 357 ± .1.
    let (alone, shared) = (judged(false), judged(true));
    assert_eq!((alone.verdict, shared.verdict), (Verdict::Holds, Verdict::Undecided), "{alone:?} {shared:?}");
    let value = shared.value.unwrap();
    assert!(value.half_width() > 500.0 && value.mean > 356.0, "{value:?}");
}
