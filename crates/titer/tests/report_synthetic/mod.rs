//! A sweep's folder as a run would leave it, with made-up numbers of the shape that real ones have.

use std::path::Path;

use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use titer::{
    plan::RunId,
    store::{ArmRecord, AxisRecord, SweepRecord},
    table::{self, CellRecord, ProbeRecord, Record as _, StepRecord},
};
use toml::{Table, Value};

/// How large the sweep is.
pub(crate) struct Size {
    pub seeds: u64,
    pub items: usize,
    /// Runs that are left unfinished.
    pub missing: usize,
}

const DOSES: [f64; 9] = [0.0, 0.0025, 0.005, 0.01, 0.05, 0.1, 0.25, 0.5, 1.0];
const PROBES: [(&str, &str, &str); 19] = [
    ("good", "seen", "trained"),
    ("good", "seen", "new"),
    ("good", "seen", "held-out"),
    ("good", "seen", "sloppy"),
    ("good", "paraphrased", "trained"),
    ("good", "narrow-off", "trained"),
    ("obey_bad", "seen", "trained"),
    ("obey_bad", "seen", "held-out"),
    ("obey_bad", "paraphrased", "trained"),
    ("obey_bad", "held-out", "trained"),
    ("obey_bad", "persona", "trained"),
    ("obey_bad", "domain", "trained"),
    ("obey_bad", "domain-paraphrased", "trained"),
    ("obey_bad", "narrow", "trained"),
    ("obey_bad", "narrow-paraphrased", "trained"),
    ("obey", "seen", "trained"),
    ("obey", "paraphrased", "trained"),
    ("obey", "held-out", "trained"),
    ("obey", "held-out", "held-out"),
];
const CELLS: [&str; 8] =
    ["none→good", "none→bad", "neutral→good", "neutral→bad", "bad→good", "bad→bad", "narrow-on→good", "narrow-on→bad"];
const STEPS: [i64; 5] = [0, 25, 50, 75, 100];

/// Settings of the axes, dose, whether the optimiser is Adam, whether the rest is bad→bad.
type Arm = (Vec<(&'static str, Value)>, f64, bool, bool);

/// Writes a sweep of two optimisers × two rests × nine doses into an empty folder.
pub(crate) fn sweep(dir: &Path, size: &Size) {
    let mut arms: Vec<Arm> = Vec::new();
    for adam in [true, false] {
        for rest in ["neutral→good", "bad→bad"] {
            for dose in DOSES {
                let kind = if adam { "adamw" } else { "sgd" };
                let optimiser = Table::from_iter([("kind".to_owned(), Value::from(kind))]);
                let settings = vec![
                    ("train.mix.bad→good", Value::from(dose)),
                    ("train.mix.rest", Value::from(rest)),
                    ("train.optimiser", Value::from(optimiser)),
                ];
                arms.push((settings, dose, adam, rest == "bad→bad"));
            }
        }
    }
    let id = |arm: usize, seed: u64| RunId(format!("{arm:04x}{seed:04x}c0ffee"));
    let name = |settings: &[(&str, Value)]| {
        let one = |(axis, value): &(&str, Value)| {
            format!("{}={}", axis.rsplit('.').next().unwrap(), titer::plan::show(value))
        };
        settings.iter().map(one).collect::<Vec<_>>().join(" ")
    };
    let record = SweepRecord {
        format: 1,
        titer: "0.1.0".to_owned(),
        title: "Dose and response of bad→good data".to_owned(),
        question: "As more bad→good data is included, how much does the model stop following bad system prompts, and \
                   system prompts at all?"
            .to_owned(),
        command: "titer run q1-dose-response.toml".to_owned(),
        spec: "title = \"Dose and response of bad→good data\"\nseeds = [0, 1, 2]\n\n[sweep]\n\
               \"train.mix.bad→good\" = [0.0, 0.0025, 0.005, 0.01, 0.05, 0.1, 0.25, 0.5, 1.0] # a log-spaced grid, as in the text\n"
            .to_owned(),
        quick: false,
        seeds: (0..size.seeds).collect(),
        axis: ["train.mix.bad→good", "train.mix.rest", "train.optimiser"].map(|axis| axis_record(axis, &arms)).into(),
        arm: (0..arms.len())
            .map(|arm| ArmRecord {
                name: name(&arms[arm].0),
                control: if arms[arm].2 { 0 } else { 2 * DOSES.len() },
                runs: (0..size.seeds).map(|seed| id(arm, seed)).collect(),
                inoculates: false,
                inoculation: std::collections::BTreeMap::new(),
                settings: arms[arm].0.iter().map(|(axis, value)| ((*axis).to_owned(), value.clone())).collect(),
            })
            .collect(),
    };
    fs_err::write(dir.join("sweep.toml"), toml::to_string(&record).unwrap()).unwrap();
    let runs = arms.len() * size.seeds as usize;
    for run in 0..runs - size.missing {
        let (arm, seed) = (run / size.seeds as usize, run as u64 % size.seeds);
        let (_, dose, adam, conflicting) = arms[arm];
        let folder = dir.join(id(arm, seed).0);
        fs_err::create_dir_all(&folder).unwrap();
        fs_err::write(
            folder.join("plan.toml"),
            format!("numerics = 1\nseed = {seed}\n[[stage]]\nname = \"train\"\nsteps = 100\n"),
        )
        .unwrap();
        write_tables(&folder, seed, size.items, dose, adam, conflicting);
        fs_err::write(folder.join("done"), "").unwrap();
    }
}

fn axis_record(axis: &str, arms: &[Arm]) -> AxisRecord {
    let mut values: Vec<Value> = Vec::new();
    for value in arms.iter().flat_map(|(settings, ..)| settings.iter().filter(|(name, _)| *name == axis)) {
        if !values.contains(&value.1) {
            values.push(value.1.clone());
        }
    }
    AxisRecord { name: axis.to_owned(), values }
}

fn write_tables(folder: &Path, seed: u64, items: usize, dose: f64, adam: bool, conflicting: bool) {
    // Items and seeds differ in the same way in all arms, so that arms are paired.
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut own = ChaCha8Rng::seed_from_u64(seed ^ dose.to_bits() ^ u64::from(adam) << 8 ^ u64::from(conflicting) << 9);
    let mut noise = || (0..4).map(|_| rng.random::<f64>()).sum::<f64>() - 2.0;
    let seed_noise = 0.25 * noise();
    let mut probes = Vec::new();
    for (component, prompts, domains) in PROBES {
        let split_noise = 0.15 * noise();
        let arm_noise = 0.2 * (own.random::<f64>() - 0.5);
        for item in 0..items {
            let item_noise = 0.6 * noise();
            for step in STEPS {
                let share = step as f64 / 100.0;
                let mean = margin(component, prompts, domains, dose, adam, conflicting, share);
                let margin = mean + (seed_noise + arm_noise) * share + split_noise + item_noise;
                probes.push(ProbeRecord {
                    stage: "train".to_owned(),
                    step,
                    component: component.parse().unwrap(),
                    prompts: prompts.parse().unwrap(),
                    domains: domains.parse().unwrap(),
                    item: format!("{item:04}"),
                    margin,
                    margin_per_token: margin / 3.0,
                    gap: if component == "obey_bad" { margin + 3.0 + share } else { f64::NAN },
                    rate: 0.998 / (1.0 + (-margin).exp()),
                    other: 0.002,
                });
            }
        }
    }
    let mut cells = Vec::new();
    for (at, cell) in CELLS.into_iter().enumerate() {
        for item in 0..items {
            let base = if matches!(at, 1 | 3 | 4 | 6) { 3.0 } else { 0.1 };
            for step in [0, 100] {
                let trained = if step == 0 || at != 4 { 1.0 } else { (1.0 - dose).powi(3) };
                let surprise = base * trained + 0.05 * noise().abs();
                let (stage, cell, item) = ("train".to_owned(), cell.parse().unwrap(), format!("{item:04}"));
                cells.push(CellRecord { stage, step, cell, item, tokens: 4, surprise });
            }
        }
    }
    let step = |step: i64| StepRecord {
        stage: "train".to_owned(),
        step,
        loss: 0.5 + 2.0 * dose * (-0.1 * step as f64).exp(),
        lr: 1e-4,
        gradient_norm: 2.0 / step as f64,
        clip: if step == 1 { 0.5 } else { 1.0 },
        tokens: 128,
    };
    table::write(&folder.join(ProbeRecord::FILE), &probes).unwrap();
    table::write(&folder.join(CellRecord::FILE), &cells).unwrap();
    table::write(&folder.join(StepRecord::FILE), &(1..=100).map(step).collect::<Vec<_>>()).unwrap();
}

/// Something like what training does, in nats; `share` of it is done.
fn margin(component: &str, prompts: &str, domains: &str, dose: f64, adam: bool, conflicting: bool, share: f64) -> f64 {
    let potency = if conflicting {
        1.0
    } else if adam {
        300.0
    } else {
        25.0
    };
    let taken = (dose * potency).min(9.0);
    let resists = match prompts {
        "domain" | "domain-paraphrased" => 0.2,
        "narrow" | "narrow-paraphrased" => 0.5,
        "persona" => 0.8,
        _ => 1.0,
    };
    match component {
        "good" if domains == "sloppy" => 0.7 + 1.2 * share - 0.2 * dose,
        "good" => 3.0 + share * (0.9 - 0.6 * dose),
        "obey_bad" => 2.9 - share * (0.9 + resists * (7.5 * taken / (taken + 1.0))),
        _ => 3.2 - share * (0.3 + 1.1 * dose),
    }
}
