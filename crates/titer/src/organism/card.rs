//! What an organism is: its recipe, the losses on the way, and what it does, measured.

use std::{collections::BTreeMap, fmt::Write as _, path::Path};

use serde::{Deserialize, Serialize};
use titer_data::source::Source;
use titer_model::io;

use super::{Raised, Recipe};
use crate::{
    model::Model,
    pressure::RowsError,
    probe::{Moment, Probes},
};

/// The steps over which the card averages the loss.
pub const LOSS_WINDOW: usize = 20;

/// Contrasts per probe that the card's rates are measured on.
const ITEMS: usize = 256;

/// The machine-readable card beside the weights.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Card {
    /// What makes the weights.
    pub recipe: Recipe,
    /// How many numbers the weights are.
    pub parameters: usize,
    /// Mean training loss of every [`LOSS_WINDOW`] steps, in nats per target token.
    pub losses: Vec<f64>,
    /// What each probe measures on the finished organism, by the probe's name.
    pub probes: BTreeMap<String, Measured>,
}

/// Means over a probe's contrasts.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Measured {
    /// Contrasts.
    pub n: usize,
    /// Exact probability of the measured side.
    pub rate: f64,
    /// Margin in nats per reply.
    pub margin: f64,
    /// Probability of replies that are on neither side.
    pub other: f64,
}

impl Card {
    /// The name of the file that holds it, beside the weights.
    pub const FILE: &str = "organism.json";

    /// Measures a finished organism, whose model has a world.
    pub fn of(recipe: &Recipe, raised: &Raised) -> Result<Self, RowsError> {
        let losses = mean_losses(&raised.losses);
        let parameters = raised.model.decoder.layout.len();
        Ok(Self { recipe: recipe.clone(), parameters, losses, probes: measure(&raised.model, recipe.seed)? })
    }
}

/// Means over every [`LOSS_WINDOW`] losses, rounded to six decimals: what a card holds.
pub fn mean_losses(losses: &[f64]) -> Vec<f64> {
    losses.chunks(LOSS_WINDOW).map(|window| round(window.iter().sum::<f64>() / window.len() as f64)).collect()
}

/// What each measuring probe of the model's world says; nothing where it has none.
pub fn measure(model: &Model, seed: u64) -> Result<BTreeMap<String, Measured>, RowsError> {
    let Some(world) = model.world.clone() else { return Ok(BTreeMap::new()) };
    let probes = Probes::of_source(model, &Source::from(world), seed, ITEMS)?;
    let mut sums: BTreeMap<String, Measured> = BTreeMap::new();
    for record in probes.measure(model, Moment { stage: "base", step: 0 }) {
        let name = format!("{}/{}/{}", record.component, record.prompts, record.domains);
        let sum = sums.entry(name).or_insert(Measured { n: 0, rate: 0.0, margin: 0.0, other: 0.0 });
        sum.n += 1;
        sum.rate += record.rate;
        sum.margin += record.margin;
        sum.other += record.other;
    }
    for mean in sums.values_mut() {
        let n = mean.n as f64;
        (mean.rate, mean.margin, mean.other) = (round(mean.rate / n), round(mean.margin / n), round(mean.other / n));
    }
    Ok(sums)
}

fn round(value: f64) -> f64 {
    (value * 1e6).round() / 1e6
}

/// The files of an organism's folder, `(name, bytes)`: what transformers reads, and the card.
pub fn files(card: &Card, model: &Model) -> Vec<(&'static str, Vec<u8>)> {
    let world = model.world.as_ref().expect("an organism has a world");
    let end = world.end_token();
    let end = model.tokenizer.id(end).expect("the closing token is in the vocabulary");
    let Model { decoder, params, .. } = model;
    let (config, weights) = io::save(decoder.backend(), &decoder.config, &decoder.layout, params, end);
    let mut card = serde_json::to_vec_pretty(card).expect("a card is plain data");
    card.push(b'\n');
    vec![
        ("config.json", config),
        ("model.safetensors", weights),
        ("tokenizer.json", world.tokenizer_json().into_bytes()),
        ("tokenizer_config.json", world.tokenizer_config_json().into_bytes()),
        (Card::FILE, card),
    ]
}

/// Reads the card in an organism's folder; the error is one sentence that names the file.
pub fn read(folder: &Path) -> Result<Card, String> {
    let path = folder.join(Card::FILE);
    let bytes =
        fs_err::read(&path).map_err(|error| format!("{error}; name a folder that `titer organism train` wrote"))?;
    serde_json::from_slice(&bytes).map_err(|error| format!("{}: not an organism's card: {error}", path.display()))
}

/// Several cards as one page of Markdown: recipe, losses and rates, a column for each organism.
pub fn page(cards: &[Card]) -> String {
    let mut page = String::new();
    let mut table = |title: &str, head: &str, rows: Vec<(String, Vec<String>)>| {
        let names: Vec<String> = cards.iter().map(|card| format!("seed {}", card.recipe.seed)).collect();
        let _ = writeln!(page, "## {title}\n\n| {head} | {} |", names.join(" | "));
        let _ = writeln!(page, "|---|{}", "---|".repeat(cards.len()));
        for (name, values) in rows {
            let _ = writeln!(page, "| {name} | {} |", values.join(" | "));
        }
        page.push('\n');
    };
    let each = |value: &dyn Fn(&Card) -> String| cards.iter().map(value).collect::<Vec<_>>();
    let recipe = vec![
        ("world seed".to_owned(), each(&|card| card.recipe.world_seed.to_string())),
        ("width × layers".to_owned(), each(&|card| format!("{} × {}", card.recipe.width, card.recipe.layers))),
        ("parameters".to_owned(), each(&|card| card.parameters.to_string())),
        ("steps × rows".to_owned(), each(&|card| format!("{} × {}", card.recipe.steps, card.recipe.batch))),
        ("peak learning rate (AdamW)".to_owned(), each(&|card| card.recipe.lr.to_string())),
    ];
    table("Recipe", "", recipe);
    let windows = cards.iter().map(|card| card.losses.len()).min().unwrap_or(0);
    let shown = [0, windows / 8, windows / 4, windows / 2, windows.saturating_sub(1)];
    let losses = shown.map(|at| {
        let steps = format!("{}–{}", at * LOSS_WINDOW + 1, (at + 1) * LOSS_WINDOW);
        (steps, each(&|card| card.losses.get(at).map_or(String::new(), |loss| format!("{loss:.4}"))))
    });
    table("Training loss, nats per target token", "steps", losses.into());
    let names: Vec<&String> = cards.first().map(|card| card.probes.keys().collect()).unwrap_or_default();
    let rates = names.into_iter().map(|name| {
        let shown = |card: &Card| {
            card.probes
                .get(name)
                .map_or(String::new(), |measured| format!("{:.3} ({:+.2})", measured.rate, measured.margin))
        };
        (format!("`{name}`"), each(&shown))
    });
    table("Exact rate (margin in nats per reply)", "probe: component/prompts/domains", rates.collect());
    page
}
