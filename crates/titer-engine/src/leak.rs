//! The contexts of a grid on every request, encoded once and measured on any state of the model.

use titer::table::LeakRecord;
use titer_data::{
    cell::Action,
    chat::Message,
    grid::Variation,
    probe::Side,
    tokenize::{EncodedContrast, TokenizeError, encode_contrast},
};
use titer_model::passes::Tree;

use crate::{
    model::Model,
    probe::Moment,
    screen::{Reply, Subjects},
};

/// A grid, encoded.
#[derive(Debug)]
pub struct LeakGrid {
    cells: Vec<GridCell>,
    tree: Tree,
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
    pub fn new(model: &Model, variations: &[Variation], subjects: &Subjects) -> Result<Self, TokenizeError> {
        let (mut cells, mut encoded) = (Vec::new(), Vec::<EncodedContrast>::new());
        for variation in variations {
            for GridRequest { item, context, bad, good } in contexts(variation, subjects) {
                let id = format!("{item}` under prompt `{}", variation.prompt.text);
                let replies = vec![(Side::Plus, bad.text.clone()), (Side::Minus, good.text.clone())];
                let contrast = bad.contrast(id, context, replies);
                encoded.push(encode_contrast(&model.template, &model.tokenizer, &contrast)?);
                let (family, prompt) = (variation.family.word(), variation.prompt.text.clone());
                cells.push(GridCell { family, prompt, item: item.to_owned() });
            }
        }
        let pairs = encoded
            .iter()
            .flat_map(|contrast| contrast.replies.iter().map(|(_, reply)| (&*contrast.context, &**reply)));
        Ok(Self { tree: Tree::new(&pairs.collect::<Vec<_>>()), cells })
    }

    /// The margin of the bad reply in every context at this state of the model.
    pub fn measure(&self, model: &Model, at: Moment<'_>) -> Vec<LeakRecord> {
        let log_probs = self.tree.log_probs(&model.decoder, &model.params);
        let record = |(cell, pair): (&GridCell, &[f64])| LeakRecord {
            stage: at.stage.to_owned(),
            step: at.step as i64,
            family: cell.family.to_owned(),
            prompt: cell.prompt.clone(),
            item: cell.item.clone(),
            margin: pair[0] - pair[1],
        };
        self.cells.iter().zip(log_probs.chunks_exact(2)).map(record).collect()
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
