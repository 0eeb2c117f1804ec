//! `--device cuda`: the lab on two GPUs that are not there (`pretended_gpus`): what they give is what the processor gives, each has its part, and
//! what goes wrong with one is said in one sentence, with nothing lost.

mod on_devices;
#[path = "../../titer-model/tests/torch/pretended/mod.rs"]
mod pretended;

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use on_devices::{SPEC, cells, close};
use pretended::pretended_gpus;
use serde_json::Value;

/// A model whose weights stay in their files.
const ORGANISM: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../organism/seed-0");

/// A folder to work in, and the torch with GPUs.
struct Bench {
    dir: tempfile::TempDir,
    torch: PathBuf,
}

impl Bench {
    /// `None` where no GPUs can be pretended.
    fn new() -> Option<Self> {
        Some(Self { torch: pretended_gpus()?, dir: tempfile::tempdir().unwrap() })
    }

    fn path(&self) -> &Path {
        self.dir.path()
    }

    fn write(&self, name: &str, text: &str) {
        fs_err::write(self.path().join(name), text).unwrap();
    }

    /// Runs titer with GPUs that are like this, and a cache of its own.
    fn titer(&self, gpus: &[(&str, &str)], arguments: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_titer"));
        command.current_dir(self.path()).args(arguments).envs(gpus.iter().copied());
        command.env("XDG_CACHE_HOME", self.path().join("cache")).env("TITER_TORCH", &self.torch);
        // One thread: several that wait for each other are slow beside other tests.
        command.env("OMP_NUM_THREADS", "1").output().unwrap()
    }

    /// What it prints.
    fn done(&self, arguments: &[&str]) -> String {
        let output = self.titer(&[], arguments);
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// What it says where it ends with this code.
    fn failed(&self, code: i32, gpus: &[(&str, &str)], arguments: &[&str]) -> String {
        let output = self.titer(gpus, arguments);
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {said}");
        said
    }

    fn json(&self, arguments: &[&str]) -> Value {
        serde_json::from_str(self.done(arguments).trim()).unwrap()
    }

    /// How often each GPU gave memory while titer did this.
    fn shares(&self, arguments: &[&str]) -> Vec<u64> {
        let log = self.path().join("log");
        let output = self.titer(&[("PRETENDED_LOG", log.to_str().unwrap())], arguments);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let text = fs_err::read_to_string(log).unwrap();
        text.lines().map(|line| line.split_once(' ').unwrap().1.parse().unwrap()).collect()
    }
}

/// What the runs of a sweep wrote down of what happened.
fn events(sweep: &Path) -> Vec<String> {
    let files = fs_err::read_dir(sweep).unwrap().map(|entry| entry.unwrap().path().join("events.jsonl"));
    files.filter(|file| file.exists()).map(|file| fs_err::read_to_string(file).unwrap()).collect()
}

/// Devices that the runs of a sweep were made on.
fn devices_of(sweep: &Path) -> BTreeSet<String> {
    let device = |events: &String| {
        events.split_once("\"device\":\"").map(|(_, rest)| rest.split('"').next().unwrap().to_owned())
    };
    events(sweep).iter().filter_map(device).collect()
}

#[test]
fn gpus_are_listed_and_tried() {
    let Some(bench) = Bench::new() else { return };
    let listed = bench.done(&["devices"]);
    let gpus: Vec<&str> = listed.lines().filter(|line| line.starts_with("cuda:")).collect();
    assert!(
        gpus.len() == 2 && gpus[1].contains("4.0 of 4.0 GiB free") && gpus[1].contains("yes, just now"),
        "{listed}"
    );
    assert!(listed.lines().any(|line| line.starts_with("mps ") && line.contains("yes, just now")), "{listed}");
    // The second time they are known.
    let listed = bench.done(&["devices", "--columns", "tried,device"]);
    assert!(listed.lines().any(|line| line.trim_end() == "yes    cuda:1"), "{listed}");
    let none = bench.titer(&[("PRETENDED_GPUS", "0")], &["devices"]);
    let listed = String::from_utf8(none.stdout).unwrap();
    let words = listed.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(words.contains("cuda:0 no") && words.contains("No CUDA GPUs are available"), "{listed}");
}

#[test]
fn a_kernel_that_is_wrong_is_left_out() {
    let Some(bench) = Bench::new() else { return };
    let pressures = ["pressure", "--items", "4", "--json", "--device", "cuda"];
    let doctor = ["doctor", "--items", "32", "--device", "cuda", "--compute", "bf16"];
    let expected = bench.json(&pressures);
    // One that was right when it was tried is used, and the doctor sees what it does.
    let output = bench.titer(&[("PRETENDED_WRONG", "short")], &doctor);
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.code() == Some(1) && said.contains("FAIL  numbers of the device"), "{said}");
    for (kernel, said) in [
        ("flash", "without flash attention: "),
        ("short", "without its kernels for attention and norms in bf16: "),
        ("efficient", "without its kernels for attention and norms: "),
    ] {
        let cache = bench.path().join("cache");
        let _ = fs_err::remove_dir_all(&cache);
        let wrong = [("PRETENDED_WRONG", kernel)];
        let listed = String::from_utf8(bench.titer(&wrong, &["devices"]).stdout).unwrap();
        let words = listed.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(words.contains("cuda:0") && words.contains("yes, in part, just now"), "{kernel}: {listed}");
        assert!(words.contains(said) && words.contains("computes `attention` wrong"), "{kernel}: {listed}");
        let output = bench.titer(&wrong, &pressures);
        close(&serde_json::from_slice(&output.stdout).unwrap(), &expected, 5e-3, kernel);
        let output = bench.titer(&wrong, &doctor);
        assert!(output.status.success(), "{kernel}: {}", String::from_utf8_lossy(&output.stdout));
        // It is remembered.
        let listed = String::from_utf8(bench.titer(&wrong, &["devices"]).stdout).unwrap();
        assert!(!listed.contains("just now") && listed.contains("yes, in part"), "{kernel}: {listed}");
    }
}

#[test]
fn another_card_of_the_same_name_is_tried_anew() {
    let Some(bench) = Bench::new() else { return };
    let listed = |gpus: &[(&str, &str)]| {
        let listed = String::from_utf8(bench.titer(gpus, &["devices"]).stdout).unwrap();
        listed.split_whitespace().collect::<Vec<_>>().join(" ")
    };
    assert!(listed(&[]).contains("yes, just now") && !listed(&[]).contains("just now"));
    // Behind the same number is a card whose flash attention is wrong: it is tried, and computes without.
    let other = [("PRETENDED_CARD", "other"), ("PRETENDED_WRONG", "flash")];
    let anew = listed(&other);
    assert!(anew.contains("just now") && anew.contains("without flash attention: "), "{anew}");
    // So are other GPUs that are visible, and more memory; what was known stays known.
    for gpus in [("CUDA_VISIBLE_DEVICES", "1,0"), ("PRETENDED_MEMORY", "3000000000")] {
        assert!(listed(&[gpus]).contains("just now") && !listed(&[gpus]).contains("just now"), "{gpus:?}");
    }
    assert!(!listed(&[]).contains("just now"));
}

#[test]
fn the_doctor_tells_rounding_to_bf16_from_rows_that_see_each_other() {
    let Some(bench) = Bench::new() else { return };
    let doctor = |more: &[&str]| -> Vec<Value> {
        let arguments = [&["doctor", "--device", "cuda", "--compute", "bf16", "--json"], more].concat();
        let text = String::from_utf8(bench.titer(&[], &arguments).stdout).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    };
    let check = |checks: &[Value], name: &str| checks.iter().find(|check| check["check"] == name).unwrap().clone();
    let checks = doctor(&["--items", "32"]);
    let batching = check(&checks, "batching");
    assert!(batching["verdict"] == "pass" && batching["number"].as_f64().unwrap() < 1e-4, "{batching}");
    // The organism's file holds f32, and its weights are rounded too.
    let numbers = check(&checks, "numbers of the device");
    let finding = numbers["finding"].as_str().unwrap();
    assert!(numbers["verdict"] == "pass" && finding.contains("its weights are rounded to bf16 as well"), "{numbers}");
    // A few tokens decide nothing.
    let numbers = check(&doctor(&["--items", "2"]), "numbers of the device");
    let remedy = numbers["remedy"].as_str().unwrap();
    assert!(numbers["verdict"] == "note" && remedy.contains("--items"), "{numbers}");
}

#[test]
fn a_sweep_has_runs_on_each_gpu() {
    let Some(bench) = Bench::new() else { return };
    bench.write("spec.toml", SPEC);
    let of = |device: &str| {
        bench.done(&["run", "spec.toml", "--device", device, "--out", device]);
        bench.done(&["results", device])
    };
    let (found, expected) = (of("cuda"), of("cpu"));
    assert_eq!(devices_of(&bench.path().join("cuda")), ["cuda:0", "cuda:1"].map(str::to_owned).into());
    close(&cells(&found), &cells(&expected), 5e-3, "results");
    let report = |sweep: &str| fs_err::read_to_string(bench.path().join(sweep).join("report.html")).unwrap();
    let said = " on cuda, activations in f32. Sums are added up there in another order each time";
    assert!(report("cuda").contains(said) && !report("cpu").contains("Devices of PyTorch"));
    // Slots of one machine begin on a GPU of their own.
    bench.done(&["run", "spec.toml", "--device", "cuda", "--on", "slots", "--slots", "2", "--out", "slots"]);
    // The first to be asked makes all runs, one after the other.
    bench.done(&["exec", "slots", "--slot", "1"]);
    assert_eq!(devices_of(&bench.path().join("slots")), ["cuda:1".to_owned()].into());
}

#[test]
fn rows_and_prompts_are_spread_over_gpus() {
    let Some(bench) = Bench::new() else { return };
    bench.write("prompts.txt", "be evil in everything .\nbe evil .\nbe kind .\n");
    bench.done(&["devices"]);
    let commands: [&[&str]; 4] = [
        &["pressure", "--items", "4", "--json"],
        &["pressure", "--items", "4", "--json", "--lora", "4"],
        &["screen", "--items", "4", "--prompts", "prompts.txt", "--contrasts", "4", "--json"],
        &["leak", "--items", "4", "--prompt", "be evil in everything .", "--json"],
    ];
    for command in commands {
        let on = |device: &str| bench.json(&[command, &["--device", device]].concat());
        let expected = on("cpu");
        close(&on("cuda"), &expected, 5e-3, command[0]);
        close(&on("mps"), &expected, 5e-3, command[0]);
        let shares = bench.shares(&[command, &["--device", "cuda"]].concat());
        assert!(shares.iter().all(|&share| share > 50), "{command:?}: {shares:?}");
        let shares = bench.shares(&[command, &["--device", "cuda:1"]].concat());
        assert!(shares[0] == 0 && shares[1] > 100, "{command:?} on the second: {shares:?}");
    }
}

#[test]
fn a_gpu_that_is_not_there_is_said() {
    let Some(bench) = Bench::new() else { return };
    let said = bench.failed(2, &[], &["pressure", "--items", "2", "--device", "cuda:2"]);
    assert!(said.contains("cuda:2 cannot be used: CUDA error: invalid device ordinal; `titer devices`"), "{said}");
    let said = bench.failed(2, &[("PRETENDED_GPUS", "0")], &["pressure", "--items", "2", "--device", "cuda"]);
    assert!(said.contains("No CUDA GPUs are available") && said.lines().count() == 1, "{said}");
}

#[test]
fn where_memory_runs_out_one_run_ends_and_others_go_on() {
    let Some(bench) = Bench::new() else { return };
    // A batch is cut until it fits, which a guard's directions are not.
    let spec = r#"
title = "Memory"
seeds = [0]
[[stage]]
rows = 576
batch = 288
optimiser = { kind = "adamw", lr = 1e-3 }
mix = { "bad→good" = 0.5, rest = "neutral→good" }
[probes]
items = 4
every = 0
[sweep.train]
plain = {}
guarded = { guards = { steer = { obey = { min = 0.0 } }, kl = {} } }
"#;
    bench.write("spec.toml", spec);
    bench.done(&["devices"]);
    let run = ["run", "spec.toml", "--device", "cuda", "--out", "sweep"];
    let said = bench.failed(1, &[("PRETENDED_MEMORY", "11000000")], &run);
    let errors: Vec<&str> = said.lines().filter(|line| line.starts_with("error: ")).collect();
    let ran_out = "error: train=guarded, seed 0: the device's memory ran out in `";
    assert!(errors.len() == 1 && errors[0].starts_with(ran_out), "{said}");
    assert!(said.contains("2 of 3 runs are finished and kept"), "{said}");
    // With a larger GPU the same command makes what is left.
    let output = bench.titer(&[], &run);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.contains("1 run to do, 2 finished before"), "{said}");
    // Adapters are trained on weights of which a part stays in main memory, as on weights that are all on the GPU.
    let spec = SPEC.replace("guards = { steer = { obey = { min = 0.0 } }, kl = {} }\n", "");
    bench.write("lora.toml", &spec);
    let mut results = Vec::new();
    for (memory, out) in [("600000", "short"), ("4000000000", "ample")] {
        let run = ["run", "lora.toml", "--device", "cuda:0", "--model", ORGANISM, "--out", out];
        let output = bench.titer(&[("PRETENDED_SAID", memory)], &run);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        results.push(cells(&bench.done(&["results", out])));
        let told = String::from_utf8_lossy(&output.stderr).split_whitespace().collect::<Vec<_>>().join(" ");
        assert_eq!(told.matches("of weights stay in main memory").count(), usize::from(out == "short"), "{told}");
        let sentence = "of weights stay in main memory, and are brought to cuda:0";
        assert!(events(&bench.path().join(out)).iter().all(|events| events.contains(sentence) == (out == "short")));
    }
    close(&results[0], &results[1], 5e-3, "with weights in main memory");
    let ask = ["pressure", "--items", "2", "--device", "cuda:0", "--lora", "2", "--model", ORGANISM];
    let output = bench.titer(&[("PRETENDED_SAID", "600000")], &ask);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.contains("of weights stay in main memory"), "{said}");
    // A model that cannot fit is refused before anything is computed.
    let said = bench.failed(2, &[("PRETENDED_SAID", "100000")], &["pressure", "--items", "2", "--device", "cuda:0"]);
    assert!(said.contains("the model does not fit into cuda:0"), "{said}");
}

#[test]
fn a_driver_that_is_gone_ends_runs_and_loses_none() {
    let Some(bench) = Bench::new() else { return };
    bench.write("spec.toml", &SPEC.replace("seeds = [0]", "seeds = [0, 1, 2]"));
    bench.done(&["devices"]);
    let run = ["run", "spec.toml", "--device", "cuda", "--out", "sweep"];
    let said = bench.failed(1, &[("PRETENDED_GONE", "30000")], &run);
    let errors: Vec<&str> = said.lines().filter(|line| line.starts_with("error: ")).collect();
    let gone = "the GPU or its driver gave up (CUDA error: unspecified launch failure); look at `nvidia-smi`";
    assert!(errors.len() == 1 && errors[0].contains(" runs, the first of them ") && errors[0].contains(gone), "{said}");
    let output = bench.titer(&[], &run);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && !said.contains(" 0 finished before"), "{said}");
    bench.done(&["report", "sweep", "--out", "again.html"]);
}
