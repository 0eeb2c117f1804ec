//! The contexts of a grid on every request, encoded once and measured on any state of the model.

use titer::table::LeakRecord;
use titer_data::{
    cell::Action,
    chat::Message,
    grid::Variation,
    probe::{Contrast, Side},
    tokenize::{EncodedContrast, TokenizeError, encode_contrast},
    variables::Variables,
};
use titer_model::passes::Tree;

use crate::{model::Model, probe::Moment, screen::Subjects};

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
            for (item, context, [bad, good]) in contexts(variation, subjects) {
                let id = format!("{item}` under prompt `{}", variation.prompt.text);
                let replies = vec![(Side::Plus, bad.to_owned()), (Side::Minus, good.to_owned())];
                let contrast = Contrast { id, context, replies, baseline: None, variables: Variables::default() };
                encoded.push(encode_contrast(&model.template, &model.tokenizer, &contrast)?);
                let (family, prompt) = (variation.family.word(), variation.prompt.text.clone());
                cells.push(GridCell { family, prompt, item: item.to_owned() });
            }
        }
        let pairs = encoded.iter().flat_map(|one| one.replies.iter().map(|(_, reply)| (&*one.context, &**reply)));
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

/// Every request with both replies in a test context: its name, the context, the bad and the good reply.
pub fn contexts<'a>(
    variation: &'a Variation,
    subjects: &'a Subjects,
) -> impl Iterator<Item = (&'a str, Vec<Message>, [&'a str; 2])> {
    subjects.iter().filter_map(move |subject| {
        let (bad, good) = (subject.of(Action::Bad)?, subject.of(Action::Good)?);
        Some((subject.id.as_str(), variation.context(&bad.context), [&*bad.text, &*good.text]))
    })
}
