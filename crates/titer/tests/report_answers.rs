//! What a report says of the dose that halves obedience, word by word.

use titer::{
    plan::Setting,
    report::{Report, render},
    results::{ArmResults, RunResults, SweepResults, SweptAxis},
    table::ProbeRecord,
};
use titer_data::{
    probe::{Component, ProbePrompts},
    world::DomainSplit,
};

const DOSE: &str = "train.mix.bad→good";

/// What a run measured of obedience to bad prompts after training, item by item.
#[derive(Clone)]
struct Measured {
    seed: u64,
    rates: Vec<f64>,
    margin: Option<f64>,
    gap: f64,
}

fn rate(seed: u64, rate: f64) -> Measured {
    Measured { seed, rates: vec![rate], margin: None, gap: f64::NAN }
}

fn margin(seed: u64, margin: f64) -> Measured {
    Measured { seed, rates: vec![0.01], margin: Some(margin), gap: f64::NAN }
}

fn run(measured: &Measured) -> RunResults {
    let record = |(item, rate): (usize, &f64)| ProbeRecord {
        stage: "train".to_owned(),
        step: 10,
        component: Component::ObeyBad,
        prompts: ProbePrompts::Seen,
        domains: DomainSplit::Trained,
        item: item.to_string(),
        margin: measured.margin.unwrap_or((rate / (1.0 - rate)).ln()),
        margin_per_token: f64::NAN,
        gap: measured.gap,
        rate: *rate,
        other: if measured.margin.is_some() { 0.95 } else { 0.0 },
    };
    let probes = measured.rates.iter().enumerate().map(record).collect();
    RunResults::new(measured.seed, "c0ffee".to_owned(), probes, Vec::new(), Vec::new())
}

/// An arm: its dose, its control, and what its finished runs measured.
type Arm<'a> = (f64, Option<usize>, &'a [Measured]);

fn page(axis: &str, arms: &[Arm<'_>]) -> String {
    let arm = |(dose, control, measured): &Arm<'_>| ArmResults {
        name: format!("dose {dose}"),
        settings: [(axis.to_owned(), Setting::Number(*dose))].into(),
        control: *control,
        runs: measured.iter().map(run).collect(),
        ..ArmResults::default()
    };
    let mut values: Vec<f64> = arms.iter().map(|(dose, ..)| *dose).collect();
    values.sort_by(f64::total_cmp);
    values.dedup();
    let values = values.into_iter().map(Setting::Number).collect();
    let results = SweepResults {
        axes: vec![SweptAxis { name: axis.to_owned(), values }],
        arms: arms.iter().map(arm).collect(),
        seeds: (0..3).collect(),
        ..SweepResults::default()
    };
    render(&Report { results, ..Report::default() }).unwrap()
}

/// The sentences of a report's answer, as text.
fn answer(page: &str) -> String {
    let paragraphs = ["answer", "more"].into_iter().flat_map(|class| {
        let begins = format!("<p class=\"{class}\">");
        page.split(&begins).skip(1).filter_map(|rest| Some(rest.split_once("</p>")?.0.to_owned())).collect::<Vec<_>>()
    });
    text(&paragraphs.collect::<Vec<_>>().join(" "))
}

fn text(html: &str) -> String {
    html.replace("&#x27;", "'").replace('\u{a0}', " ")
}

/// Three seeds at about this rate.
fn three(mean: f64) -> Vec<Measured> {
    (0..3).map(|seed| rate(seed, mean + 0.01 * (seed as f64 - 1.0))).collect()
}

/// Three seeds at about this margin.
fn nats(mean: f64) -> Vec<Measured> {
    (0..3).map(|seed| margin(seed, mean + 0.3 * (seed as f64 - 1.0))).collect()
}

fn says(page: &str, wanted: &str) {
    assert!(answer(page).contains(wanted), "{wanted}\nis not in\n{}", answer(page));
}

#[test]
fn what_is_not_finished_is_not_taken_for_not_halved() {
    let [base, low] = [three(0.9), three(0.2)];
    let largest_missing = page(DOSE, &[(0.0, None, &base), (0.1, Some(0), &low), (1.0, Some(0), &[])]);
    says(
        &largest_missing,
        "A share of bad→good between 0 and 10 % brings obeying bad prompts below half of the control's",
    );
    let page_text = text(&largest_missing);
    assert!(page_text.contains("in the control → at the largest finished dose"), "{page_text}");
    assert!(page_text.contains("“Halved from” is the smallest finished dose"));
    // Where the middle is missing, the bracket is of finished doses.
    let middle_missing = page(DOSE, &[(0.0, None, &base), (0.1, Some(0), &[]), (1.0, Some(0), &low)]);
    says(&middle_missing, "between 0 and 100 % brings");
    let high = three(0.8);
    let never = page(DOSE, &[(0.0, None, &base), (0.1, Some(0), &high), (1.0, Some(0), &[])]);
    says(&never, "half of the control's: at the largest finished, 10 %, obeying bad prompts is at 0.80");
    assert!(text(&never).contains("at no finished dose"));
    let whole = page(DOSE, &[(0.0, None, &base), (0.1, Some(0), &high)]);
    says(&whole, "half of the control's: at the largest, 10 %, obeying");
}

#[test]
fn an_arm_is_compared_with_its_own_control() {
    // Of an axis that is no mix every arm has a control of its own.
    let controls = [three(0.9), three(0.8), three(0.2)];
    let arms = [three(0.85), three(0.3), three(0.04)];
    let all: Vec<Arm<'_>> = [1e-4, 1e-3, 1e-2]
        .into_iter()
        .zip(&arms)
        .enumerate()
        .map(|(at, (lr, arm))| (lr, Some(3 + at), arm.as_slice()))
        .chain([1e-4, 1e-3, 1e-2].into_iter().zip(&controls).map(|(lr, arm)| (lr, None, arm.as_slice())))
        .collect();
    says(&page("train.optimiser.lr", &all), "at 0.001 it is 0.30 [0.28, 0.33], in the control 0.80 [0.77, 0.82].");
}

#[test]
fn a_curve_that_comes_back_is_not_said_to_stay() {
    let (base, low, back) = (three(0.9), three(0.1), three(0.6));
    let page = page(DOSE, &[(0.0, None, &base), (0.1, Some(0), &low), (1.0, Some(0), &back)]);
    says(
        &page,
        "From no share of bad→good on does obeying bad prompts stay below half of the control's: at 10 % it is 0.10",
    );
    says(&page, "at the largest, 100 %, 0.60");
    assert!(text(&page).contains("at 10 %, not from there on"));
}

#[test]
fn a_control_that_hardly_obeys_has_nothing_to_halve() {
    let [base, low, least] = [0.05, 0.03, 0.015].map(three);
    let rates = page(DOSE, &[(0.0, None, &base), (0.1, Some(0), &low), (1.0, Some(0), &least)]);
    says(&rates, "The control hardly obeys bad prompts, so there is nothing that a share of bad→good could halve");
    assert!(text(&rates).contains("the control hardly obeys"));
    // In nats noise about a margin far below 0 is no onset.
    let [base, low, least] = [-5.19, -5.1, -5.9].map(nats);
    let margins = page(DOSE, &[(0.0, None, &base), (0.1, Some(0), &low), (1.0, Some(0), &least)]);
    says(&margins, "The control hardly obeys bad prompts");
}

#[test]
fn in_nats_most_of_what_there_was_is_halved_whatever_its_sign() {
    let [base, low, least] = [20.3, 6.0, 0.8].map(nats);
    let fell = page(DOSE, &[(0.0, None, &base), (0.1, Some(0), &low), (1.0, Some(0), &least)]);
    says(
        &fell,
        "between 0 and 10 % takes from obeying bad prompts half of what the largest dose takes: at 10 % it is 6.00",
    );
    let [base, low, least] = [20.3, 20.2, 19.5].map(nats);
    let kept = page(DOSE, &[(0.0, None, &base), (0.1, Some(0), &low), (1.0, Some(0), &least)]);
    says(&kept, "No share of bad→good halves obeying bad prompts: at the largest, 100 %,");
    // What seeds do not tell from nothing takes nothing.
    let noisy: Vec<Measured> =
        [30.0, -60.0, 0.0].into_iter().enumerate().map(|(at, it)| margin(at as u64, it)).collect();
    let [base, low] = [2.0, 1.9].map(nats);
    let untold = page(DOSE, &[(0.0, None, &base), (0.1, Some(0), &low), (1.0, Some(0), &noisy)]);
    says(&untold, "No share of bad→good halves obeying bad prompts");
}

#[test]
fn in_nats_it_is_what_the_prompt_does_that_is_halved() {
    // The bad reply is the longer one, so margins lie far below 0 whatever the prompt does; and far above where it is the shorter.
    for shift in [-90.0, 60.0] {
        let of = |gap: f64| -> Vec<Measured> {
            let about = |seed: u64| gap + 0.3 * (seed as f64 - 1.0);
            (0..3).map(|seed| Measured { gap: about(seed), ..margin(seed, shift + about(seed)) }).collect()
        };
        let [base, low, least] = [14.0, 9.0, 2.0].map(of);
        let fell = page(DOSE, &[(0.0, None, &base), (0.1, Some(0), &low), (1.0, Some(0), &least)]);
        says(
            &fell,
            "A share of bad→good between 10 % and 100 % brings what bad prompts do (the gap) below half of the control's: at 100 % it is 2.00",
        );
        let [base, low, least] = [0.02, -0.03, 0.01].map(of);
        let deaf = page(DOSE, &[(0.0, None, &base), (0.1, Some(0), &low), (1.0, Some(0), &least)]);
        says(&deaf, "The control hardly obeys bad prompts");
    }
}

#[test]
fn a_smaller_dose_that_halves_it_too_is_named() {
    let [base, low, back, least] = [0.91, 0.2, 0.81, 0.11].map(three);
    let arms = [(0.0, None, &*base), (0.1, Some(0), &*low), (0.5, Some(0), &*back), (1.0, Some(0), &*least)];
    let page = page(DOSE, &arms);
    says(&page, "A share of bad→good between 50 % and 100 % brings obeying bad prompts below half");
    says(&page, "At 10 % it is below that too, 0.20 [0.18, 0.23], but not from there on.");
}

#[test]
fn what_shares_no_seed_with_its_control_says_nothing() {
    let of = |seeds: &[u64], at: f64| seeds.iter().map(|seed| rate(*seed, at)).collect::<Vec<_>>();
    let (base, low, lower, least) = (of(&[0], 0.9), of(&[0, 1], 0.8), of(&[0, 1], 0.1), of(&[1], 0.05));
    let arms = [(0.0, None, &*base), (0.1, Some(0), &*low), (0.5, Some(0), &*lower), (1.0, Some(0), &*least)];
    let apart = page(DOSE, &arms);
    says(&apart, "A share of bad→good between 10 % and 50 % brings obeying bad prompts below half of the control's");
    // Where the control is the largest dose, smaller ones take more: no dose is one from which on.
    let [base, low, lower] = [0.9, 0.2, 0.3].map(three);
    let backwards = page(DOSE, &[(0.0, Some(2), &low), (0.5, Some(2), &lower), (1.0, None, &base)]);
    assert!(!answer(&backwards).contains("below half"), "{}", answer(&backwards));
    says(&backwards, "obeying bad prompts is at 0.90");
}

#[test]
fn that_nothing_is_halved_is_said_with_what_the_interval_holds() {
    let base = three(0.92);
    let apart: Vec<Measured> = [0.3, 0.7, 0.9].into_iter().enumerate().map(|(at, it)| rate(at as u64, it)).collect();
    let page = page(DOSE, &[(0.0, None, &base), (1.0, Some(0), &apart)]);
    says(&page, "No share of bad→good brings obeying bad prompts below half of the control's");
    says(&page, "Seeds differ at 100 %: the interval includes less than half of the control's.");
}

#[test]
fn what_differs_is_what_the_interval_is_over() {
    let items = |rates: [f64; 4]| vec![Measured { seed: 0, rates: rates.to_vec(), margin: None, gap: f64::NAN }];
    let (base, low) = (items([0.9, 0.91, 0.92, 0.9]), items([0.05, 0.9, 0.1, 0.2]));
    let one_seed = page(DOSE, &[(0.0, None, &base), (0.1, Some(0), &low)]);
    says(&one_seed, "Items differ at 10 %: the interval includes more than half of the control's.");
    let seeds = [0.02, 0.9, 0.1].into_iter().enumerate().map(|(at, it)| rate(at as u64, it));
    let several = page(DOSE, &[(0.0, None, &three(0.9)), (0.1, Some(0), &seeds.collect::<Vec<_>>())]);
    says(&several, "Seeds differ at 10 %");
}

#[test]
fn levels_are_compared_on_the_seeds_that_both_have() {
    // One seed of the control is deaf, and it alone has finished the doses.
    let base: Vec<Measured> = [0.3, 0.95, 0.95].into_iter().enumerate().map(|(at, it)| rate(at as u64, it)).collect();
    let (low, least) = (vec![rate(0, 0.3)], vec![rate(0, 0.29)]);
    let page = page(DOSE, &[(0.0, None, &base), (0.1, Some(0), &low), (1.0, Some(0), &least)]);
    says(&page, "No share of bad→good brings obeying bad prompts below half of the control's");
    says(&page, "obeying bad prompts is at 0.29, in the control 0.30.");
    assert!(text(&page).contains("0.30 → 0.29"), "the table too");
}

#[test]
fn counts_behind_numbers_are_a_range_where_they_differ() {
    let items = |count: usize| vec![Measured { seed: 0, rates: vec![0.5; count], margin: None, gap: f64::NAN }];
    let (few, many) = (items(2), items(12));
    let page = page(DOSE, &[(0.0, None, &many), (0.1, Some(0), &few)]);
    assert!(text(&page).contains("behind each number 1 seed, 2–12 items"), "{}", text(&page));
}
