//! How a batch is cut for several threads: into shards of whole rows.
//!
//! The cut depends on the batch alone, never on the number of threads, so results do not either.

use std::ops::{Range, RangeInclusive};

use rayon::iter::{IntoParallelRefIterator as _, ParallelIterator as _};

use crate::{backend::Backend, decoder::Decoder, layers::slot_numbers};

impl<B: Backend> Decoder<B> {
    /// Tokens that a shard should hold, see [`Backend::shard_tokens`].
    pub fn shard_tokens(&self) -> RangeInclusive<usize> {
        self.backend().shard_tokens(self.config.hidden_size, self.least_bytes())
    }

    /// Tokens that a shard of replies should hold that are drawn, room for them included. Most steps have one token of each row, for which
    /// all weights are read, so that rows which are drawn together cost little more than one.
    pub(super) fn drawing_tokens(&self) -> RangeInclusive<usize> {
        // Their keys and values have to fit into memory once a thread.
        const NUMBERS: usize = 1 << 26;
        let (tokens, fit) = (self.shard_tokens(), NUMBERS / slot_numbers(&self.config));
        *tokens.start()..=fit.min(8192).max(*tokens.end())
    }
}

/// How many tokens each reply takes, with room for `limit` of its own: what its context has in common with the one before it is computed
/// once.
pub(super) fn drawing_lengths<'a>(replies: impl IntoIterator<Item = (&'a [u32], usize)>) -> Vec<usize> {
    let mut before: &[u32] = &[];
    let length = |(context, limit): (&'a [u32], usize)| {
        let shared = before.iter().zip(context).take_while(|(one, other)| one == other).count();
        before = context;
        context.len() - shared + limit
    };
    replies.into_iter().map(length).collect()
}

/// Does work on every shard, on several threads where the backend gains by that; the results in order.
pub(super) fn on_shards<B: Backend, S: Sync, R: Send>(
    backend: &B,
    shards: &[S],
    work: impl Fn(&S) -> R + Sync + Send,
) -> Vec<R> {
    if backend.at_once() == 1 { shards.iter().map(work).collect() } else { shards.par_iter().map(work).collect() }
}

/// Cuts rows of these lengths into contiguous shards of about equal size, as ranges of rows. A shard has at most about as many tokens
/// as `tokens` says; what would be one shard becomes two, for two threads, where each has at least as many as it says. Their number is a
/// power of two, so that it divides among the threads.
pub fn shards(lengths: &[usize], tokens: RangeInclusive<usize>) -> Vec<Range<usize>> {
    let total: usize = lengths.iter().sum();
    let count = total.div_ceil(*tokens.end()).next_power_of_two();
    let count = if count == 1 && total >= 2 * tokens.start() { 2 } else { count };
    let mut ranges = Vec::with_capacity(count);
    let (mut start, mut seen) = (0, 0);
    for (row, length) in lengths.iter().enumerate() {
        seen += length;
        if seen * count >= total * (ranges.len() + 1) && ranges.len() + 1 < count {
            ranges.push(start..row + 1);
            start = row + 1;
        }
    }
    ranges.push(start..lengths.len());
    ranges.retain(|range| !range.is_empty());
    ranges
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shards_cover_all_rows_once_and_are_balanced() {
        let lengths: Vec<usize> = (0..130).map(|row| 15 + row % 11).collect();
        let cut = shards(&lengths, 1024..=1024);
        assert_eq!(cut.len(), 4);
        assert_eq!(cut.iter().flat_map(Clone::clone).collect::<Vec<_>>(), (0..130).collect::<Vec<_>>());
        let sizes: Vec<usize> = cut.iter().map(|range| lengths[range.clone()].iter().sum()).collect();
        assert!(sizes.iter().all(|size| size.abs_diff(sizes[0]) < 60), "{sizes:?}");
        assert_eq!(shards(&[5], 1024..=1024).len(), 1);
        assert_eq!(shards(&[3000, 10], 1024..=1024), [0..1, 1..2]);
    }

    #[test]
    fn what_contexts_have_in_common_counts_once() {
        let contexts: [&[u32]; 5] = [&[1, 2, 3], &[1, 2, 3], &[1, 2], &[1, 2, 3], &[4]];
        assert_eq!(drawing_lengths(contexts.map(|context| (context, 10))), [13, 10, 10, 11, 11]);
    }

    #[test]
    fn a_small_batch_is_cut_in_two_where_that_pays() {
        let count = |rows: usize| shards(&vec![10; rows], 128..=512).len();
        // 120, 250, 260, 500, 520, 1020, 1040, 3000, 5000 tokens.
        let counts = [12, 25, 26, 50, 52, 102, 104, 300, 500].map(count);
        assert_eq!(counts, [1, 1, 2, 2, 2, 2, 4, 8, 16]);
    }
}
