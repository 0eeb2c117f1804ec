//! Replies under way, which advance together behind a cache.

use crate::{
    backend::Backend,
    decoder::{Decoder, Tape},
    layers::Cache,
    packed::{Packed, Reach, Span},
    params::Params,
};

/// Replies under way.
pub(super) struct Replies<'a, B: Backend> {
    decoder: &'a Decoder<B>,
    params: &'a Params<B>,
    cache: Cache<B>,
    tape: Tape<B>,
    rows: Vec<ReplyRow>,
    /// By open row, where the tape's last log-probabilities have those of its next token.
    next: Vec<u32>,
}

struct ReplyRow {
    /// The slots of its context, with room for one more span.
    context: Vec<Span>,
    /// The first of the slots of its reply.
    first_slot: u32,
    reply: Vec<u32>,
    open: bool,
}

impl<'a, B: Backend> Replies<'a, B> {
    /// Runs the contexts; slots behind them are kept for as many tokens of each reply as `limits` says. A context that equals the beginning
    /// of the one before it is not computed again. Replies without room are closed.
    pub(super) fn begin<'c>(
        decoder: &'a Decoder<B>,
        params: &'a Params<B>,
        contexts: impl IntoIterator<Item = &'c [u32]>,
        limits: &[usize],
    ) -> Self {
        let mut packed = Packed::new();
        // The target is a stand-in: only the logits in front of it are read.
        packed.push_tree(contexts.into_iter().map(|context| (context, [0].as_slice())));
        let fed = packed.tokens.len() as u32;
        let places: Vec<u32> = packed.targets.iter().map(|target| target.output).collect();
        let reach = places.iter().map(|&output| packed.reach[packed.outputs[output as usize] as usize]);
        let mut slots = fed;
        let row = |(reach, &limit): (Reach, &usize)| {
            let first_slot = slots;
            slots += limit as u32;
            ReplyRow { context: reach.spans().to_vec(), first_slot, reply: Vec::new(), open: limit > 0 }
        };
        let rows: Vec<ReplyRow> = reach.zip(limits).map(row).collect();
        let mut cache = Cache::new(decoder.backend(), &decoder.config, slots as usize);
        let (mut tape, slots) = (Tape::default(), (0..fed).collect::<Vec<u32>>());
        decoder.feed(params, &packed, (&mut cache, &slots), &mut tape);
        let next = places.into_iter().zip(&rows).filter(|(_, row)| row.open).map(|(place, _)| place).collect();
        Self { decoder, params, cache, tape, rows, next }
    }

    /// The rows whose replies go on, in order.
    pub(super) fn open(&self) -> Vec<usize> {
        (0..self.rows.len()).filter(|&at| self.rows[at].open).collect()
    }

    /// A token for each open row, drawn at temperature 1 by numbers in `[0, 1)`.
    pub(super) fn draw(&self, uniforms: &[f64]) -> Vec<u32> {
        self.decoder.draw(&self.tape, &self.next, uniforms)
    }

    /// Log-probabilities of the next token of each open row, nats: `[_, vocabulary]`, and where each row's are.
    pub(super) fn log_probs(&self) -> (Vec<B::Real>, &[u32]) {
        (self.decoder.fed_log_probs(&self.tape), &self.next)
    }

    /// Adds a token to a row's reply, which goes on or is closed by it.
    pub(super) fn push(&mut self, row: usize, token: u32, goes_on: bool) {
        let row = &mut self.rows[row];
        row.reply.push(token);
        row.open = goes_on;
    }

    /// Feeds the last token of every open row.
    pub(super) fn advance(&mut self) {
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

    /// The tokens of every reply.
    pub(super) fn finish(self) -> Vec<Vec<u32>> {
        self.rows.into_iter().map(|row| row.reply).collect()
    }
}
