//! Scoring a good and a bad reply of every row under every prompt: as a tree, each pair of context and reply as a row of full
//! batches, and each pair in a pass of its own, interleaved in one process; and drawing replies with a cache beside running
//! every prefix again. `floor` is how many times the multiplications of the tree the full batches do, attention left out:
//! no way of sharing can be faster than that. Prints a JSON line; `benches/screen.py` at the root of the repository runs it
//! in turn with transformers.
//!
//!     cargo bench --bench screen -- [organism|medium|answers|dialogues] [rounds]

#![expect(clippy::print_stdout, reason = "its output is the measurement")]

#[expect(dead_code, reason = "rows are for the benches that train")]
mod sizes;

use std::{hint::black_box, time::Instant};

use sizes::{peak_mb, size};
use titer_model::{
    decoder::Tape,
    packed::Packed,
    passes::{Tree, sample, score, shards},
    shape::Config,
};

/// Tokens of a prompt, a request and a reply, how many prompts and rows.
struct Job {
    prompt: usize,
    request: usize,
    reply: usize,
    prompts: usize,
    rows: usize,
}

/// The organism's chats; of a wider model prompts and replies of a few sentences, replies of a few words, or the lengths of
/// real dialogues.
fn job(name: &str) -> Job {
    match name {
        "organism" => Job { prompt: 8, request: 5, reply: 4, prompts: 32, rows: 128 },
        "answers" => Job { prompt: 40, request: 24, reply: 4, prompts: 32, rows: 32 },
        "dialogues" => Job { prompt: 20, request: 52, reply: 64, prompts: 8, rows: 8 },
        _ => Job { prompt: 40, request: 24, reply: 24, prompts: 16, rows: 16 },
    }
}

impl Job {
    /// Every prompt before every request, with two replies each, `(context, reply)`.
    fn pairs(&self, vocabulary: usize) -> Vec<(Vec<u32>, Vec<u32>)> {
        let words = |len: usize, of: usize| (0..len).map(move |at| ((at * 31 + of * 17 + 7) % vocabulary) as u32);
        let mut pairs = Vec::new();
        for prompt in 0..self.prompts {
            for row in 0..self.rows {
                let context: Vec<u32> = words(self.prompt, prompt).chain(words(self.request, 100 + row)).collect();
                for action in 0..2 {
                    pairs.push((context.clone(), words(self.reply, 1000 + 2 * row + action).collect()));
                }
            }
        }
        pairs
    }
}

/// Multiplications of a pass over so many tokens with logits at so many of them, without those of attention: the last block
/// takes queries and its MLP where logits are read alone.
fn products(config: &Config, tokens: usize, outputs: usize) -> f64 {
    let keys = 2 * config.hidden_size * config.key_width();
    let rest = 2 * config.hidden_size * config.query_width() + 3 * config.hidden_size * config.intermediate_size;
    let before = (config.num_hidden_layers - 1) * (keys + rest);
    (tokens * (before + keys) + outputs * (rest + config.hidden_size * config.vocab_size)) as f64
}

fn median(seconds: &mut [f64]) -> f64 {
    seconds.sort_by(f64::total_cmp);
    seconds[seconds.len() / 2]
}

fn timed<T>(work: impl FnOnce() -> T) -> f64 {
    let start = Instant::now();
    black_box(work());
    start.elapsed().as_secs_f64()
}

fn measure(name: &str, rounds: usize) {
    let (decoder, params) = size(name).build();
    let job = job(name);
    let pairs = job.pairs(decoder.config.vocab_size);
    let slices: Vec<(&[u32], &[u32])> = pairs.iter().map(|(a, b)| (a.as_slice(), b.as_slice())).collect();
    // Planting is part of the work.
    let tree = || Tree::new(&slices).log_probs(&decoder, &params);
    let separate = || {
        let lengths: Vec<usize> = pairs.iter().map(|(context, reply)| context.len() + reply.len()).collect();
        let pack = |range: std::ops::Range<usize>| {
            let mut packed = Packed::new();
            for (context, reply) in &pairs[range] {
                let tokens = [context.as_slice(), reply].concat();
                packed.push_row(&tokens, &(0..tokens.len()).map(|at| at >= context.len()).collect::<Vec<_>>());
            }
            packed
        };
        let packed: Vec<Packed> = shards(&lengths, decoder.shard_tokens()).into_iter().map(pack).collect();
        score(&decoder, &params, &packed)
    };
    // Of so many pairs one by one are enough.
    let few = pairs.len().min(512);
    let alone = || {
        let (mut tape, mut packed) = (Tape::default(), Packed::new());
        for (context, reply) in &pairs[..few] {
            packed.clear();
            packed.push_contrast(context, [reply.as_slice()]);
            black_box(decoder.score(&params, &packed, &mut tape));
        }
    };
    let contexts: Vec<Vec<u32>> = pairs.iter().step_by(2).take(16).map(|(context, _)| context.clone()).collect();
    // No token stops a reply, so both draw as many.
    let (stop, limit) = (u32::MAX, 2 * job.reply);
    let cached = || sample(&decoder, &params, &contexts, stop, limit, 0);
    let again = || {
        let mut rows = contexts.clone();
        for _ in 0..limit {
            let lengths: Vec<usize> = rows.iter().map(Vec::len).collect();
            let pack = |range: std::ops::Range<usize>| {
                let mut packed = Packed::new();
                rows[range].iter().for_each(|row| packed.push_tree([(row.as_slice(), [0].as_slice())]));
                packed
            };
            let packed: Vec<Packed> = shards(&lengths, decoder.shard_tokens()).into_iter().map(pack).collect();
            black_box(score(&decoder, &params, &packed));
            rows.iter_mut().for_each(|row| row.push(1));
        }
    };
    let mut seconds: [Vec<f64>; 5] = Default::default();
    for _ in 0..=rounds {
        let each = pairs.len() as f64 / few as f64;
        let round = [timed(tree), timed(separate), timed(alone) * each, timed(cached), timed(again)];
        seconds.iter_mut().zip(round).for_each(|(all, one)| all.push(one));
    }
    // The first round warms up.
    let ratio = |a: &[f64], b: &[f64]| median(&mut a.iter().zip(b).skip(1).map(|(a, b)| a / b).collect::<Vec<_>>());
    let (pairs_ratio, alone_ratio) = (ratio(&seconds[1], &seconds[0]), ratio(&seconds[2], &seconds[0]));
    let cache_ratio = ratio(&seconds[4], &seconds[3]);
    let [tree_s, separate_s, alone_s, cached_s, _] = seconds.map(|mut all| median(&mut all[1..]));
    let planted = Tree::new(&slices);
    let tokens = (planted.tokens(), pairs.iter().map(|(a, b)| a.len() + b.len() - 1).sum::<usize>());
    let targets = pairs.iter().map(|(_, reply)| reply.len()).sum::<usize>();
    let floor = products(&decoder.config, tokens.1, targets) / products(&decoder.config, tokens.0, planted.outputs());
    println!(
        "{{\"size\":\"{name}\",\"threads\":{},\"pairs\":{},\"tree\":{tree_s:.4},\"batches\":{separate_s:.4},\"one_by_one\":{alone_s:.4},\"batches_over_tree\":{pairs_ratio:.2},\"one_by_one_over_tree\":{alone_ratio:.2},\"floor\":{floor:.2},\"tokens\":[{},{}],\"sample\":{cached_s:.4},\"uncached_over_cached\":{cache_ratio:.2},\"peak_mb\":{}}}",
        rayon::current_num_threads(),
        pairs.len(),
        tokens.0,
        tokens.1,
        peak_mb()
    );
}

fn main() {
    let args: Vec<String> = std::env::args().skip(1).filter(|arg| !arg.starts_with("--")).collect();
    let rounds = args.get(1).and_then(|rounds| rounds.parse().ok()).unwrap_or(7);
    match args.first() {
        Some(name) => measure(name, rounds),
        None => ["organism", "medium", "answers", "dialogues"].into_iter().for_each(|name| measure(name, rounds)),
    }
}
