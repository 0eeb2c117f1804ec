//! The interactive page: one file with the kernel, the integrator and the measured points in it.

use minijinja::{Environment, value::Serde};
use serde::Serialize;
use serde_json::{Value, json};
use titer_data::probe::Component;

use super::{kernel::Kernel, motion::Motion};
use crate::plan::{Optimiser, StagePlan};

/// The prompt kinds that the dials mix.
const KINDS: [&str; 5] = ["neutral", "bad", "instruction", "narrow-off", "narrow-on"];

/// A measured arm: shares of bad→good on a background, and the rates of the components after training.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct MeasuredPoint {
    /// The optimiser, as a word.
    pub optimiser: String,
    /// The cell of the rest.
    pub rest: String,
    /// The share of bad→good.
    pub dose: f64,
    /// The rates of [`Component::ALL`], means over seeds.
    pub rates: Vec<f64>,
}

/// What a page shows beside the kernel.
#[derive(Clone, Debug, Default)]
pub struct Shown {
    /// Measured points, of runs of as many steps as the stage has.
    pub points: Vec<MeasuredPoint>,
    /// What they are of; empty where there are none.
    pub measured: String,
}

/// The page for a kernel: the stage gives batch, schedule and clipping, the optimisers are those to choose from.
///
/// # Errors
/// Where the template cannot be set; where the kernel lacks a component.
pub fn page(
    kernel: &Kernel,
    stage: &StagePlan,
    optimisers: &[Optimiser],
    shown: &Shown,
) -> Result<String, minijinja::Error> {
    let model = model(kernel, stage, optimisers, shown);
    let mut environment = Environment::new();
    environment.add_template("page.html", include_str!("page/page.html"))?;
    let colours = ["c2", "c1", "c0"];
    let probes = Component::ALL.into_iter().zip(colours);
    let content = json!({
        "title": "Forecast",
        "base": kernel.about.base,
        "css": include_str!("../report/page.css"),
        "facts": [
            format!("kernel of seed {}", kernel.about.seed),
            format!("{} rows of each kind of prompt", kernel.about.rows),
            format!("{} contrasts of each probe", kernel.about.contrasts),
            format!("model {}", kernel.about.model.chars().take(12).collect::<String>()),
        ],
        "optimisers": optimisers.iter().map(describe).collect::<Vec<_>>(),
        "batch": stage.batch,
        "steps": stage.steps.clamp(10, 300),
        "buckets": kernel.moments.buckets,
        "measured": shown.measured,
        "probes": probes.map(|(component, colour)| json!({ "name": component.word(), "colour": colour })).collect::<Vec<_>>(),
        // Inside a script element a `<` would be read as markup.
        "model": model.to_string().replace('<', "\\u003c"),
        "motion": include_str!("page/motion.js"),
        "dials": include_str!("page/dials.js"),
    });
    environment.get_template("page.html")?.render(Serde(&content))
}

/// What the page computes with.
fn model(kernel: &Kernel, stage: &StagePlan, optimisers: &[Optimiser], shown: &Shown) -> Value {
    let kinds: Vec<usize> = KINDS.iter().filter_map(|word| kernel.kind(word, "trained")).collect();
    let probes: Vec<usize> = Component::ALL.into_iter().filter_map(|component| kernel.leading(component)).collect();
    let motion = Motion::new(kernel, &kernel.whole, &kinds, &probes);
    json!({
        "kinds": kinds.iter().map(|&kind| &kernel.kinds[kind].prompt).collect::<Vec<_>>(),
        "probes": probes.iter().map(|&probe| json!({ "rates": kernel.probes[probe].rates })).collect::<Vec<_>>(),
        "kernel": motion.to_json(),
        "optimisers": optimisers.iter().map(describe).collect::<Vec<_>>(),
        "batch": stage.batch,
        "settings": { "weight": stage.batch as f64 * stage.divisor, "clip": stage.clip, "warmup": stage.schedule.warmup },
        "measured": shown.points,
        "measured_steps": stage.steps,
    })
}

fn describe(optimiser: &Optimiser) -> Value {
    serde_json::to_value(optimiser).expect("an optimiser is plain data")
}
