//! The interactive page in a real browser: its model gives the same numbers as the one in Rust, nothing fails, and nothing is
//! wider than the screen.
//!
//! Skips where there is no Chromium, unless `CI` is set. `TITER_SHOTS=folder` keeps screenshots.

mod browser;

use std::path::{Path, PathBuf};

use browser::{browse, chromium};
use titer::{
    forecast::{
        About, Calibration, Dials, Gate, Kernel, KernelProducts, Kind, Moments, Placement, ProbeOutput, forecast, last,
        page,
    },
    plan::{StagePlan, SweepPlan},
    results::Split,
    spec::Spec,
};
use titer_data::{cell::PromptKind, probe::Component};

/// A kernel of numbers that mean nothing, with noise, other replies and buckets.
fn kernel() -> Kernel {
    let mut state = 1_u64;
    let mut number = move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f64 / (1_u64 << 24) as f64
    };
    let prompts =
        [PromptKind::Neutral, PromptKind::Bad, PromptKind::Instruction, PromptKind::NarrowOff, PromptKind::NarrowOn];
    let buckets = 7;
    let (directions, outputs) = (2 * prompts.len(), 3 + 2 * prompts.len());
    let kinds =
        prompts.map(|prompt| Kind::new(prompt, None, 6.0 * number() - 3.0, 0.05 * number() + 0.001, [true, true]));
    let probes = Component::ALL.map(|component| {
        let rates = (0..9).map(|_| 2.0 + 2.0 * number()).collect();
        ProbeOutput::new(Split::leading(component), 3.0, rates)
    });
    let mut products = |size: usize, scale: f64| -> Vec<f64> { (0..size).map(|_| scale * (number() - 0.4)).collect() };
    // Before a gate and behind it.
    let [whole, there] = [1.0, 2.0].map(|scale| {
        let plain = products(directions * outputs, 20.0 * scale);
        KernelProducts { outputs, buckets, plain, by_bucket: products(directions * outputs * buckets, 40.0 * scale) }
    });
    // Symmetric and positive: every bucket's directions times themselves.
    let vectors: Vec<Vec<f64>> = (0..buckets).map(|_| products(directions, 2.0)).collect();
    let mut squares = vec![0.0; directions * directions * buckets];
    let mut gram = vec![0.0; directions * directions];
    for j in 0..directions {
        for k in 0..directions {
            for b in 0..buckets {
                squares[(j * directions + k) * buckets + b] = vectors[b][j] * vectors[b][k];
                gram[j * directions + k] += vectors[b][j] * vectors[b][k];
            }
        }
    }
    let mut positive = |size: usize| products(size, 1.0).into_iter().map(f64::abs).collect::<Vec<f64>>();
    let moments = Moments {
        directions,
        buckets,
        gram,
        noise: (0..3 * prompts.len()).map(|at| if at % 3 == 1 { 0.01 } else { 0.5 }).collect(),
        squares,
        noise_by_bucket: positive(3 * prompts.len() * buckets),
        scale: vec![1.0; buckets],
    };
    let about = About {
        base: "a test".to_owned(),
        model: "0".repeat(64),
        data: String::new(),
        held: String::new(),
        seed: 0,
        rows: 1,
        contrasts: 1,
        items: 1,
        step: 0,
        adam: true,
    };
    let doubled = |list: &Vec<f64>| list.iter().map(|value| 2.0 * value).collect();
    let behind = Moments { gram: doubled(&moments.gram), squares: doubled(&moments.squares), ..moments.clone() };
    let gate = Some(Gate { kind: 1, at_pilots: 1.5, whole: there, replicas: Vec::new(), moments: behind });
    Kernel { about, kinds: kinds.into(), probes: probes.into(), whole, replicas: Vec::new(), gate, moments }
}

fn stage(mix: &str, optimiser: &str) -> StagePlan {
    let text = format!("[[stage]]\nrows = 1280\nmix = {mix}\noptimiser = {optimiser}\nschedule = {SCHEDULE}\n");
    let spec = Spec::parse(&text, Path::new("test.toml")).unwrap();
    SweepPlan::resolve(&spec).unwrap().arms[0].stages[0].clone()
}

const SCHEDULE: &str = r#"{ warmup = 4, decay = "cosine", floor = 0.2 }"#;

const OPTIMISERS: [&str; 2] = [r#"{ kind = "adamw", lr = 1e-3 }"#, r#"{ kind = "sgd", lr = 0.003 }"#];

/// Shares of neutral→good, bad→good, bad→bad, instruction→good, narrow-off→good, narrow-on→bad.
const MIXES: [[f64; 6]; 4] = [
    [0.9, 0.1, 0.0, 0.0, 0.0, 0.0],
    [0.0, 0.25, 0.75, 0.0, 0.0, 0.0],
    [0.4, 0.05, 0.15, 0.1, 0.2, 0.1],
    [0.975, 0.0125, 0.0, 0.0125, 0.0, 0.0],
];

#[test]
fn the_page_computes_what_rust_computes() {
    let Some(browser) = chromium() else { return };
    let kernel = kernel();
    let cells = ["neutral→good", "bad→good", "bad→bad", "instruction→good", "narrow-off→good", "narrow-on→bad"];
    let mut wanted = Vec::new();
    for optimiser in OPTIMISERS {
        for mix in MIXES {
            let shares: Vec<String> =
                cells.iter().zip(mix).map(|(cell, share)| format!("\"{cell}\" = {share}")).collect();
            let stage = stage(&format!("{{ {} }}", shares.join(", ")), optimiser);
            let stage = std::slice::from_ref(&stage);
            let found = forecast(&kernel, stage, Placement::Even, 0, &[0, 1, 2], &Calibration::default()).unwrap();
            let moved = last(&kernel, &[stage], &[0, 1, 2]).unwrap().remove(0);
            // Of each component what it moves by, and both ends of its interval.
            let ends = found.curves.iter().zip(&kernel.probes).zip(moved).flat_map(|((curve, probe), moved)| {
                let end = curve.last().unwrap().margin;
                [moved, end.low - probe.margin, end.high - probe.margin]
            });
            wanted.push(ends.collect::<Vec<f64>>());
        }
    }
    // A sweep of one mix, measured with AdamW alone; what was measured at another learning rate is not on this curve.
    let text = format!(
        "title = \"A sweep\"\n[[stage]]\nrows = 1280\nmix = {{ \"bad→good\" = 0.1, rest = \"neutral→good\" }}\n\
         schedule = {SCHEDULE}\n[sweep]\n\"train.optimiser\" = [{}, {{ kind = \"adamw\", lr = 5e-3 }}]\n",
        OPTIMISERS.join(", ")
    );
    let plan = SweepPlan::resolve(&Spec::parse(&text, Path::new("test.toml")).unwrap()).unwrap();
    let mut dials = Dials::of(&[&kernel], &plan, &Calibration::default()).unwrap();
    let adam = [plan.arms[0].name.clone(), plan.arms[2].name.clone()];
    dials.measure(|arm| adam.iter().any(|adam| adam == arm).then(|| vec![0.9, 0.5, 0.8]));
    // Five times the rate and twelve times the length of what is known: the page says what Rust says.
    let mut far = plan.arms[0].stages.clone();
    far[0].steps = 120;
    let beyond = Calibration::default().beyond(&kernel.about, &far);
    assert_eq!(beyond.len(), 2, "{beyond:?}");
    let beyond = format!("Does not know: {}", beyond.join("; "));
    let html = page(&dials, &[]).unwrap();
    assert!(!html.contains("http://") && !html.contains("https://"), "the page asks for something else");
    let check = format!(
        "<script>window.seen = []; addEventListener('error', event => seen.push(event.message));</script>{html}<script>
        const mixes = {mixes:?}, found = [], one = model.seeds[0];
        for (const optimiser of model.optimisers) for (const [rest, good, bad, anchor, off, on] of mixes) {{
          const of = {{ neutral: [rest, 0], bad: [good, bad], instruction: [anchor, 0], 'narrow-off': [off, 0], 'narrow-on': [0, on] }};
          let end;
          run(one.kernel, optimiser, batches(one.kinds.map(kind => of[kind]), 40, model.batch), model.settings, (_, state) => {{ end = state.moved.slice(); }});
          const {{ errors }} = model.courses.find(known => known.course.optimisers === optimiser.kind);
          const speeds = errors.map(({{ speed }}) => [-speed, speed].map(at => {{
            let moved;
            run(one.kernel, {{ ...optimiser, lr: optimiser.lr * Math.exp(at) }}, batches(one.kinds.map(kind => of[kind]), 40, model.batch), model.settings, (_, state) => {{ moved = state.moved; }});
            return moved;
          }}));
          found.push(end.flatMap((moved, l) => [moved, ...ends(errors[l], moved, speeds[l][0][l], speeds[l][1][l])]));
        }}
        const opened = [document.getElementById('bad-good-out').textContent, document.querySelector('input[name=optimiser]:checked').value, document.getElementById('beyond').textContent];
        document.getElementById('o-adamw').click();
        const before = document.getElementById('along').innerHTML;
        document.getElementById('bad-good').value = 90;
        document.getElementById('bad-good').dispatchEvent(new Event('input'));
        const redrawn = before !== document.getElementById('along').innerHTML;
        const dots = document.querySelectorAll('#dose .measured').length, bands = document.querySelectorAll('#along .band').length;
        const wide = document.documentElement.scrollWidth > innerWidth;
        document.getElementById('steps').value = 120;
        document.getElementById('steps').dispatchEvent(new Event('input'));
        const said = document.getElementById('beyond').textContent;
        document.body.dataset.found = JSON.stringify({{ found, seen, opened, redrawn, dots, bands, wide, said }});
        </script>",
        mixes = MIXES,
    );
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("page.html");
    fs_err::write(&path, check).unwrap();
    for width in [400, 1400] {
        let output =
            browse(&browser, dir.path(), &path, &[format!("--window-size={width},1200"), "--dump-dom".to_owned()]);
        let dom = String::from_utf8_lossy(&output.stdout);
        let start = dom.rfind("data-found=\"").expect("the page was judged") + 12;
        let text = dom[start..].split('"').next().unwrap().replace("&quot;", "\"").replace("&amp;", "&");
        let found: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(found["seen"].as_array().unwrap().len(), 0, "{}", found["seen"]);
        assert_eq!((&found["redrawn"], &found["wide"]), (&true.into(), &false.into()));
        assert!(found["said"].as_str().unwrap().starts_with(&beyond), "{} {beyond}", found["said"]);
        assert_eq!((&found["dots"], &found["bands"]), (&3.into(), &3.into()));
        // AdamW's rate is beyond what is known, so the page opens on the sweep's other optimiser, of which nothing is unknown.
        assert_eq!(found["opened"], serde_json::json!(["10 %", "sgd", ""]));
        for (at, moved) in wanted.iter().enumerate() {
            for (l, wanted) in moved.iter().enumerate() {
                let found = found["found"][at][l].as_f64().unwrap();
                assert!((found - wanted).abs() < 1e-9 * (1.0 + wanted.abs()), "{at} {l}: {found} {wanted}");
            }
        }
    }
    if let Some(shots) = std::env::var_os("TITER_SHOTS") {
        fs_err::write(&path, html).unwrap();
        let shot = PathBuf::from(shots).join("forecast.png");
        browse(
            &browser,
            dir.path(),
            &path,
            &["--window-size=1200,1500".to_owned(), format!("--screenshot={}", shot.display())],
        );
    }
}
