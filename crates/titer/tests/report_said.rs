//! What a report says of what it draws: nothing of what is not there, and names that can be read.

mod report_synthetic;

use report_synthetic::{Size, sweep};
use titer::{
    plan::Setting,
    report::{Report, render, write},
    results::{ArmResults, RunResults, SweepResults, SweptAxis},
    table::ProbeRecord,
};
use titer_data::{
    probe::{Component, ProbePrompts},
    world::DomainSplit,
};

/// A run with one item of one probe, before and after.
fn run(seed: u64, shift: f64) -> RunResults {
    run_at(seed, shift, &[0, 10])
}

/// The same, measured at these steps.
fn run_at(seed: u64, shift: f64, steps: &[i64]) -> RunResults {
    let record = |step: &i64| ProbeRecord {
        stage: "train".to_owned(),
        step: *step,
        component: Component::ObeyBad,
        prompts: ProbePrompts::Seen,
        domains: DomainSplit::Trained,
        item: "0".to_owned(),
        margin: 1.0 + shift,
        margin_per_token: 0.5,
        gap: 2.0,
        rate: 0.7 - 0.1 * shift,
        other: 0.0,
    };
    RunResults::new(seed, "c0ffee".to_owned(), steps.iter().map(record).collect(), Vec::new(), Vec::new())
}

/// Two arms of words, the second with the first for a control, with these runs.
fn two_arms(runs: [Vec<RunResults>; 2], control: Option<usize>) -> SweepResults {
    let words = ["none", "kl"].map(|word| Setting::Word(word.to_owned()));
    let arms = words.iter().zip(runs).enumerate().map(|(at, (word, runs))| ArmResults {
        name: format!("arm {at}"),
        settings: [("train.guards".to_owned(), word.clone())].into(),
        control,
        runs,
        ..ArmResults::default()
    });
    let arms = arms.collect();
    let axes = vec![SweptAxis { name: "train.guards".to_owned(), values: words.to_vec() }];
    SweepResults { title: "Two".to_owned(), axes, arms, seeds: vec![0], ..SweepResults::default() }
}

#[test]
fn nothing_is_said_of_what_is_not_drawn() {
    let page = |results| render(&Report { results, ..Report::default() }).unwrap();
    let both = || [vec![run(0, 0.0)], vec![run(0, 1.0)]];
    let (with, without) = (page(two_arms(both(), Some(0))), page(two_arms(both(), None)));
    assert_eq!(with.matches("The dashed line is the control").count(), 2, "of the opening and of the response");
    assert_eq!(without.matches("The dashed line is the control").count(), 0);
    assert!(!without.contains("<section id=\"effect\">"));
    // The control is planned and not finished: there is no difference from it to draw.
    let effect = |page: &str| {
        page.split("<section id=\"effect\">").nth(1).unwrap().split("</section>").next().unwrap().to_owned()
    };
    let open = page(two_arms([Vec::new(), vec![run(0, 1.0)]], Some(0)));
    assert!(!open.contains("The dashed line is the control"));
    let open = effect(&open);
    assert!(open.contains("Nothing is drawn: no seed has finished both an arm") && !open.contains("<svg"), "{open}");
    assert!(!open.contains("<table") && !open.contains("<fieldset"), "{open}");
    assert!(effect(&with).contains("<svg") && !effect(&with).contains("is drawn:"));
}

#[test]
fn lines_of_doses_are_read_by_their_strength_and_those_of_names_are_not() {
    let folder = tempfile::tempdir().unwrap();
    sweep(folder.path(), &Size { seeds: 2, items: 3, missing: 0 });
    write(folder.path(), &folder.path().join("report.html")).unwrap();
    let synthetic = fs_err::read_to_string(folder.path().join("report.html")).unwrap();
    assert!(synthetic.contains("the stronger a line, the larger the dose"));
    let along = |seed| vec![run_at(seed, 0.0, &[0, 5, 10])];
    let results = two_arms([along(0), along(0)], None);
    let named = render(&Report { results, ..Report::default() }).unwrap();
    assert!(named.contains("<section id=\"training\">") && !named.contains("the larger the dose"));
}

#[test]
fn a_quick_cut_is_said_to_have_cut_what_it_did() {
    let page = |spec: &str, seeds: Vec<u64>| {
        let results = SweepResults {
            quick: true,
            spec: spec.to_owned(),
            seeds,
            ..two_arms([vec![run(0, 0.0)], Vec::new()], None)
        };
        render(&Report { results, ..Report::default() }).unwrap()
    };
    let small = "seeds = [0]\n[probes]\nitems = 4\n";
    assert!(!page(small, vec![0]).contains("A quick cut"));
    let seeds = page("seeds = [0, 1, 2]\n[probes]\nitems = 4\n", vec![0, 1]);
    assert!(seeds.contains("A quick cut: fewer seeds than the spec asks for"));
    assert!(page("seeds = [0]\n[probes]\nitems = 64\n", vec![0]).contains("A quick cut: smaller probes than"));
    let both = page("", vec![0, 1]);
    assert!(
        both.contains("A quick cut: fewer seeds and smaller probes than the spec asks for"),
        "the defaults ask for more"
    );
}

#[test]
fn a_name_turns_no_number_of_a_sentence_round() {
    let name = "evil\u{202e}abc";
    let mut results = two_arms([vec![run(0, 0.0)], vec![run(0, 1.0)]], None);
    results.axes[0].values[1] = Setting::Word(name.to_owned());
    results.arms[1].settings = [("train.guards".to_owned(), Setting::Word(name.to_owned()))].into();
    let page = render(&Report { results, ..Report::default() }).unwrap();
    let answer = page.split("<p class=\"answer\">").nth(1).unwrap().split("</p>").next().unwrap();
    assert!(answer.contains("(evilabc)") && !page.contains('\u{202e}'), "{answer}");
}

/// How well a colour of the style sheet is told from the paper behind it (WCAG 2).
fn contrast(colour: &str, paper: &str) -> f64 {
    let luminance = |colour: &str| {
        let part = |at: usize| {
            let share = f64::from(u8::from_str_radix(&colour[at..at + 2], 16).unwrap()) / 255.0;
            if share <= 0.03928 { share / 12.92 } else { ((share + 0.055) / 1.055).powf(2.4) }
        };
        0.2126 * part(1) + 0.7152 * part(3) + 0.0722 * part(5)
    };
    let (one, other) = (luminance(colour), luminance(paper));
    (one.max(other) + 0.05) / (one.min(other) + 0.05)
}

#[test]
fn names_in_figures_can_be_read_on_light_and_on_dark() {
    assert!((contrast("#000000", "#ffffff") - 21.0).abs() < 1e-9);
    let sheet = include_str!("../src/report/page.css");
    let (light, dark) = sheet.split_once("prefers-color-scheme: dark").unwrap();
    for scheme in [light, dark] {
        let colour = |name: &str| {
            let value = scheme.split_once(&format!("--{name}: ")).unwrap_or_else(|| panic!("no colour {name}")).1;
            &value[..7]
        };
        // The two weakest lines have names in a stronger tone of their own.
        for name in ["c0", "c1", "c2", "c3", "c4", "c5", "n0", "n1", "q2", "q3", "q4", "level", "soft", "accent"] {
            let contrast = contrast(colour(name), colour("paper"));
            assert!(contrast >= 4.5, "{name}: {contrast:.2}");
        }
    }
    for weak in ["q0", "q1"] {
        assert!(sheet.contains(&format!("svg .{weak} .name {{ fill: var(--{}); }}", weak.replace('q', "n"))));
    }
}
