//! Every guard works on adapters as it does on all weights: what is frozen is nobody's to move, and is in no direction.

use std::process::Command;

const SPEC: &str = r#"
title = "Guarded adapters"
seeds = [0]
[model]
lora = 4
[[stage]]
rows = 24
batch = 8
optimiser = { kind = "adamw", lr = 0.01 }
mix = { "bad→good" = 0.5, rest = "neutral→good" }
[sweep."train.guards"]
anchor = { anchor = {} }
kl = { kl = {} }
steer = { steer = { obey_bad = { min = 0.0 }, obey = { min = 0.0 } } }
"steer open loop" = { steer = { obey = { min = 0.0 }, feedback = false } }
"steer random" = { steer = { obey_bad = { min = 0.0 }, obey = { min = 0.0 }, random = true } }
dual = { dual = { obey = { min = 0.0 } } }
reweight = { reweight = { obey = { min = 0.0 } } }
agem = { agem = { obey = { min = 0.0 } } }
pcgrad = { pcgrad = { obey = { min = 0.0 } } }
narrow = { narrow = true }
none = {}
[probes]
items = 4
every = 0
"#;

#[test]
fn every_guard_works_on_adapters() {
    let dir = tempfile::tempdir().unwrap();
    fs_err::write(dir.path().join("spec.toml"), SPEC).unwrap();
    let titer = |arguments: &[&str]| {
        let output =
            Command::new(env!("CARGO_BIN_EXE_titer")).current_dir(dir.path()).args(arguments).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    titer(&["run", "spec.toml", "--out", "runs"]);
    let rows: Vec<Vec<String>> =
        titer(&["results", "runs"]).lines().map(|line| line.split(',').map(str::to_owned).collect()).collect();
    let column = |name: &str| rows[0].iter().position(|head| head == name).unwrap();
    let last = |guards: &str| -> Vec<f64> {
        let of_arm =
            rows.iter().filter(|row| row[column("arm")] == format!("guards={guards}") && row[column("step")] != "0");
        of_arm.map(|row| row[column("margin")].parse().unwrap()).collect()
    };
    // A guard that moved nothing would leave what no guard leaves.
    let plain = last("none");
    assert!(!plain.is_empty());
    for guards in ["anchor", "kl", "steer", "steer random"] {
        assert!(last(guards).len() == plain.len() && last(guards) != plain, "{guards}");
    }
}
