//! Leaving out items that all seeds measure, to tell how other items would do.

use std::{collections::BTreeSet, sync::Arc};

use super::RunResults;
use crate::stats::{ErrorSource, Support};

/// Above so many items, blocks of them are left out together: what is computed without each would take long and say the same.
const MOST: usize = 50;

/// The items that runs share, in blocks to leave out in turn; none where each seed has items of its own.
#[derive(Clone, Debug)]
pub(crate) struct ItemBlocks(Vec<Arc<BTreeSet<String>>>);

impl ItemBlocks {
    /// The blocks of these runs.
    pub(crate) fn of<'a>(runs: impl IntoIterator<Item = &'a RunResults>) -> Self {
        let shared = runs.into_iter().filter(|run| run.shares_items());
        let names: BTreeSet<&str> = shared.flat_map(RunResults::item_names).collect();
        let mut blocks = vec![BTreeSet::new(); names.len().min(MOST)];
        let count = blocks.len();
        names.into_iter().enumerate().for_each(|(at, name)| {
            blocks[at % count].insert(name.to_owned());
        });
        Self(blocks.into_iter().map(Arc::new).collect())
    }

    /// The error over items of a statistic that is `whole` with all of them: the jackknife's over blocks, on the support's scale. Blocks that
    /// it does not depend on do not count. `None` where no two blocks matter.
    pub(crate) fn error(
        &self,
        support: Support,
        whole: f64,
        without: impl Fn(&Arc<BTreeSet<String>>) -> f64,
    ) -> Option<ErrorSource> {
        let left_out = self.0.iter().map(without).filter(|value| *value != whole);
        ErrorSource::jackknife(&left_out.map(|value| support.to_scale(value)).collect::<Vec<_>>())
    }
}
