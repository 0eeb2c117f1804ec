//! `titer forecast` and `titer plan` from end to end, on a small kernel.

use std::{
    path::Path,
    process::{Command, Output},
};

use titer::forecast::{toy::Toy, write_kernel};

fn titer(dir: &Path, arguments: &[&str]) -> Output {
    let titer = env!("CARGO_BIN_EXE_titer");
    Command::new(titer).current_dir(dir).args(arguments).output().expect("titer starts")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

const SPEC: &str = "seeds = [0]\n[[stage]]\nrows = 320\n[probes]\nitems = 16\n";

#[test]
fn a_kernel_of_another_model_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    fs_err::write(dir.path().join("spec.toml"), SPEC).unwrap();
    fs_err::create_dir(dir.path().join("kernels")).unwrap();
    write_kernel(&Toy::DEFAULT.kernel(), &dir.path().join("kernels/seed-0.safetensors")).unwrap();
    let found = titer(dir.path(), &["forecast", "spec.toml", "--kernel", "kernels"]);
    let error = text(&found.stderr);
    assert_eq!(found.status.code(), Some(2), "{error}");
    assert!(error.contains("was measured on another model than the mix is for (toy, wanted"), "{error}");
    assert_eq!(error.lines().count(), 1, "{error}");
}

#[test]
fn a_plan_is_foreseen_trained_and_reported_side_by_side() {
    let dir = tempfile::tempdir().unwrap();
    fs_err::write(dir.path().join("spec.toml"), format!("{SPEC}[sweep]\n\"train.mix.bad→good\" = [0.0, 0.5]\n"))
        .unwrap();
    let small = ["--items", "16", "--contrasts", "8"];
    let found = titer(dir.path(), &[&["forecast", "spec.toml", "--kernel", "kernels", "--json"], &small[..]].concat());
    assert!(found.status.success(), "{}", text(&found.stderr));
    let json: serde_json::Value = serde_json::from_slice(&found.stdout).unwrap();
    let curve = &json["runs"][1]["forecast"]["curves"][6];
    let rate = |at: usize| curve[at]["rate"]["mean"].as_f64().unwrap();
    assert!(rate(0) > 0.9 && curve.as_array().unwrap().last().unwrap()["rate"]["mean"].as_f64().unwrap() < rate(0));

    // Ten steps may be too few for any dose.
    let onset = &json["onsets"][0];
    assert_eq!((&onset["rest"], onset["doses"].as_array().unwrap().len()), (&"neutral→good".into(), 1));
    assert!(onset["doses"][0].as_f64().is_none_or(|dose| dose > 1e-4 && dose <= 1.0), "{onset}");

    let limits = "seeds = [0]\n[[stage]]\nrows = 320\n[probes]\nitems = 16\n[rows]\n\"bad→good\" = { least = 32, most = 64 }\n\
                  \"neutral→good\" = 320\n\"bad→bad\" = 320\n[limits]\n\"obey_bad/seen\" = { at_least = 0.5 }\nleak = { at_most = 0.2 }\n";
    fs_err::write(dir.path().join("limits.toml"), limits).unwrap();
    let plan = ["plan", "limits.toml", "--out", "planned.toml", "--kernel", "kernels", "--mixes", "60"];
    let found = titer(dir.path(), &plan);
    assert!(found.status.success(), "{}", text(&found.stderr));
    assert!(text(&found.stdout).contains("binds"), "{}", text(&found.stdout));
    let again = titer(dir.path(), &plan);
    assert_eq!(again.status.code(), Some(2));

    let run = titer(dir.path(), &["run", "planned.toml", "--out", "run"]);
    assert!(run.status.success(), "{}", text(&run.stderr));
    let report = fs_err::read_to_string(dir.path().join("run/report.html")).unwrap();
    assert!(report.contains("Forecast beside measured"));

    assert!(
        report.contains("seen at least 50.0 %") && report.contains(r#"<script type="application/json" id="model">"#)
    );

    let tight = limits.replace("at_least = 0.5", "at_least = 1.0");
    fs_err::write(dir.path().join("tight.toml"), tight).unwrap();
    let found =
        titer(dir.path(), &["plan", "tight.toml", "--out", "none.toml", "--kernel", "kernels", "--mixes", "60"]);
    let error = text(&found.stderr);
    assert_eq!(found.status.code(), Some(2), "{error}");
    assert!(error.contains("the one that binds is `obey_bad/seen at least 100.0 %`"), "{error}");
    assert!(!dir.path().join("none.toml").exists());
}

#[test]
fn pilots_say_what_they_bought_and_finished_runs_judge_what_they_were_not_pilots_of() {
    let dir = tempfile::tempdir().unwrap();
    let spec = format!("{SPEC}[sweep]\n\"train.mix.bad→good\" = [0.1, 0.5]\n");
    fs_err::write(dir.path().join("spec.toml"), spec).unwrap();
    let run = titer(dir.path(), &["run", "spec.toml", "--out", "run"]);
    assert!(run.status.success(), "{}", text(&run.stderr));
    let small = ["forecast", "spec.toml", "--kernel", "kernels", "--items", "16", "--contrasts", "8"];
    let found = titer(dir.path(), &[&small[..], &["--refresh", "1", "--against", "run", "--json"]].concat());
    assert!(found.status.success(), "{}", text(&found.stderr));
    let talk = text(&found.stderr);
    let bought = talk.lines().find(|line| line.contains("pilot")).expect("the pilot is told of");
    assert!(bought.contains("nats before") && bought.contains("(5 steps)"), "{bought}");
    let json: serde_json::Value = serde_json::from_slice(&found.stdout).unwrap();
    let judged: Vec<&str> = json["pairs"].as_array().unwrap().iter().filter_map(|pair| pair["arm"].as_str()).collect();
    let piloted = judged.iter().any(|arm| bought.contains(arm));
    assert!(!piloted && judged.len() == 6, "{judged:?} {bought}");
    // Each component is scored where the forecasts say that they know and where they do not, beside the baselines.
    let scores = json["scores"].as_array().unwrap();
    let runs = |score: &serde_json::Value| score["runs"].as_u64().unwrap();
    assert_eq!(scores.iter().map(runs).sum::<u64>(), 6, "{scores:?}");
    assert!(scores.iter().all(|score| score["optimisers"] == "adamw" && score["baselines"]["dose alone"].is_number()));

    let page = ["--against", "run", "--html", "page.html", "--out", "run/forecast.json"];
    let found = titer(dir.path(), &[&small[..], &page].concat());
    assert!(found.status.success(), "{}", text(&found.stderr));
    let page = fs_err::read_to_string(dir.path().join("page.html")).unwrap();
    assert!(page.contains("open circles are measured") && page.contains("nearer than the forecast"));
    assert!(titer(dir.path(), &["report", "run"]).status.success());
    let report = fs_err::read_to_string(dir.path().join("run/report.html")).unwrap();
    assert!(report.contains("Forecast beside measured"));
}

#[test]
fn intervals_are_set_by_the_runs_of_one_seed_and_judge_those_of_another() {
    let dir = tempfile::tempdir().unwrap();
    let spec = format!("{SPEC}[sweep]\n\"train.mix.bad→good\" = [0.1, 0.5]\n").replace("[0]", "[0, 1]");
    fs_err::write(dir.path().join("spec.toml"), spec).unwrap();
    let run = titer(dir.path(), &["run", "spec.toml", "--out", "run"]);
    assert!(run.status.success(), "{}", text(&run.stderr));
    let small = [
        "forecast",
        "spec.toml",
        "--kernel",
        "kernels",
        "--rows",
        "16",
        "--contrasts",
        "8",
        "--calibrate",
        "spec.toml",
        "run",
    ];
    // The runs that are judged do not set what judges them.
    let found = titer(dir.path(), &[&small[..], &["--seeds", "1", "--against", "run", "--json"]].concat());
    assert!(found.status.success(), "{}", text(&found.stderr));
    assert!(text(&found.stderr).contains("intervals are set by 3 finished runs"), "{}", text(&found.stderr));
    let found = titer(dir.path(), &[&small[..], &["--html", "page.html"]].concat());
    assert!(text(&found.stderr).contains("intervals are set by 6 finished runs"), "{}", text(&found.stderr));
    // A folder without runs is told of before anything is measured.
    let found = titer(dir.path(), &["forecast", "spec.toml", "--calibrate", "spec.toml", "elsewhere"]);
    assert_eq!((found.status.code(), text(&found.stderr).lines().count()), (Some(2), 1), "{}", text(&found.stderr));
    // And so is one whose runs are of another spec.
    fs_err::write(dir.path().join("other.toml"), SPEC.replace("320", "640")).unwrap();
    for option in [&["--against", "run"][..], &["--calibrate", "other.toml", "run"]] {
        let found = titer(dir.path(), &[&["forecast", "other.toml", "--kernel", "unmeasured"], option].concat());
        let error = text(&found.stderr);
        assert_eq!(found.status.code(), Some(2), "{error}");
        assert!(error.starts_with("error: no run of this spec is finished in run; runs have other names"), "{error}");
        assert!(!dir.path().join("unmeasured").exists(), "nothing is measured before that");
    }
}
