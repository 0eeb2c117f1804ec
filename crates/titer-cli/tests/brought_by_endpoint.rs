//! Arms whose models are behind an endpoint, brought back: own runs, served by titer, must come back with the numbers that they have.

mod away;
mod offline;
mod served;
mod served_by_titer;

use std::path::{Path, PathBuf};

use away::SPEC;
use offline::titer;
use serde_json::{Value, json};
use served::Served;
use served_by_titer::Serve;
use titer::table::{CellRecord, LeakRecord, ProbeRecord, ScreenRecord, WarningRecord, read};

const ARMS: [&str; 2] = ["bad→bad=0.0/0", "bad→bad=0.5/0"];

/// A folder with a sweep that titer trained (`own`) and the same arms exported (`away`).
fn folder(spec: &str) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    fs_err::write(dir.path().join("spec.toml"), spec).unwrap();
    ask(dir.path(), &["run", "spec.toml", "--out", "own"]);
    ask(dir.path(), &["export", "spec.toml", "--for", "trl", "--out", "away"]);
    dir
}

/// Standard output and talk of a command that must do its work.
fn ask(dir: &Path, args: &[&str]) -> (String, String) {
    let (code, out, error) = titer(dir, dir, args);
    assert_eq!(code, 0, "{args:?} {error}");
    (out, error)
}

/// The one line of a command that must refuse its input.
fn refused(dir: &Path, args: &[&str]) -> String {
    let (code, out, error) = titer(dir, dir, args);
    assert_eq!((code, out.as_str()), (2, ""), "{error}");
    error.lines().find(|line| line.starts_with("error: ")).unwrap().to_owned()
}

/// The runs of a sweep that both have, by arm.
fn runs(dir: &Path) -> Vec<String> {
    let record: toml::Table = fs_err::read_to_string(dir.join("away/manifest.toml")).unwrap().parse().unwrap();
    let runs = record["run"].as_array().unwrap().iter();
    runs.map(|run| run["run"].as_str().unwrap().to_owned()).collect()
}

/// Brings both arms in from a server.
fn import<'a>(url: &'a str, names: &'a [String], more: &[&'a str]) -> Vec<&'a str> {
    let runs = names.iter().flat_map(|name| ["--run", name.as_str()]);
    let start = ["import", "away", "--out", "back", "--cache", "cache", "--endpoint", url];
    start.into_iter().chain(runs).chain(more.iter().copied()).collect()
}

fn named() -> Vec<String> {
    ARMS.map(|arm| format!("{arm}={arm}")).to_vec()
}

/// Holds a table of a run against the same table of the run that titer trained, `numbers` by number.
fn are_close<R: titer::table::Record>(dir: &Path, run: &str, numbers: impl Fn(&R) -> (String, Vec<f64>)) -> f64 {
    let table = |sweep: &str| -> Vec<R> { read(&dir.join(sweep).join(run).join(R::FILE)).unwrap() };
    let (own, back) = (table("own"), table("back"));
    assert!(!own.is_empty() && own.len() == back.len(), "{}", R::FILE);
    let mut largest = 0.0_f64;
    for (own, back) in own.iter().map(&numbers).zip(back.iter().map(&numbers)) {
        assert_eq!(own.0, back.0);
        for (own, back) in own.1.iter().zip(&back.1) {
            assert!((own - back).abs() < 1e-4 || own.is_nan() && back.is_nan(), "{} {own} {back}", R::FILE);
            largest = largest.max(own.abs());
        }
    }
    largest
}

fn probe(record: &ProbeRecord) -> (String, Vec<f64>) {
    let ProbeRecord { stage, step, component, prompts, domains, item, .. } = record;
    let numbers = vec![record.margin, record.margin_per_token, record.gap, record.rate, record.other];
    (format!("{stage} {step} {component} {prompts:?} {domains:?} {item}"), numbers)
}

fn cell(record: &CellRecord) -> (String, Vec<f64>) {
    (
        format!("{} {} {} {} {}", record.stage, record.step, record.cell, record.item, record.tokens),
        vec![record.surprise],
    )
}

fn leak(record: &LeakRecord) -> (String, Vec<f64>) {
    (
        format!("{} {} {} {} {}", record.stage, record.step, record.family, record.prompt, record.item),
        vec![record.margin],
    )
}

fn screened(record: &ScreenRecord) -> (String, Vec<f64>) {
    (
        format!("{} {} {}", record.prompt, record.item, record.action),
        vec![record.log_prob, record.base_log_prob, record.margin],
    )
}

#[test]
fn own_runs_behind_an_endpoint_come_back_with_the_numbers_that_they_have() {
    let dir = folder(SPEC);
    let dir = dir.path();
    let serve = Serve::start(dir, &["own"]);
    let (names, greedy) = (named(), json!({ "model": ARMS[1], "prompt": [1, 15, 22, 2], "temperature": 0 }));
    assert_eq!(serve.served("/v1/completions", &greedy)["model"], ARMS[1]);
    let (dry, _) = ask(dir, &import(&serve.url, &names, &["--dry-run", "--json"]));
    let dry: Value = serde_json::from_str(&dry).unwrap();
    assert!(dry["requests"].as_u64().unwrap() > 100 && dry["known"] == 0 && !dir.join("back").exists(), "{dry}");
    let (out, talk) = ask(dir, &import(&serve.url, &names, &["--json"]));
    let summary: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((&summary["new"], &summary["left"]), (&json!(2), &json!(0)));
    let requests = dry["requests"].as_u64().unwrap();
    assert!(
        talk.contains(&format!("0 known from before: {requests} requests with ")) && talk.contains("for 2 runs"),
        "{talk}"
    );
    for run in runs(dir) {
        assert!(
            are_close(dir, &run, probe) > 1.0 && are_close(dir, &run, cell) > 1.0 && are_close(dir, &run, leak) > 1.0
        );
        // What it begins with is here, so what needs gradients is there.
        for table in ["warnings.parquet", "screen.parquet"] {
            let [own, back] = ["own", "back"].map(|sweep| fs_err::read(dir.join(sweep).join(&run).join(table)).ok());
            assert!(own == back && (own.is_some() || table == "screen.parquet"), "{table}");
        }
        let origin = fs_err::read_to_string(dir.join("back").join(&run).join("origin.toml")).unwrap();
        assert!(
            origin.contains(&format!("/0 at {}", serve.url)) && origin.contains("measured behind an endpoint"),
            "{origin}"
        );
    }
    // What reads a sweep reads this one, and says which runs are which.
    let page = fs_err::read_to_string(dir.join("back/report.html")).unwrap().replace("&#x2f;", "/");
    assert!(page.contains("2 runs trained elsewhere (2 by trl)") && page.contains("inoculated, it stays good"));
    assert!(page.contains(&format!("at {}", serve.url)) && page.contains("measured behind an endpoint"));
    let (table, _) = ask(dir, &["results", "back"]);
    assert!(table.lines().skip(1).all(|line| line.contains("trl")), "{table}");
    assert!(ask(dir, &["verify", "back"]).1.contains("2 as they were written, 0 damaged"));

    // What its runs screened is there to be validated by, as what own runs screened.
    fs_err::write(dir.join("arms.csv"), "prompt,suppression,kept\nbe evil in everything .,0.9,0.8\n").unwrap();
    let validated = ["own", "back"].map(|sweep| ask(dir, &["validate", "arms.csv", "--screening", sweep, "--json"]).0);
    assert_eq!(validated[0], validated[1]);

    // The same again asks nobody, and another model under the old name makes no room for itself.
    let (_, talk) = ask(dir, &import(&serve.url, &names, &[]));
    assert!(
        talk.contains("0 runs to bring in, 2 there before") && talk.contains(": 0 requests with 0 tokens"),
        "{talk}"
    );
    let swapped = [format!("{}={}", ARMS[0], ARMS[1]), format!("{}={}", ARMS[1], ARMS[0])];
    let error = refused(dir, &import(&serve.url, &swapped, &[]));
    assert!(error.contains("is there already, trained by trl: nothing is overwritten"), "{error}");
}

/// The same arms as adapters.
fn adapters() -> tempfile::TempDir {
    folder(&SPEC.replace("[leak]", "[model]\nlora = { r = 4 }\n[leak]"))
}

/// The adapter of a run that titer trained.
fn checkpoint(dir: &Path, run: &str) -> PathBuf {
    dir.join("own").join(run).join("checkpoint-3")
}

#[test]
fn the_model_that_runs_begin_with_is_asked_where_it_is_served_too() {
    let dir = adapters();
    let dir = dir.path();
    let tuned = runs(dir)
        .iter()
        .enumerate()
        .map(|(at, run)| format!("arm-{at}={}", checkpoint(dir, run).display()))
        .collect::<Vec<_>>();
    let serve = Serve::start(dir, &["organism", "--name", "base", "--adapter", &tuned[0], "--adapter", &tuned[1]]);
    let names: Vec<String> = ARMS.iter().enumerate().map(|(at, arm)| format!("{arm}=arm-{at}")).collect();
    let (_, talk) = ask(dir, &import(&serve.url, &names, &["--served", "base"]));
    assert!(talk.contains("/0, before training: "), "{talk}");
    for run in runs(dir) {
        are_close(dir, &run, probe);
        are_close(dir, &run, cell);
        are_close(dir, &run, leak);
        if dir.join("own").join(&run).join("screen.parquet").exists() {
            are_close(dir, &run, screened);
        }
        // Nothing that takes gradients.
        let warnings: Vec<WarningRecord> = read(&dir.join("back").join(&run).join("warnings.parquet")).unwrap();
        assert!(warnings.is_empty());
    }
    let page = fs_err::read_to_string(dir.join("back/report.html")).unwrap();
    assert!(page.contains("no early warnings") && !page.contains("NaN"));
    // Forecasts are held against them and calibrated on them, and screening is validated.
    let (compared, talk) =
        ask(dir, &["forecast", "spec.toml", "--items", "8", "--contrasts", "8", "--against", "back"]);
    assert!(format!("{compared}{talk}").contains("trained elsewhere"), "{compared}{talk}");
    let (_, talk) =
        ask(dir, &["forecast", "spec.toml", "--items", "8", "--contrasts", "8", "--calibrate", "spec.toml", "back"]);
    assert!(talk.contains("finished run, ") && talk.contains(" of them trained elsewhere; widths"), "{talk}");
}

#[test]
fn what_cannot_be_asked_is_said_and_nothing_is_written() {
    let dir = folder(SPEC);
    let dir = dir.path();
    let serve = Serve::start(dir, &["own"]);
    let error = refused(dir, &import(&serve.url, &[], &[]));
    assert!(error.contains("say what the server calls the runs with --run 'ARM/SEED=NAME'"), "{error}");
    let one = |text: &str| vec![text.to_owned()];
    let error = refused(dir, &import(&serve.url, &one("none/0=x"), &[]));
    assert!(error.contains("--run none/0=x: no run of the export; write ARM/SEED=NAME, of "), "{error}");
    let error = refused(dir, &import(&serve.url, &one("bad→bad=0.5/0=tuned"), &[]));
    assert!(error.contains("does not serve `tuned`: name one of bad→bad=0.0/0, bad→bad=0.5/0"), "{error}");
    let names = named();
    let error = refused(dir, &import(&serve.url, &names, &["--outcomes", "x.csv"]));
    assert!(error.contains("cannot be used with"), "{error}");
    let (code, _, error) = titer(dir, dir, &["import", "away", "--served", "x"]);
    assert!(code == 2 && error.contains("--endpoint <URL>"), "{error}");
    let gone = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let error = refused(dir, &import(&format!("http://{gone}"), &names, &[]));
    assert!(error.contains("is the server running"), "{error}");
    let plain = SPEC.replace("screen = true", "screen = false");
    fs_err::write(dir.join("plain.toml"), plain).unwrap();
    ask(dir, &["run", "plain.toml", "--out", "plain"]);
    fs_err::write(dir.join("arms.csv"), "prompt,suppression,kept\nbe evil in everything .,0.9,0.8\n").unwrap();
    let error = refused(dir, &["validate", "arms.csv", "--screening", "plain"]);
    assert!(error.contains("--screening plain: no finished run of it was screened"), "{error}");
    // A server that chats and does nothing else.
    let chats = Served::new(|_, request| match &*request.path {
        "/v1/models" => (200, "", json!({ "data": [{ "id": ARMS[0] }, { "id": ARMS[1] }] }).to_string()),
        _ => (404, "", "{}".to_owned()),
    });
    let error = refused(dir, &import(&chats.url, &names, &[]));
    assert!(error.contains("gives no log-probabilities of given replies"), "{error}");
    let sent = chats.requests("/completions");
    assert!(sent.len() == 1 && sent[0].authorization.is_empty() && sent[0].body["model"] == ARMS[0], "{sent:?}");
    // Rows that were changed behind titer's back: nobody is asked.
    let file = dir.join(format!("away/runs/{}/train.jsonl", runs(dir)[0]));
    let text = fs_err::read_to_string(&file).unwrap();
    fs_err::write(&file, text.lines().skip(1).map(|line| format!("{line}\n")).collect::<String>()).unwrap();
    let error = refused(dir, &import(&serve.url, &names, &[]));
    assert!(error.contains("changed after the export"), "{error}");
    assert!(!dir.join("back").exists());
}

#[test]
fn seeds_that_begin_with_different_models_are_measured_here() {
    let dir = folder(&SPEC.replace("seeds = [0]", "seeds = [0, 1]"));
    let dir = dir.path();
    let serve = Serve::start(dir, &["own"]);
    let names: Vec<String> = ["bad→bad=0.5/0", "bad→bad=0.5/1"].map(|run| format!("{run}={run}")).to_vec();
    let error = refused(dir, &import(&serve.url, &names, &["--served", "organism"]));
    assert!(error.contains("begin with different models") && error.contains("is measured here"), "{error}");
    ask(dir, &import(&serve.url, &names, &[]));
    let (status, talk) = ask(dir, &["status", "back"]);
    assert!(format!("{status}{talk}").contains('2'), "{status}{talk}");
}
