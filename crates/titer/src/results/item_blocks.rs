//! Leaving out items that all seeds measure, to tell how other items would do.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, PoisonError},
};

use super::{RunResults, run::ItemsRead};
use crate::stats::{ErrorSource, Support};

/// Above so many items, blocks of them are left out together: what is computed without each would take long and say the same.
const MOST: usize = 50;

/// The items that a statistic of runs reads, as far as seeds share them, in blocks to leave out in turn; none where each seed has items of its own.
#[derive(Clone, Debug)]
pub(crate) struct ItemBlocks(Vec<Arc<BTreeSet<String>>>);

impl ItemBlocks {
    /// The blocks of what is read; `read` computes the statistic of its runs as they are changed here, so that they note what it takes.
    pub(crate) fn of(read: impl FnOnce(&dyn Fn(&RunResults) -> RunResults)) -> Self {
        let items: ItemsRead = Arc::default();
        read(&|run| if run.shares_items() { run.noting(&items) } else { run.clone() });
        let names = std::mem::take(&mut *Mutex::lock(&items).unwrap_or_else(PoisonError::into_inner));
        let mut blocks = vec![BTreeSet::new(); names.len().min(MOST)];
        let count = blocks.len();
        names.into_iter().enumerate().for_each(|(at, name)| {
            blocks[at % count].insert(name);
        });
        Self(blocks.into_iter().map(Arc::new).collect())
    }

    /// The error over items of a statistic with this value: the jackknife's over blocks, on the support's scale. A block that changes nothing counts like any other: it
    /// says that other items may not either. One without which there is no number says nothing. `None` where no two blocks are left, or all say the same.
    pub(crate) fn error(
        &self,
        value: f64,
        support: Support,
        without: impl Fn(&Arc<BTreeSet<String>>) -> f64,
    ) -> Option<ErrorSource> {
        let left_out: Vec<f64> = self.0.iter().map(without).filter(|value| value.is_finite()).collect();
        ErrorSource::jackknife(&support.places_around(value, &left_out))
    }
}
