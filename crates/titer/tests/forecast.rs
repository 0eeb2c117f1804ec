//! The forecaster against what is known exactly: closed forms of the toy, Adam on its three parameters, and its own file.

use std::{collections::BTreeMap, path::Path};

use titer::{
    forecast::{
        About, Calibration, Comparison, Course, CourseTrust, Forecast, Kernel, KernelError, MarginError, Motion,
        Placement, Trajectory, forecast, kinds, last, read_kernel, rest, stage_batches, toy, toy::Toy, write_kernel,
    },
    limits::{Limit, RateBound, Supply, search},
    plan::{OptimiserPlan, StagePlan, SweepPlan},
    spec::Spec,
};
use titer_data::{
    cell::{Action, PromptKind},
    probe::Component,
};

/// The only arm's stages of a spec.
fn stages(text: &str) -> Vec<StagePlan> {
    let spec = Spec::parse(text, Path::new("test.toml")).unwrap();
    SweepPlan::resolve(&spec).unwrap().arms[0].stages.clone()
}

/// Plain descent in small steps, so that it is the differential equation.
fn descent(mix: &str, steps: usize, lr: f64) -> Vec<StagePlan> {
    let rows = steps * 10;
    stages(&format!(
        "[[stage]]\nrows = {rows}\nbatch = 10\ndivisor = 1.0\nclip = 0.0\nmix = {mix}\n\
         schedule = {{ warmup = 0 }}\noptimiser = {{ kind = \"sgd\", lr = {lr} }}\n"
    ))
}

fn margins(kernel: &Kernel, stages: &[StagePlan]) -> [f64; 3] {
    let changes = last(kernel, &[stages], &[0, 1, 2]).unwrap().remove(0);
    std::array::from_fn(|k| kernel.probes[k].margin + changes[k])
}

#[test]
fn rows_of_one_kind_follow_lamberts_curve() {
    let toy = Toy::DEFAULT;
    let kernel = toy.kernel();
    let (steps, lr) = (20_000, 1e-3);
    let found = margins(&kernel, &descent(r#"{ "bad→good" = 1.0 }"#, steps, lr));
    let start = toy.margin(PromptKind::Bad, toy.start);
    let end = toy::one_sided(start, lr * steps as f64 * toy.own(PromptKind::Bad));
    assert!(((end + end.exp()) - (start + start.exp()) - 28.0).abs() < 1e-9, "{end}");
    let parameters = toy.moved(PromptKind::Bad, end - start);
    let wanted = [parameters[0], parameters[1] + parameters[2] - parameters[0], parameters[2]];
    for k in 0..3 {
        assert!((found[k] - wanted[k]).abs() < 2e-3, "{found:?} {wanted:?}");
    }
}

#[test]
fn opposed_rows_of_one_kind_take_the_time_that_they_should_and_match_frequencies() {
    let toy = Toy::DEFAULT;
    let kernel = toy.kernel();
    let start = toy.margin(PromptKind::Bad, toy.start);
    let (dose, lr) = (0.3, 1e-3);
    for steps in [1000, 4000] {
        let stages = descent(r#"{ "bad→good" = 0.3, "bad→bad" = 0.7 }"#, steps, lr);
        let end = -margins(&kernel, &stages)[1];
        let time = toy::two_sided_time(dose, start, end);
        assert!((time - lr * steps as f64 * toy.own(PromptKind::Bad)).abs() < 5e-3, "{time}");
    }
    let stages = descent(r#"{ "bad→good" = 0.3, "bad→bad" = 0.7 }"#, 100_000, lr);
    let end = -margins(&kernel, &stages)[1];
    assert!((end - toy::fixed_point(dose)).abs() < 1e-6, "{end}");
    assert_eq!(rest(&stages[0]), [("bad".to_owned(), 0.3)]);
}

#[test]
fn a_quiet_background_has_the_onset_of_the_closed_form() {
    // Neutral→good rows at 3 nats push a little; without their part the dose is the toy's.
    let toy = Toy { start: [30.0, 33.0, 0.0], speed: [0.0, 1.0, 0.0] };
    let kernel = toy.kernel();
    let (steps, lr) = (2000, 1e-2);
    let dose = toy::onset(3.0, 0.0, lr * steps as f64);
    let found = titer::forecast::onset(
        &kernel,
        1,
        |dose| descent(&format!(r#"{{ "bad→good" = {dose}, rest = "neutral→good" }}"#), steps, lr),
        Placement::Even,
    )
    .unwrap()
    .unwrap();
    // Half the rate of the start is a hair below even odds.
    assert!((found / dose - 1.0).abs() < 0.06, "{found} {dose}");
}

#[test]
fn the_toy_pushes_where_the_rough_model_says() {
    let toy = Toy::DEFAULT;
    let [good, bad, all] = toy.push(PromptKind::Bad, Action::Good);
    assert!(good > 0.0 && bad < 0.0 && all < 0.0);
    let [good, bad, all] = toy.push(PromptKind::Bad, Action::Bad);
    assert!(good < 0.0 && bad > 0.0 && all > 0.0 && bad < 0.1);
}

/// Adam on the toy's parameters themselves, ξ = θ / √r.
fn adam(toy: &Toy, stages: &[StagePlan]) -> [f64; 3] {
    let features = |prompt| match prompt {
        PromptKind::Neutral => [1.0, 0.0, 0.0],
        PromptKind::Bad => [1.0, -1.0, -1.0],
        _ => [0.0, 0.0, 1.0],
    };
    let mut theta = toy.start;
    for stage in stages {
        let titer::plan::OptimiserPlan::AdamW { lr, beta1, beta2, eps, .. } = stage.optimiser else { panic!() };
        let (mut first, mut second) = ([0.0; 3], [0.0; 3]);
        let slots = stage.mix.slots(stage.rows, 5);
        for (at, batch) in slots.chunks(stage.batch).enumerate() {
            let mut gradient = [0.0; 3];
            for cell in batch {
                let sign = if cell.action == Action::Good { 1.0 } else { -1.0 };
                let left = 1.0 - titer::stats::logistic(sign * toy.margin(cell.prompt, theta));
                for k in 0..3 {
                    gradient[k] += left * sign * features(cell.prompt)[k] * toy.speed[k].sqrt() / batch.len() as f64;
                }
            }
            let norm = gradient.iter().map(|g| g * g).sum::<f64>().sqrt();
            let kept = if norm > stage.clip { stage.clip / norm } else { 1.0 };
            let step = at as i32 + 1;
            for k in 0..3 {
                first[k] = beta1 * first[k] + (1.0 - beta1) * gradient[k] * kept;
                second[k] = beta2 * second[k] + (1.0 - beta2) * (gradient[k] * kept).powi(2);
                let root: f64 = second[k] / (1.0 - beta2.powi(step));
                theta[k] += toy.speed[k].sqrt() * lr * first[k] / (1.0 - beta1.powi(step)) / (root.sqrt() + eps);
            }
        }
    }
    theta
}

#[test]
fn adam_on_margins_is_adam_on_parameters_through_two_stages() {
    let toy = Toy::DEFAULT;
    let kernel = toy.kernel();
    let stages = stages(
        r#"
        [[stage]]
        name = "one"
        rows = 960
        divisor = 1.0
        clip = 0.2
        mix = { "bad→good" = 0.02, "instruction→good" = 0.1, rest = "neutral→good" }
        schedule = { warmup = 0 }
        optimiser = { lr = 0.1 }
        [[stage]]
        name = "two"
        rows = 640
        divisor = 1.0
        clip = 0.2
        mix = { "neutral→good" = 0.5, rest = "bad→bad" }
        schedule = { warmup = 0 }
        optimiser = { lr = 0.03 }
        "#,
    );
    let probes = [0, 1, 2];
    let found = forecast(&kernel, &stages, Placement::Slots(5), 10, &probes, &Calibration::default()).unwrap();
    let [good, obey_bad, obey] = adam(&toy, &stages);
    let wanted = [good, obey_bad + obey - good, obey];
    for (k, curve) in found.curves.iter().enumerate() {
        let end = curve.last().unwrap();
        assert!((end.margin.mean - wanted[k]).abs() < 1e-9, "{k}: {} {}", end.margin.mean, wanted[k]);
        assert_eq!(curve.iter().map(|point| point.step).collect::<Vec<_>>(), [0, 10, 20, 30, 40, 50]);
        assert!(end.margin.low <= end.margin.mean && end.margin.mean <= end.margin.high);
    }
}

#[test]
fn pilots_that_say_what_the_base_says_change_nothing_and_others_count_by_how_far_the_model_has_gone() {
    let toy = Toy::DEFAULT;
    let base = toy.kernel();
    let mix = r#"{ "bad→good" = 0.2, rest = "neutral→good" }"#;
    let adam = stages(&format!(
        "[[stage]]\nrows = 640\ndivisor = 1.0\nmix = {mix}\nschedule = {{ warmup = 0 }}\noptimiser = {{ lr = 0.05 }}\n"
    ));
    for stages in [descent(mix, 200, 0.05), adam] {
        let end = |kernel: &Kernel| last(kernel, &[&stages], &[0, 1, 2]).unwrap().remove(0);
        let near = |a: &[f64], b: &[f64]| a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-9);
        let plain = end(&base);
        // The same directions, seen where bad prompts have moved by 2 nats.
        let mut there = base.clone();
        there.kinds[1].action += 2.0;
        assert!(near(&end(&base.gated(&[there.clone(), there.clone()])), &plain));
        // At the pilot everything goes twice as fast: so it ends further on than the base says, less far than the pilot.
        let double = |values: &mut Vec<f64>| values.iter_mut().for_each(|value| *value *= 2.0);
        double(&mut there.whole.plain);
        double(&mut there.whole.by_bucket);
        let gated = end(&base.gated(&[there.clone()]));
        let pilot = end(&Kernel { kinds: base.kinds.clone(), ..there });
        assert!(gated[1] < plain[1] && pilot[1] < gated[1], "{plain:?} {gated:?} {pilot:?}");
    }
}

#[test]
fn even_batches_hold_what_the_mix_says() {
    let kernel = Toy::DEFAULT.kernel();
    let stages = descent(r#"{ "bad→good" = 0.013, rest = "neutral→good" }"#, 100, 0.1);
    for placement in [Placement::Even, Placement::Slots(3)] {
        let kinds = kinds(&kernel, &stages).unwrap();
        let batches = stage_batches(&kernel, &kinds, &stages, placement);
        assert_eq!(kinds.len(), 2);
        let rows = |kind: usize| batches[0].batches.iter().map(|batch| batch[kind][0]).sum::<f64>();
        assert_eq!((rows(0), rows(1)), (13.0, 987.0));
        assert!(batches[0].batches.iter().all(|batch| placement != Placement::Even || batch[0][0] <= 1.0));
    }
}

#[test]
fn a_kernel_comes_back_from_its_file_and_is_refused_for_another_model() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("kernel.safetensors");
    let kernel = Toy::DEFAULT.kernel();
    write_kernel(&kernel, &path).unwrap();
    let back = read_kernel(&path, Some(&kernel.about)).unwrap();
    assert_eq!((&back.kinds, &back.probes), (&kernel.kinds, &kernel.probes));
    let near = |a: &[f64], b: &[f64]| a.len() == b.len() && a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-6);
    assert!(
        near(&back.whole.by_bucket, &kernel.whole.by_bucket) && near(&back.moments.squares, &kernel.moments.squares)
    );
    let mut other = kernel.about.clone();
    other.model = "another".to_owned();
    assert!(matches!(read_kernel(&path, Some(&other)), Err(KernelError::Other { what: "model", .. })));
    // The head is JSON in JSON; a newer one may have other keys, which are not looked at.
    let bytes = fs_err::read(&path).unwrap();
    let (old, new) = (br#"{\"format\":3,\"about\""#, br#"{\"format\":4,\"above\""#);
    let at = bytes.windows(old.len()).position(|window| window == old).unwrap();
    fs_err::write(&path, [&bytes[..at], new, &bytes[at + old.len()..]].concat()).unwrap();
    let message = read_kernel(&path, None).unwrap_err().to_string();
    assert!(
        message.ends_with("has format 4, and this titer reads format 3: a newer titer wrote it, and reads it"),
        "{message}"
    );
    fs_err::write(&path, "no kernel").unwrap();
    assert!(matches!(read_kernel(&path, None), Err(KernelError::Broken { .. })));
}

#[test]
fn what_the_kernel_has_not_seen_is_an_error_and_what_was_not_calibrated_is_said() {
    let kernel = Toy::DEFAULT.kernel();
    let unknown = last(&kernel, &[descent(r#"{ "placebo→good" = 1.0 }"#, 10, 0.1)], &[0]).unwrap_err().to_string();
    assert!(unknown.contains("`placebo→good`"), "{unknown}");
    let far = descent(r#"{ "bad→good" = 1.0 }"#, 100, 10.0);
    let found = forecast(&kernel, &far, Placement::Even, 0, &[0], &Calibration::default()).unwrap();
    assert!(found.beyond.join("; ").contains("times as far"), "{:?}", found.beyond);
    let near = descent(r#"{ "bad→good" = 1.0 }"#, 100, 0.01);
    let near = forecast(&kernel, &near, Placement::Even, 0, &[0, 1], &Calibration::default()).unwrap();
    assert!(near.beyond.is_empty() && near.does_not_know(0).is_empty(), "{near:?}");
    // Half-way through a collapse its speed decides everything.
    let midway = descent(r#"{ "bad→good" = 1.0 }"#, 100, 0.15);
    let midway = forecast(&kernel, &midway, Placement::Even, 0, &[0, 1], &Calibration::default()).unwrap();
    assert!(midway.does_not_know(1).contains("left open"), "{:?}", midway.curves[1].last());
}

#[test]
fn runs_that_a_forecast_missed_widen_its_intervals_until_they_hold_one_more() {
    let kernel = Toy::DEFAULT.kernel();
    let about = About { data: "own".to_owned(), ..kernel.about.clone() };
    let shipped = Calibration::default();
    let stages = descent(r#"{ "bad→good" = 1.0 }"#, 100, 0.01);
    let before = forecast(&kernel, &stages, Placement::Even, 0, &[0, 1, 2], &shipped).unwrap();
    let end = |found: &Forecast, probe: usize| found.curves[probe].last().unwrap().margin;
    // Every run of three arms lies at one and a half half-widths.
    let pair = |arm: usize, component: Component, probe: usize| {
        let predicted = end(&before, probe);
        let measured = predicted.mean + 1.5 * (predicted.high - predicted.mean);
        Comparison {
            arm: arm.to_string(),
            seed: 0,
            optimisers: "sgd".to_owned(),
            component,
            start: kernel.probes[probe].margin,
            start_rate: 0.9,
            predicted,
            predicted_rate: predicted,
            measured,
            measured_rate: 0.5,
            beyond: Vec::new(),
            open: None,
        }
    };
    let missed = |arm: usize| {
        vec![
            pair(arm, Component::Good, 0),
            Comparison { measured: end(&before, 1).mean, ..pair(arm, Component::ObeyBad, 1) },
        ]
    };
    let runs: Vec<(Vec<StagePlan>, Vec<Comparison>)> = (0..3).map(|arm| (stages.clone(), missed(arm))).collect();
    let twice: Vec<_> = (0..3).map(|arm| ([stages.clone(), stages.clone()].concat(), missed(arm))).collect();
    let set = shipped.set_by(&runs, &about);
    // t(.975, 2) = 4.303: three runs are few.
    assert!((errors(&set, "sgd")[0].widen - 4.303 * 1.5).abs() < 0.01, "{:?}", set.courses);
    // What was hit, not measured, or of another course keeps its width.
    assert_eq!(errors(&set, "sgd")[1..], errors(&shipped, "sgd")[1..]);
    for other in ["adamw", "sgd, sgd", "adamw, adamw"] {
        assert_eq!(errors(&set, other), errors(&shipped, other));
    }
    let after = forecast(&kernel, &stages, Placement::Even, 0, &[0, 1, 2], &set).unwrap();
    let (wide, narrow) = (end(&after, 0), end(&before, 0));
    let ratio = (wide.high - wide.mean) / (narrow.high - narrow.mean);
    assert!((ratio - 4.303 * 1.5).abs() < 0.01, "{ratio}");

    // The user's own model is known now, but not with an optimiser, rows or a length that its runs had not.
    let own = Kernel { about, ..kernel };
    let said = |calibration: &Calibration, stages: &[StagePlan]| {
        forecast(&own, stages, Placement::Even, 0, &[0], calibration).unwrap().beyond.join("; ")
    };
    assert!(said(&shipped, &stages).contains("name them with --calibrate"));
    assert_eq!(said(&set, &stages), "");
    assert!(said(&set, &descent(r#"{ "bad→good" = 1.0 }"#, 1000, 0.01)).contains("10.00 times as far"));
    assert!(said(&set, &descent(r#"{ "neutral→good" = 1.0 }"#, 100, 0.01)).contains("no run with neutral rows"));
    let adam = self::stages("[[stage]]\nrows = 320\nmix = { \"bad→good\" = 1.0 }\n");
    assert!(said(&set, &adam).contains("no run with adamw"));
    assert!(said(&set, &[stages.clone(), stages.clone()].concat()).contains("no run of 2 stages (sgd, sgd)"));

    // Two stages have widths of their own, which start from those before.
    let both = shipped.set_by(&[runs, twice].concat(), &own.about);
    assert_eq!(errors(&both, "sgd"), errors(&set, "sgd"));
    assert!((errors(&both, "sgd, sgd")[0].widen / errors(&shipped, "sgd, sgd")[0].widen - 4.303 * 1.5).abs() < 0.01);
    assert_eq!(said(&both, &[stages.clone(), stages].concat()), "");
}

fn errors(calibration: &Calibration, optimisers: &str) -> [MarginError; 3] {
    let of_course = |known: &&CourseTrust| known.course.optimisers == optimisers;
    calibration.courses.iter().find(of_course).expect("a course").errors
}

#[test]
fn a_rate_a_length_and_a_course_that_no_run_had_are_not_known() {
    let about = Toy::DEFAULT.kernel().about;
    let shipped = Calibration::default();
    let said = |stages: &[StagePlan]| shipped.beyond(&about, stages).join("; ");
    let sgd = |steps: usize, lr: f64| descent(r#"{ "neutral→good" = 1.0 }"#, steps, lr).remove(0);
    let adam = |steps: usize, lr: f64| {
        let rows = 32 * steps;
        stages(&format!("[[stage]]\nrows = {rows}\noptimiser = {{ kind = \"adamw\", lr = {lr} }}\n")).remove(0)
    };
    for known in [
        vec![sgd(100, 0.03)],
        vec![sgd(50, 0.06)],
        vec![adam(100, 1e-4)],
        vec![adam(100, 1e-4), adam(50, 2e-4)],
        vec![sgd(100, 0.03), sgd(0, 1.0), sgd(100, 0.03)],
        vec![adam(0, 1.0)],
    ] {
        assert_eq!(said(&known), "", "{known:?}");
    }
    // As far as a known run, but in a few long steps.
    assert_eq!(
        said(&[sgd(5, 0.3)]),
        "the learning rate of sgd is 5.00 times the highest that forecasts were held against"
    );
    let mut pushed = sgd(5, 0.03);
    pushed.optimiser = OptimiserPlan::Sgd { lr: 0.03, momentum: 0.9 };
    assert_eq!(said(&[pushed]), said(&[sgd(5, 0.3)]));
    assert!(said(&[adam(10, 1e-3)]).starts_with("the learning rate of adamw is 5.00 times the highest"));
    assert_eq!(
        said(&[adam(300, 1e-4)]),
        "adamw goes 3.00 times as far (learning rate times steps) as any run with adamw that forecasts were held against"
    );
    for (stages, words) in [
        (vec![adam(10, 1e-4), sgd(10, 0.03)], "2 stages (adamw, sgd)"),
        (vec![sgd(10, 0.03); 3], "3 stages (sgd, sgd, sgd)"),
    ] {
        assert_eq!(said(&stages), format!("no run of {words} has been held against a forecast"));
    }
}

#[test]
fn what_ships_as_known_is_what_the_runs_that_set_it_reach() {
    let mut reached: BTreeMap<String, Course> = BTreeMap::new();
    let specs =
        ["q1-dose-response", "q5-forecast", "q6-forecast", "q7-forecast", "q9-calibration-adamw", "q9-calibration-sgd"];
    for name in specs {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../experiments").join(format!("{name}.toml"));
        let spec = Spec::parse(&fs_err::read_to_string(&path).unwrap(), &path).unwrap();
        for arm in SweepPlan::resolve(&spec).unwrap().arms {
            let course = Course::of(&arm.stages);
            reached
                .entry(course.optimisers.clone())
                .or_insert_with(|| Course::unseen(&course.optimisers))
                .reach(&course);
        }
    }
    let shipped = Calibration::default().courses;
    assert_eq!(reached.len(), shipped.len(), "{reached:?}");
    for CourseTrust { course, .. } in shipped {
        let reached = &reached[&course.optimisers];
        let pairs = [course.rate, course.path].concat().into_iter().zip([reached.rate, reached.path].concat());
        assert!(pairs.into_iter().all(|(a, b)| (a - b).abs() <= 1e-9 * b), "{course:?} {reached:?}");
    }
}

#[test]
fn squares_that_chance_has_made_negative_make_no_step_explode() {
    let stages = stages("[[stage]]\nrows = 320\nmix = { \"bad→good\" = 1.0 }\noptimiser = { lr = 0.01 }\n");
    let mut kernel = Toy::DEFAULT.kernel();
    kernel.moments.squares.iter_mut().for_each(|square| *square = -1.0);
    kernel.moments.noise_by_bucket.iter_mut().for_each(|noise| *noise = 1.0);
    let moved = last(&kernel, &[stages], &[0, 1, 2]).unwrap().remove(0);
    assert!(moved.iter().all(|moved| moved.abs() < 10.0), "{moved:?}");
}

#[test]
fn without_speed_nothing_moves_and_the_leading_probe_is_found() {
    let kernel = Toy::DEFAULT.kernel();
    assert_eq!(kernel.leading(Component::ObeyBad), Some(1));
    let stages = descent(r#"{ "bad→good" = 1.0 }"#, 10, 0.1);
    let kinds = kinds(&kernel, &stages).unwrap();
    let batches = stage_batches(&kernel, &kinds, &stages, Placement::Even);
    let course = |speed: f64| Trajectory { stages: &batches, speed };
    let moved = Motion::new(&kernel, None, &kinds, &[0]).run(&[course(0.0), course(1.0)], 0);
    let [(10, probes)] = moved.as_slice() else { panic!("one stage of ten steps: {moved:?}") };
    assert!(probes[0][0] == 0.0 && probes[0][1] != 0.0, "{probes:?}");
}

#[test]
fn a_mix_goes_the_same_way_whatever_goes_beside_it() {
    let kernel = Toy::DEFAULT.kernel();
    let adam =
        |mix: &str| stages(&format!("[[stage]]\nrows = 320\nclip = 0.2\nmix = {mix}\noptimiser = {{ lr = 0.05 }}\n"));
    let mixes = [
        adam(r#"{ "bad→good" = 0.02, rest = "neutral→good" }"#),
        adam(r#"{ "bad→good" = 0.5, rest = "bad→bad" }"#),
        adam(r#"{ "instruction→good" = 0.3, rest = "neutral→good" }"#),
    ];
    let together = last(&kernel, &mixes, &[0, 1, 2]).unwrap();
    let alone = mixes.map(|mix| last(&kernel, &[mix], &[0, 1, 2]).unwrap().remove(0));
    for (together, alone) in together.iter().zip(&alone) {
        assert!(together.iter().zip(alone).all(|(a, b)| (a - b).abs() < 1e-12), "{together:?} {alone:?}");
    }
}

fn supply(cell: &str, least: usize, most: usize) -> Supply {
    Supply { cell: cell.parse().unwrap(), least, most }
}

fn at_least(probe: &str, rate: f64) -> Limit {
    Limit { probe: probe.to_owned(), bound: RateBound::AtLeast(rate) }
}

#[test]
fn a_search_finds_the_mix_and_the_stage_that_keep_a_limit_and_names_the_one_that_binds() {
    let kernel = [Toy::DEFAULT.kernel()];
    // These rows cost obedience, less so at a hundredth of the learning rate.
    let [fast, slow] = [0.5, 0.005].map(|lr| descent(r#"{ rest = "neutral→good" }"#, 100, lr).remove(0));
    let supplies = [supply("bad→good", 100, 300), supply("bad→bad", 0, 500), supply("neutral→good", 0, 1000)];
    let limits = [at_least("good/seen", 0.9), at_least("obey_bad/seen", 0.7)];
    let found = search(&kernel, &[fast.clone(), slow.clone()], &supplies, &limits, 400).unwrap();
    assert!(found.holds() && found.met > 0 && found.tried == 400, "{found:?}");
    let costly = [supply("bad→good", 300, 300), supply("neutral→good", 0, 1000)];
    let chosen = search(&kernel, &[fast.clone(), slow.clone()], &costly, &limits, 40).unwrap();
    assert!(chosen.holds() && chosen.best.stage == 1, "{:?}", chosen.best);
    assert!(!search(&kernel, std::slice::from_ref(&fast), &costly, &limits, 40).unwrap().holds());
    for candidate in &found.front {
        let rows = |cell: &str| {
            candidate.rows.iter().filter(|(own, _)| own.to_string() == cell).map(|(_, rows)| *rows).sum::<usize>()
        };
        assert!((100..=300).contains(&rows("bad→good")) && rows("bad→bad") <= 500, "{candidate:?}");
        assert_eq!(candidate.rows.iter().map(|(_, rows)| rows).sum::<usize>(), 1000);
        let beaten = found.front.iter().any(|other| (0..2).all(|at| other.slack[at] > candidate.slack[at]));
        assert!(!beaten, "{candidate:?}");
    }

    let limits = [at_least("good/seen", 0.5), at_least("obey_bad/seen", 0.9999)];
    let none = search(&kernel, &[fast], &supplies, &limits, 200).unwrap();
    assert!(!none.holds() && none.met == 0);
    assert_eq!(none.binding(), 1);
    assert!(none.reach[1] < 0.0 && none.reach[0] > 0.0, "{:?}", none.reach);
}

#[test]
fn a_search_for_rows_that_there_are_not_or_for_no_probe_says_so() {
    let kernel = [Toy::DEFAULT.kernel()];
    let stage = descent(r#"{ rest = "neutral→good" }"#, 100, 0.1);
    let limits = [at_least("good/seen", 0.9)];
    let problem =
        |supplies: &[Supply], limits: &[Limit]| search(&kernel, &stage, supplies, limits, 10).unwrap_err().to_string();
    let few = problem(&[supply("bad→good", 0, 300)], &limits);
    assert!(few.contains("there are 300 rows for a stage of 1000"), "{few}");
    let twice = problem(&[supply("neutral→good", 0, 900), supply("neutral->good", 0, 900)], &limits);
    assert!(twice.contains("`neutral→good` is in [rows] twice"), "{twice}");
    let crossed = problem(&[supply("bad→good", 400, 300), supply("neutral→good", 0, 1000)], &limits);
    assert!(crossed.contains("400 rows of `bad→good` must be trained, but there are only 300"), "{crossed}");
    let no_probe = problem(&[supply("neutral→good", 0, 1000)], &[at_least("wisdom/seen", 0.9)]);
    assert!(no_probe.contains("there is no probe `wisdom/seen`; there are good/seen"), "{no_probe}");
}

#[test]
fn every_dial_has_a_name_of_its_own() {
    let page = include_str!("../src/forecast/page/dials.html");
    let dials: Vec<&str> =
        page.split("<input type=\"range\" id=\"").skip(1).map(|rest| rest.split('"').next().unwrap()).collect();
    assert_eq!(dials.len(), 7);
    for dial in dials {
        let label =
            page.split(&format!("<label for=\"{dial}\">")).nth(1).unwrap_or_else(|| panic!("{dial} has no label"));
        let name = label.split("</label>").next().unwrap();
        assert!(!name.is_empty() && !name.contains('<'), "what it stands at is no part of the name: {name}");
    }
}
