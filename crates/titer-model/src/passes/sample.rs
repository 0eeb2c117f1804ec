//! Drawing replies from a decoder.

use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use super::{
    replies::Replies,
    shards,
    shards::{drawing_lengths, on_shards},
};
use crate::{backend::Backend, decoder::Decoder, params::Params};

/// Draws one reply per context at temperature 1: tokens up to and including `stop`, at most `limit` of them.
///
/// Every reply has a random stream of its own, keyed by `seed` and its place, so it does not depend on what is drawn beside
/// it, but for rounding, see [`super::generate`]. A context that equals the beginning of the one before it is not computed again: for several replies to one context, give
/// it several times in a row.
pub fn sample<B: Backend>(
    decoder: &Decoder<B>,
    params: &Params<B>,
    contexts: &[Vec<u32>],
    stop: u32,
    limit: usize,
    seed: u64,
) -> Vec<Vec<u32>> {
    let lengths = drawing_lengths(contexts.iter().map(|context| (context.as_slice(), limit)));
    let drawn = |range: &std::ops::Range<usize>| -> Vec<Vec<u32>> {
        let mut streams: Vec<ChaCha8Rng> = range.clone().map(|row| stream(seed, row as u64)).collect();
        let shard = contexts[range.clone()].iter().map(Vec::as_slice);
        let mut replies = Replies::begin(decoder, params, shard, &vec![limit; range.len()]);
        for drawn in 1..=limit {
            let open = replies.open();
            let uniforms: Vec<f64> = open.iter().map(|&row| streams[row].random()).collect();
            let tokens = replies.draw(&uniforms);
            open.iter().zip(tokens).for_each(|(&row, token)| replies.push(row, token, token != stop));
            if drawn == limit || replies.open().is_empty() {
                break;
            }
            replies.advance();
        }
        replies.finish()
    };
    let each = on_shards(decoder.backend(), &shards(&lengths, decoder.drawing_tokens()), drawn);
    each.into_iter().flatten().collect()
}

/// The random stream of a reply.
pub(super) fn stream(seed: u64, place: u64) -> ChaCha8Rng {
    let mut stream = ChaCha8Rng::seed_from_u64(seed);
    stream.set_stream(place);
    stream
}
