//! Drawing replies from a decoder.

use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use super::{shards, shards::on_shards};
use crate::{
    backend::Backend,
    decoder::{Decoder, Tape},
    layers::Cache,
    packed::{Packed, Reach, Span},
    params::Params,
};

/// Draws one reply per context at temperature 1: tokens up to and including `stop`, at most `limit` of them.
///
/// Every reply has a random stream of its own, keyed by `seed` and its place, so it does not depend on what is drawn beside
/// it. A context that equals the beginning of the one before it is not computed again: for several replies to one context, give
/// it several times in a row.
pub fn sample<B: Backend>(
    decoder: &Decoder<B>,
    params: &Params<B>,
    contexts: &[Vec<u32>],
    stop: u32,
    limit: usize,
    seed: u64,
) -> Vec<Vec<u32>> {
    let lengths: Vec<usize> = contexts.iter().map(|context| context.len() + limit).collect();
    let replies = |range: &std::ops::Range<usize>| -> Vec<Vec<u32>> {
        let streams = range.clone().map(|row| {
            let mut stream = ChaCha8Rng::seed_from_u64(seed);
            stream.set_stream(row as u64);
            stream
        });
        Batch::begin(decoder, params, &contexts[range.clone()], streams.collect(), limit).finish(stop)
    };
    let each = on_shards(decoder.backend(), &shards(&lengths, decoder.shard_tokens()), replies);
    each.into_iter().flatten().collect()
}

/// Replies under way, which advance together.
struct Batch<'a, B: Backend> {
    decoder: &'a Decoder<B>,
    params: &'a Params<B>,
    cache: Cache<B>,
    tape: Tape<B>,
    rows: Vec<Row>,
    /// By open row, where the tape's last log-probabilities have those of its next token.
    next: Vec<u32>,
    limit: usize,
}

struct Row {
    /// The slots of its context, with room for one more span.
    context: Vec<Span>,
    /// The first of the slots of its reply.
    first_slot: u32,
    reply: Vec<u32>,
    stream: ChaCha8Rng,
    open: bool,
}

impl<'a, B: Backend> Batch<'a, B> {
    /// Runs the contexts; slots behind them are kept for `limit` tokens of each reply.
    fn begin(
        decoder: &'a Decoder<B>,
        params: &'a Params<B>,
        contexts: &[Vec<u32>],
        streams: Vec<ChaCha8Rng>,
        limit: usize,
    ) -> Self {
        let mut packed = Packed::new();
        // The target is a stand-in: only the logits in front of it are read.
        packed.push_tree(contexts.iter().map(|context| (context.as_slice(), [0].as_slice())));
        let fed = packed.tokens.len() as u32;
        let places: Vec<u32> = packed.targets.iter().map(|target| target.output).collect();
        let reach = places.iter().map(|&output| packed.reach[packed.outputs[output as usize] as usize]);
        let rows: Vec<Row> = reach
            .zip(streams)
            .zip(0..)
            .map(|((reach, stream), at)| Row {
                context: reach.spans().to_vec(),
                first_slot: fed + at * limit as u32,
                reply: Vec::new(),
                stream,
                open: true,
            })
            .collect();
        let mut cache = Cache::new(decoder.backend(), &decoder.config, fed as usize + rows.len() * limit);
        let (mut tape, slots) = (Tape::default(), (0..fed).collect::<Vec<u32>>());
        decoder.feed(params, &packed, (&mut cache, &slots), &mut tape);
        Self { decoder, params, cache, tape, rows, next: places, limit }
    }

    /// Draws until every row is closed.
    fn finish(mut self, stop: u32) -> Vec<Vec<u32>> {
        for drawn in 1..=self.limit {
            let mut open: Vec<&mut Row> = self.rows.iter_mut().filter(|row| row.open).collect();
            let uniforms: Vec<f64> = open.iter_mut().map(|row| row.stream.random()).collect();
            let tokens = self.decoder.draw(&self.tape, &self.next, &uniforms);
            for (row, token) in open.into_iter().zip(tokens) {
                row.reply.push(token);
                row.open = token != stop;
            }
            if drawn == self.limit || self.rows.iter().all(|row| !row.open) {
                break;
            }
            self.advance();
        }
        self.rows.into_iter().map(|row| row.reply).collect()
    }

    /// Feeds the last token of every open row.
    fn advance(&mut self) {
        let (mut packed, mut slots) = (Packed::new(), Vec::new());
        for row in self.rows.iter().filter(|row| row.open) {
            let (context, len) = (row.context.iter().map(|span| span.len).sum::<u32>(), row.reply.len() as u32);
            let path: Vec<Span> = row.context.iter().copied().chain([Span { start: row.first_slot, len }]).collect();
            packed.push_token(*row.reply.last().expect("a token was drawn"), context + len - 1, Reach::over(&path));
            slots.push(row.first_slot + len - 1);
        }
        self.next = (0..slots.len() as u32).collect();
        self.decoder.feed(self.params, &packed, (&mut self.cache, &slots), &mut self.tape);
    }
}
