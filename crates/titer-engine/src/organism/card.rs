//! What an organism is: its recipe, the losses on the way, and what it does, measured.

use std::{collections::BTreeMap, fmt::Write as _, path::Path};

use serde::{Deserialize, Serialize};
use titer::store::FileFormat;

use super::Recipe;

/// The steps over which the card averages the loss.
pub const LOSS_WINDOW: usize = 20;

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
    pub probes: BTreeMap<String, ProbeMeans>,
}

/// Means over a probe's contrasts.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProbeMeans {
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
    /// The file's formats: that of the first says none.
    pub const FORMAT: FileFormat = FileFormat {
        known: 1,
        oldest: 1,
        unsaid: Some(1),
        remedy: "train the organism again with `titer organism train`",
    };

    /// The card in a file's bytes; `path` is for messages. The error is one sentence that names the file.
    pub fn parse(bytes: &[u8], path: &Path) -> Result<Self, String> {
        let fail = |error: serde_json::Error| format!("{}: not an organism's card: {error}", path.display());
        let card: serde_json::Value = serde_json::from_slice(bytes).map_err(fail)?;
        Self::FORMAT.of_json(path, &card).map_err(|error| error.to_string())?;
        serde_json::from_value(card).map_err(fail)
    }
}

/// Reads the card in an organism's folder; the error is one sentence that names the file.
pub fn read(folder: &Path) -> Result<Card, String> {
    let path = folder.join(Card::FILE);
    let bytes =
        fs_err::read(&path).map_err(|error| format!("{error}; name a folder that `titer organism train` wrote"))?;
    Card::parse(&bytes, &path)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_card_of_a_newer_format_is_named_before_its_keys_are() {
        let read = |text: &str| Card::parse(text.as_bytes(), Path::new("organism.json")).unwrap_err();
        let newer = "organism.json has format 2, and this titer reads format 1: a newer titer wrote it, and reads it";
        assert_eq!(read(r#"{ "format": 2, "colour": "red" }"#), newer);
        assert!(read(r#"{ "colour": "red" }"#).starts_with("organism.json: not an organism's card: unknown field"));
        assert!(read("{").starts_with("organism.json: not an organism's card: EOF"));
    }
}
