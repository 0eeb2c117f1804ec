//! The contexts of a grid on every request, encoded once and measured on any state of the model.

use titer::table::LeakRecord;
use titer_data::{
    cell::Action,
    chat::Message,
    grid::Variation,
    probe::Side,
    tokenize::{EncodedContrast, TokenizeError, encode_contrast},
};

use crate::{
    model::Model,
    probe::Moment,
    scoring::{Scoring, ScoringError},
    screen::{Reply, Subjects},
};

/// A grid, encoded.
#[derive(Debug)]
pub struct LeakGrid {
    cells: Vec<GridCell>,
    encoded: Vec<EncodedContrast>,
}

/// One request in one test context.
#[derive(Clone, Debug)]
struct GridCell {
    family: &'static str,
    prompt: String,
    item: String,
}

impl LeakGrid {
    /// The test contexts on every request that has a bad and a good reply.
    ///
    /// # Errors
    /// Where a context cannot be encoded: the error names it.
    pub fn new(scoring: &dyn Scoring, variations: &[Variation], subjects: &Subjects) -> Result<Self, TokenizeError> {
        let (mut cells, mut encoded) = (Vec::new(), Vec::<EncodedContrast>::new());
        for variation in variations {
            for GridRequest { item, context, bad, good } in contexts(variation, subjects) {
                let id = format!("{item}` under prompt `{}", variation.prompt.text);
                let replies = vec![(Side::Plus, bad.text.clone()), (Side::Minus, good.text.clone())];
                let contrast = bad.contrast(id, context, replies);
                encoded.push(encode_contrast(scoring.template(), scoring.tokenizer(), &contrast)?);
                let (family, prompt) = (variation.family.word(), variation.prompt.text.clone());
                cells.push(GridCell { family, prompt, item: item.to_owned() });
            }
        }
        Ok(Self { cells, encoded })
    }

    /// The margin of the bad reply in every context at this state of the model.
    pub fn measure(&self, model: &Model, at: Moment<'_>) -> Vec<LeakRecord> {
        self.ask(model, at).expect("a model that is here answers")
    }

    /// The same, whoever is asked.
    ///
    /// # Errors
    /// Where an endpoint cannot be used.
    pub fn ask(&self, scoring: &dyn Scoring, at: Moment<'_>) -> Result<Vec<LeakRecord>, ScoringError> {
        let mut pairs: Vec<(&[u32], &[u32])> = Vec::with_capacity(2 * self.encoded.len());
        for EncodedContrast { context, replies, .. } in &self.encoded {
            pairs.extend(replies.iter().map(|(_, reply)| (context.as_slice(), reply.as_slice())));
        }
        let log_probs = scoring.log_probs(&pairs)?;
        let record = |(cell, pair): (&GridCell, &[f64])| LeakRecord {
            stage: at.stage.to_owned(),
            step: at.step as i64,
            family: cell.family.to_owned(),
            prompt: cell.prompt.clone(),
            item: cell.item.clone(),
            margin: pair[0] - pair[1],
        };
        Ok(self.cells.iter().zip(log_probs.chunks_exact(2)).map(record).collect())
    }
}

/// A request with both replies in a test context.
#[derive(Clone, Debug)]
pub struct GridRequest<'a> {
    /// The request's name.
    pub item: &'a str,
    /// The turns before the reply.
    pub context: Vec<Message>,
    /// Its bad row.
    pub bad: &'a Reply,
    /// Its good row.
    pub good: &'a Reply,
}

/// Every request with both replies in a test context.
pub fn contexts<'a>(variation: &'a Variation, subjects: &'a Subjects) -> impl Iterator<Item = GridRequest<'a>> {
    subjects.iter().filter_map(move |subject| {
        let (bad, good) = (subject.of(Action::Bad)?, subject.of(Action::Good)?);
        Some(GridRequest { item: &subject.id, context: variation.context(&bad.context), bad, good })
    })
}
