//! `--device`: the lab on PyTorch's devices does what it does on the processor, and what cannot be used is said in one sentence.
//!
//! PyTorch is the one that `TITER_TORCH` names; what needs it is skipped where that is not set.

mod on_devices;

use std::{
    io::Write as _,
    path::Path,
    process::{Command, Output},
};

use on_devices::{SPEC, cells, close};

/// Runs titer in a folder, whose cache is its own, with a path that has no Python.
fn titer(dir: &Path, torch: Option<&Path>, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_titer"));
    command.current_dir(dir).args(arguments).env("XDG_CACHE_HOME", dir.join("cache")).env("PATH", dir);
    for variable in ["TITER_TORCH", "VIRTUAL_ENV", "CONDA_PREFIX"] {
        command.env_remove(variable);
    }
    // One thread: several that wait for each other are slow beside other tests.
    command.env("OMP_NUM_THREADS", "1").env("CUDA_VISIBLE_DEVICES", "");
    if let Some(torch) = torch {
        command.env("TITER_TORCH", torch);
    }
    command.output().unwrap()
}

fn done(output: Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// What is said of bad input: exit code 2, and one line.
fn refused(output: Output) -> String {
    assert_eq!(output.status.code(), Some(2), "{}", String::from_utf8_lossy(&output.stdout));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.starts_with("error: ") && said.trim_end().lines().count() == 1, "{said}");
    said
}

fn torch() -> Option<std::path::PathBuf> {
    let found = std::env::var_os("TITER_TORCH").map(Into::into);
    if found.is_none() {
        writeln!(std::io::stderr(), "skipped: TITER_TORCH names no PyTorch").expect("stderr is open");
    }
    found
}

#[test]
fn what_is_not_there_is_said_in_one_sentence() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path();
    let said = refused(titer(path, None, &["pressure", "--items", "2", "--device", "cuda"]));
    assert!(said.contains("no PyTorch was found") && said.contains("pip install torch"), "{said}");
    let said = refused(titer(path, None, &["pressure", "--items", "2", "--device", "torch-cpu", "--torch", "nowhere"]));
    assert!(said.contains("--torch names nowhere"), "{said}");
    // A variable that is empty names nothing, and what is wrong with a Python is said.
    let said = refused(titer(path, Some(Path::new("")), &["pressure", "--items", "2", "--device", "torch-cpu"]));
    assert!(said.contains("looked for in python3 on the path, which is not there; python on the path"), "{said}");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let python = path.join("python3");
        fs_err::write(&python, "#!/bin/sh\necho activated\necho broken >&2\nexit 3\n").unwrap();
        fs_err::set_permissions(&python, std::fs::Permissions::from_mode(0o755)).unwrap();
        let said = refused(titer(path, None, &["pressure", "--items", "2", "--device", "torch-cpu"]));
        assert!(said.contains("python3 on the path, which did not say (exit status: 3: broken)"), "{said}");
        fs_err::remove_file(python).unwrap();
    }
    fs_err::write(path.join("spec.toml"), "model = { device = \"gpu\" }\n").unwrap();
    let check = titer(path, None, &["check", "spec.toml"]);
    let said = String::from_utf8_lossy(&check.stderr).into_owned() + &String::from_utf8_lossy(&check.stdout);
    assert!(check.status.code() == Some(2) && said.contains("`gpu` is no device") && said.contains("cuda:0"), "{said}");
    // A spec is made and handed to a cluster where there is no GPU; runs are not.
    fs_err::write(path.join("spec.toml"), "model = { device = \"cuda\" }\n").unwrap();
    done(titer(path, None, &["check", "spec.toml"]));
    done(titer(path, None, &["run", "spec.toml", "--quick", "--on", "slots", "--out", "handed-over"]));
    for here in [vec!["run", "spec.toml", "--quick", "--out", "never"], vec!["exec", "handed-over", "--slot", "0"]] {
        let output = titer(path, None, &here);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.code() == Some(2) && said.contains("no PyTorch was found"), "{said}");
        assert!(here[0] == "exec" || said.contains("spec.toml:1:"), "{said}");
    }
    assert!(!path.join("never").exists());
    // A library that is none, and one that is another.
    let name = format!("{}torch_cpu{}", std::env::consts::DLL_PREFIX, std::env::consts::DLL_SUFFIX);
    fs_err::create_dir_all(path.join("broken/lib")).unwrap();
    fs_err::write(path.join("broken/lib").join(&name), "no library").unwrap();
    let said = refused(titer(path, Some(&path.join("broken")), &["pressure", "--items", "2", "--device", "torch-cpu"]));
    assert!(said.contains("cannot be opened") && said.contains("--torch"), "{said}");
    #[cfg(all(target_os = "linux", target_arch = "x86_64"))]
    if let Ok(library) = fs_err::read("/lib/x86_64-linux-gnu/libm.so.6") {
        fs_err::create_dir_all(path.join("other/lib")).unwrap();
        fs_err::write(path.join("other/lib").join(&name), library).unwrap();
        let said =
            refused(titer(path, Some(&path.join("other")), &["pressure", "--items", "2", "--device", "torch-cpu"]));
        assert!(said.contains("older than 2.11"), "{said}");
    }
    assert!(!path.join("cache").exists(), "nothing that was not tried is remembered as tried");
}

#[test]
fn devices_are_listed() {
    let dir = tempfile::tempdir().unwrap();
    let listed = done(titer(dir.path(), None, &["devices"]));
    assert!(
        listed.starts_with("device") && listed.contains("\ncpu ") && listed.contains("no PyTorch was found"),
        "{listed}"
    );
    let Some(torch) = torch() else { return };
    let first = done(titer(dir.path(), Some(&torch), &["devices"]));
    assert!(first.contains("torch-cpu") && first.contains("yes, just now"), "{first}");
    let again = done(titer(dir.path(), Some(&torch), &["devices", "--json"]));
    let last: serde_json::Value = serde_json::from_str(again.lines().nth(1).unwrap()).unwrap();
    assert!(last["name"] == "torch-cpu" && last["tried"] == "yes", "{again}");
}

#[test]
fn a_gpu_that_is_not_there_is_said_in_one_sentence() {
    let dir = tempfile::tempdir().unwrap();
    let Some(torch) = torch() else { return };
    let said = refused(titer(dir.path(), Some(&torch), &["pressure", "--items", "2", "--device", "cuda:3"]));
    assert!(said.contains("cuda"), "{said}");
}

#[test]
fn a_sweep_on_torch_is_a_sweep_on_the_processor() {
    let dir = tempfile::tempdir().unwrap();
    let Some(torch) = torch() else { return };
    fs_err::write(dir.path().join("spec.toml"), SPEC).unwrap();
    let of = |device: &str| {
        done(titer(dir.path(), Some(&torch), &["run", "spec.toml", "--device", device, "--out", device]));
        cells(&done(titer(dir.path(), None, &["results", device])))
    };
    let (found, expected) = (of("torch-cpu"), of("cpu"));
    assert!(expected.as_array().unwrap().len() > 10);
    close(&found, &expected, 5e-3, "results");
    // Which torch it was is known of each run, and it is another run than the processor's.
    let runs = |device: &str| -> Vec<String> {
        let folders = fs_err::read_dir(dir.path().join(device)).unwrap().map(|entry| entry.unwrap().path());
        let events = folders.map(|folder| folder.join("events.jsonl")).filter(|events| events.exists());
        events.map(|events| fs_err::read_to_string(events).unwrap()).collect()
    };
    assert!(
        runs("torch-cpu")
            .iter()
            .all(|events| events.contains("\"torch\":\"2.") && events.contains("\"activations\":\"f32\""))
    );
    assert!(runs("cpu").iter().all(|events| !events.contains("\"torch\"")));
}

#[test]
fn pressures_and_the_doctor_on_torch() {
    let dir = tempfile::tempdir().unwrap();
    let Some(torch) = torch() else { return };
    let doctor = done(titer(dir.path(), Some(&torch), &["doctor", "--items", "6", "--device", "torch-cpu"]));
    assert!(doctor.contains("pass  numbers of the device"), "{doctor}");
    let of = |device: &str| -> serde_json::Value {
        let arguments = ["pressure", "--items", "4", "--json", "--device", device];
        serde_json::from_str(done(titer(dir.path(), Some(&torch), &arguments)).trim()).unwrap()
    };
    let (found, expected) = (of("torch-cpu"), of("cpu"));
    close(&found, &expected, 2e-3, "");
}
