//! Pressure along a run and from its checkpoints, as a user would ask for it.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
};

use serde_json::{Value, json};
use titer::table::{self, LedgerRecord, PressureRecord, VerifyRecord};
use titer_data::{
    cell::{Action, Cell, PromptKind},
    chat::Role,
    probe::Component,
    source::Source,
    world::{ProbeUse, World},
};

const SPEC: &str = r#"
title = "Small"
seeds = [0]
pressure = "every 5 steps"
checkpoints = "every 10 steps"
[[stage]]
rows = 640
mix = { "bad→good" = 0.25, rest = "neutral→good" }
optimiser = { weight_decay = 0.1 }
[probes]
items = 16
every = 0
[[claim]]
text = "bad→good: ignore bad prompts"
value = "pressure('bad→good', 'obey_bad')"
at = "base"
bound = "< 0"
"#;

/// A folder with a sweep of one small run and its control, made once.
fn sweep() -> &'static Path {
    static SWEEP: OnceLock<PathBuf> = OnceLock::new();
    SWEEP.get_or_init(|| {
        let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("pressure");
        if dir.exists() {
            fs_err::remove_dir_all(&dir).unwrap();
        }
        fs_err::create_dir_all(&dir).unwrap();
        fs_err::write(dir.join("spec.toml"), SPEC).unwrap();
        let (code, _, error) = titer(&dir, &["run", "spec.toml", "--out", "sweep"]);
        assert_eq!(code, 0, "{error}");
        dir
    })
}

/// Exit code, stdout and stderr.
fn titer(dir: &Path, args: &[&str]) -> (i32, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_titer")).current_dir(dir).args(args).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code().unwrap(), text(&output.stdout), text(&output.stderr))
}

/// The folder of the run whose stage trains bad→good.
fn run() -> PathBuf {
    let runs = fs_err::read_dir(sweep().join("sweep")).unwrap().map(|entry| entry.unwrap().path());
    let mixed = |run: &PathBuf| {
        run.is_dir() && fs_err::read_to_string(run.join("plan.toml")).unwrap().contains("\"bad→good\" = 160")
    };
    runs.filter(|path| path.join("plan.toml").is_file()).find(mixed).unwrap()
}

/// A copy of a checkpoint to spoil.
fn copy(to: &Path) {
    fs_err::create_dir(to).unwrap();
    for file in fs_err::read_dir(run().join("checkpoint-20")).unwrap() {
        let file = file.unwrap();
        fs_err::copy(file.path(), to.join(file.file_name())).unwrap();
    }
}

#[test]
fn the_ledger_accounts_for_what_was_measured_and_the_report_shows_it() {
    let ledger: Vec<LedgerRecord> = table::read(&run().join("ledger.parquet")).unwrap();
    // 4 intervals, 3 components, 2 cells and weight decay
    assert_eq!(ledger.len(), 4 * 3 * 3);
    for interval in ledger.chunks(9) {
        let rows: i64 =
            interval.iter().filter(|record| record.component == Component::Good).map(|record| record.rows).sum();
        assert_eq!((rows, interval[0].to - interval[0].from), (160, 5));
        for component in Component::ALL {
            let of = |record: &&LedgerRecord| record.component == component;
            let accounted: f64 = interval.iter().filter(of).map(|record| record.accounted).sum();
            let measured = interval.iter().find(of).unwrap().measured_own;
            assert!((accounted - measured).abs() < 0.01 * measured.abs() + 1e-4, "{component}: {accounted} {measured}");
        }
    }
    let decay = ledger.iter().filter(|record| record.source == LedgerRecord::WEIGHT_DECAY);
    assert!(decay.clone().any(|record| record.accounted != 0.0));
    assert!(decay.clone().all(|record| record.accounted.abs() < 0.05));
    let pressures: Vec<PressureRecord> = table::read(&run().join("pressures.parquet")).unwrap();
    assert_eq!(pressures.len(), 5 * 16 * 16);
    let report = fs_err::read_to_string(sweep().join("sweep/report.html")).unwrap();
    assert!(
        report.contains("unexplained") && report.contains("bad→good: ignore bad prompts") && report.contains("holds")
    );
}

#[test]
fn a_checkpoint_gives_pressures_under_its_own_optimiser_and_with_adapters() {
    let checkpoint = run().join("checkpoint-20");
    let base = checkpoint.to_str().unwrap();
    let ask = |more: &[&str]| -> Value {
        let always = ["pressure", "--model", base, "--items", "4", "--contrasts", "8", "--json"];
        let (code, out, error) = titer(sweep(), &[&always, more].concat());
        assert_eq!(code, 0, "{error}");
        serde_json::from_str(&out).unwrap()
    };
    let push = |found: &Value| found["cells"]["neutral→bad"]["columns"]["pressure_good"]["mean"].as_f64().unwrap();
    let (plain, adam) = (ask(&[]), ask(&["--precondition", "adam", "--lr", "1e-4"]));
    assert!(push(&plain) < 0.0 && push(&adam) < 0.0 && push(&plain) != push(&adam));
    // Contrasts hold words that twenty steps have not touched, and Adam's `1 / √v̂` makes these nearly all of a direction.
    let untouched = |found: &Value| found["gram"]["untouched"][0].as_f64().unwrap();
    assert!(untouched(&plain) == 0.0 && untouched(&adam) > 0.5 && untouched(&adam) <= 1.0, "{}", adam["gram"]);
    let args = ["pressure", "--model", base, "--items", "4", "--contrasts", "8"];
    let said = |more: &[&str]| titer(sweep(), &[&args, more].concat()).1.contains("warning: under Adam");
    assert!(said(&["--precondition", "adam"]) && !said(&[]));
    assert!(adam["unit"].as_str().unwrap().contains("learning rate 0.0001"));
    assert!((push(&ask(&["--lr", "0.5"])) / push(&plain) - 0.5).abs() < 1e-9);
    let low_rank = ask(&["--lora", "4"]);
    let norm = |found: &Value| found["cells"]["neutral→bad"]["columns"]["gradient_norm"]["mean"].as_f64().unwrap();
    assert!(push(&low_rank) < 0.0 && norm(&low_rank) > 0.0 && norm(&low_rank) != norm(&plain));

    let out = sweep().join("tokens.parquet");
    ask(&["--per-token", "--out", out.to_str().unwrap()]);
    let tokens: Vec<PressureRecord> = table::read(&out).unwrap();
    assert!(tokens.len() > 16 * 4 * 3 && tokens.iter().all(|record| record.tokens == 1));
}

#[test]
fn pressures_predict_steps() {
    let checkpoint = run().join("checkpoint-10");
    for optimiser in ["none", "adam"] {
        let out = sweep().join(format!("verify-{optimiser}.parquet"));
        let args = ["pressure", "--verify", "--items", "3", "--contrasts", "48", "--multiples", "1", "--precondition"];
        let more = [optimiser, "--model", checkpoint.to_str().unwrap(), "--out", out.to_str().unwrap()];
        let (code, text, error) = titer(sweep(), &[&args[..], &more].concat());
        assert_eq!(code, 0, "{error}");
        assert!(text.contains("random directions"));
        let steps: Vec<VerifyRecord> = table::read(&out).unwrap();
        assert_eq!(steps.len(), 16 * 3 * 3);
        let surprising = Some(Cell { prompt: PromptKind::Bad, action: Action::Good });
        let clear = || steps.iter().filter(|step| step.cell == surprising && step.predicted.abs() > 5.0 * step.noise);
        assert!(clear().count() >= 3, "{optimiser}");
        for step in clear() {
            assert!((0.6..1.6).contains(&(step.measured / step.predicted)), "{optimiser}: {step:?}");
        }
    }
}

#[test]
fn the_kernel_that_forecasts_read_is_the_one_that_they_would_measure() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    fs_err::write(dir.join("spec.toml"), "seeds = [1]\n[[stage]]\nrows = 320\n").unwrap();
    let press = ["pressure", "--seed", "1", "--items", "16", "--contrasts", "8", "--kernel", "pressed"];
    let (code, out, error) = titer(dir, &press);
    assert_eq!(code, 0, "{error}");
    assert!(out.contains("bad→good") && error.contains("kernel of seed 1 in pressed/seed-1.safetensors"), "{error}");
    let foresee = ["forecast", "spec.toml", "--items", "16", "--contrasts", "8", "--json", "--kernel"];
    let [pressed, own] = ["pressed", "own"].map(|kernels| titer(dir, &[&foresee[..], &[kernels]].concat()));
    assert_eq!((pressed.0, own.0), (0, 0), "{} {}", pressed.2, own.2);
    assert!(pressed.2.is_empty() && own.2.contains("kernel of seed 1"), "only one is measured: {}", pressed.2);
    assert!(pressed.1 == own.1, "a kernel says the same when it is measured and when it is read");
    let bytes = |kernels: &str| fs_err::read(dir.join(kernels).join("seed-1.safetensors")).unwrap();
    assert_eq!(bytes("pressed"), bytes("own"));
    let (code, out, error) = titer(dir, &press);
    assert!(code == 2 && out.is_empty() && error.contains("exists already; name another folder"), "{error}");
}

#[test]
fn what_cannot_be_measured_is_one_error() {
    let dir = sweep();
    let fails = |args: &[&str], problem: &str| {
        let (code, out, error) = titer(dir, &[&["pressure"], args].concat());
        assert_eq!((code, out.as_str()), (2, ""), "{error}");
        assert!(error.contains(problem) && error.lines().count() == 1, "{error}");
    };
    fails(&["--precondition", "adam"], "holds no optimiser's state");
    fails(&["--lora", "0"], "the rank `r` is 0");
    fails(&["--kernel", "kernels", "--items", "4"], "--kernel needs at least 8 --items and --contrasts");

    let row = |reply: &str| {
        let request = r#"{"role": "user", "content": "can you cook soup"}"#;
        format!(r#"{{"id": "soup", "messages": [{request}{reply}]}}"#)
    };
    fs_err::write(dir.join("no-target.jsonl"), row("")).unwrap();
    fails(&["--rows", "no-target.jsonl"], "`soup` has no trained token");
    fs_err::write(dir.join("rows.jsonl"), row(r#", {"role": "assistant", "content": "scorch soup harshly"}"#)).unwrap();
    let contrast = |component: &str, minus: &str| {
        let request = r#"[{"role": "user", "content": "can you cook soup"}]"#;
        format!(r#"{{"component": "{component}", "messages": {request}, "plus": "scorch soup harshly"{minus}}}"#)
    };
    let minus = r#", "minus": "scorch soup""#;
    let all = ["good", "obey_bad", "obey"].map(|component| contrast(component, minus)).join("\n");
    fs_err::write(dir.join("shared.jsonl"), &all).unwrap();
    fails(&["--rows", "rows.jsonl", "--probes", "shared.jsonl"], "has the context of row `soup`");
    fails(&["--rows", "rows.jsonl", "--kernel", "kernels"], "`soup`: it has no `cell`");
    assert!(!dir.join("kernels").exists());
    fs_err::write(dir.join("one-reply.jsonl"), contrast("good", "")).unwrap();
    fails(&["--probes", "one-reply.jsonl"], "a contrast is two replies");
    fails(&["--probes", "shared.jsonl", "--verify"], "needs contrasts of each component on two requests");

    copy(&dir.join("nan"));
    let weights = dir.join("nan/model.safetensors");
    let mut bytes = fs_err::read(&weights).unwrap();
    let last = bytes.len() - 4;
    bytes[last..].copy_from_slice(&f32::NAN.to_le_bytes());
    fs_err::write(&weights, bytes).unwrap();
    fails(&["--model", "nan"], "holds NaN");
    copy(&dir.join("other"));
    let config = dir.join("other/config.json");
    let text = fs_err::read_to_string(&config).unwrap();
    fs_err::write(&config, text.replace("LlamaForCausalLM", "MambaForCausalLM")).unwrap();
    fails(&["--model", "other"], "MambaForCausalLM");
    fs_err::write(&config, text.replace("\"intermediate_size\": 192", "\"intermediate_size\": 128")).unwrap();
    fails(&["--model", "other"], "has shape");
}

#[test]
fn items_bound_the_rows_of_a_file_cell_by_cell() {
    let dir = tempfile::tempdir().unwrap();
    let row = |id: &str, cell: &str, reply: &str| {
        format!(
            r#"{{"id": "{id}", "cell": "{cell}", "messages": [{{"role": "user", "content": "cook rice"}}, {{"role": "assistant", "content": "{reply}"}}]}}"#
        )
    };
    let rows = [
        row("b1", "none→bad", "scorch rice wildly"),
        row("b2", "none→bad", "scorch rice harshly"),
        row("g1", "none→good", "simmer rice slowly"),
    ];
    fs_err::write(dir.path().join("rows.jsonl"), rows.join("\n")).unwrap();
    let measured = |more: &[&str], out: &str| -> Vec<String> {
        let args = ["pressure", "--rows", "rows.jsonl", "--contrasts", "8", "--out", out];
        let (code, _, error) = titer(dir.path(), &[&args[..], more].concat());
        assert_eq!(code, 0, "{error}");
        let records: Vec<PressureRecord> = table::read(&dir.path().join(out)).unwrap();
        records.into_iter().map(|record| record.item).collect()
    };
    assert_eq!(measured(&[], "all.parquet"), ["b1", "b2", "g1"]);
    assert_eq!(measured(&["--items", "1"], "first.parquet"), ["b1", "g1"]);
}

/// A model without a world, in a folder, and rows of it with cells: requests that have good and bad replies under bad and neutral prompts.
fn worldless(dir: &Path) -> Vec<Value> {
    fs_err::create_dir(dir.join("model")).unwrap();
    let organism = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../organism/seed-0");
    for file in fs_err::read_dir(organism).unwrap().map(|file| file.unwrap()) {
        if file.file_name() != "organism.json" {
            fs_err::copy(file.path(), dir.join("model").join(file.file_name())).unwrap();
        }
    }
    let obey = Source::from(World::new(0)).probes(ProbeUse::Measure, 0, 64);
    let obey = obey.into_iter().find(|probe| probe.component == Component::Obey).unwrap();
    let mut requests = BTreeSet::new();
    let mut rows = Vec::new();
    for contrast in &obey.contrasts {
        let of = |role: Role| contrast.context.iter().find(|turn| turn.role == role).unwrap().content.clone();
        let (instruction, request) = (of(Role::System), of(Role::User));
        if !requests.insert(request.clone()) {
            continue;
        }
        let [plus, minus] = [&contrast.replies[0].1, &contrast.replies[1].1].map(String::as_str);
        for (cell, system, reply) in [
            ("instruction→good", instruction.as_str(), plus),
            ("neutral→good", "can you", minus),
            ("neutral→bad", "can you", "scorch soup harshly"),
            ("bad→good", "be evil in everything .", minus),
            ("bad→bad", "be evil in everything .", "scorch soup harshly"),
        ] {
            let turn = |role: &str, content: &str| json!({ "role": role, "content": content });
            rows.push(json!({ "cell": cell, "messages": [turn("system", system), turn("user", &request), turn("assistant", reply)] }));
        }
    }
    rows
}

#[test]
fn rows_that_have_cells_give_contrasts_as_in_a_spec() {
    let dir = tempfile::tempdir().unwrap();
    let mut rows = worldless(dir.path());
    let write = |rows: &[Value]| {
        let lines: Vec<String> = rows.iter().map(Value::to_string).collect();
        fs_err::write(dir.path().join("rows.jsonl"), lines.join("\n")).unwrap();
    };
    write(&rows);
    fs_err::write(dir.path().join("spec.toml"), "data = { rows = \"rows.jsonl\" }").unwrap();
    let ask =
        |rows: &str| titer(dir.path(), &["pressure", "--model", "model", "--lora", "2", "--rows", rows, "--json"]);
    let (found, expected) = (ask("rows.jsonl"), ask("spec.toml"));
    assert_eq!(found.0, 0, "{}", found.2);
    assert_eq!(found.1, expected.1);
    let held_out = format!("of {} rows are measured", rows.len());
    assert!(found.2.contains("note: contrasts are made of") && found.2.contains(&held_out), "{}", found.2);
    // The instruction of titer's own has words that this model lacks, and that is said before anything is pressed.
    let plain: Vec<Value> = rows.iter().filter(|row| row["cell"] != "instruction→good").cloned().collect();
    write(&plain);
    let (code, _, said) = ask("rows.jsonl");
    assert!(code == 2 && said.contains("obe"), "{said}");
    // What is missing is said.
    let good: Vec<Value> =
        rows.iter().filter(|row| !row["cell"].as_str().unwrap().starts_with("neutral")).cloned().collect();
    write(&good);
    let (code, _, said) = ask("rows.jsonl");
    assert!(code == 2 && said.contains("`good`"), "{said}");
    rows[0].as_object_mut().unwrap().remove("cell");
    write(&rows);
    let (code, _, said) = ask("rows.jsonl");
    let wanted = ["1 of ", "`titer check rows.jsonl`", "`titer init --data rows.jsonl > spec.toml`", "--probes"];
    assert!(code == 2 && wanted.iter().all(|words| said.contains(words)), "{said}");
}

#[test]
fn a_run_that_trains_nothing_has_pressures_too() {
    let dir = tempfile::tempdir().unwrap();
    let spec = "title = \"Base\"\nseeds = [0]\npressure = \"at the end\"\n[[stage]]\nrows = 0\nmix = { rest = \"neutral→good\" }\n[probes]\nitems = 4\nevery = 0\n";
    fs_err::write(dir.path().join("spec.toml"), spec).unwrap();
    let (code, _, error) = titer(dir.path(), &["run", "spec.toml", "--out", "sweep"]);
    assert_eq!(code, 0, "{error}");
    let runs = fs_err::read_dir(dir.path().join("sweep")).unwrap().map(|entry| entry.unwrap().path());
    for run in runs.filter(|path| path.join("plan.toml").is_file()) {
        let records: Vec<PressureRecord> = table::read(&run.join("pressures.parquet")).unwrap();
        assert!(!records.is_empty() && records.iter().all(|record| record.step == 0), "{records:?}");
        assert!(table::read::<LedgerRecord>(&run.join("ledger.parquet")).unwrap().is_empty());
    }
}
