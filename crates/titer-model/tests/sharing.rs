//! Rows that share their beginnings in a tree, and replies drawn with a cache, against every row run whole and alone; on
//! every decoder family.

use std::{
    path::{Path, PathBuf},
    sync::Mutex,
};

use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use titer_model::{
    backend::Cpu,
    decoder::{Decoder, Tape},
    io::open,
    packed::Packed,
    params::Params,
    passes::{Drawing, ScoredToken, Tree, generate, reply_log_probs, sample, score, score_tokens},
};

const VOCABULARY: u32 = 60;

fn families() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/reference/families");
    let mut found: Vec<PathBuf> = fs_err::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    found.retain(|path| path.is_dir());
    found.sort();
    assert!(found.len() >= 8);
    found
}

/// Prompts in front of requests, each with replies: many common beginnings, in no order.
fn rows() -> Vec<(Vec<u32>, Vec<u32>)> {
    let mut rng = ChaCha8Rng::seed_from_u64(4);
    let mut draw = |len: usize| -> Vec<u32> { (0..len).map(|_| rng.random_range(1..VOCABULARY)).collect() };
    let prompts = [draw(5), draw(3), draw(7)];
    let requests = [draw(2), draw(4), draw(3)];
    let replies = [draw(3), draw(1), draw(5)];
    let mut rows = Vec::new();
    for (at, reply) in replies.iter().enumerate() {
        for prompt in &prompts {
            for request in &requests {
                let mut context = [prompt.as_slice(), request].concat();
                // Requests that leave a common beginning at various places.
                context.push(1 + at as u32 % 2);
                rows.push((context, reply.clone()));
            }
        }
    }
    rows
}

fn alone(decoder: &Decoder<Cpu<f64>>, params: &Params<Cpu<f64>>, context: &[u32], reply: &[u32]) -> f64 {
    let mut packed = Packed::new();
    let tokens = [context, reply].concat();
    packed.push_row(&tokens, &(0..tokens.len()).map(|at| at >= context.len()).collect::<Vec<_>>());
    reply_log_probs(&packed, &score(decoder, params, &[packed.clone()])[0])[0]
}

#[test]
fn a_tree_scores_every_reply_as_if_alone() {
    for family in families() {
        let (decoder, params) = open(Cpu::<f64>::new(), &family).unwrap();
        let rows = rows();
        let all: Vec<(&[u32], &[u32])> = rows.iter().map(|(a, b)| (a.as_slice(), b.as_slice())).collect();
        let tree = Tree::new(&all);
        let whole: usize = rows.iter().map(|(context, reply)| context.len() + reply.len() - 1).sum();
        assert!(2 * tree.tokens() < whole, "{} tokens of {whole}", tree.tokens());
        for ((context, reply), found) in rows.iter().zip(tree.log_probs(&decoder, &params)) {
            let wanted = alone(&decoder, &params, context, reply);
            assert!((found - wanted).abs() < 1e-12, "{}: {found} for {wanted}", family.display());
        }
    }
}

#[test]
fn a_tree_of_many_shards_keeps_the_order() {
    let (decoder, params) = open(Cpu::<f64>::new(), &families()[2]).unwrap();
    let rows: Vec<(Vec<u32>, Vec<u32>)> =
        (0..400_u32).map(|at| (vec![1 + at % 7, 1 + at % 11, 1 + at % 13, 5], vec![1 + at % 3, 2])).collect();
    let all: Vec<(&[u32], &[u32])> = rows.iter().map(|(a, b)| (a.as_slice(), b.as_slice())).collect();
    let found = Tree::new(&all).log_probs(&decoder, &params);
    for at in [0, 17, 255, 399] {
        assert!((found[at] - alone(&decoder, &params, all[at].0, all[at].1)).abs() < 1e-12);
    }
    assert!(Tree::new(&[]).log_probs(&decoder, &params).is_empty());
}

/// The same draws with every prefix run again for every token.
fn uncached(
    decoder: &Decoder<Cpu<f64>>,
    params: &Params<Cpu<f64>>,
    contexts: &[Vec<u32>],
    (stop, limit, seed): (u32, usize, u64),
) -> Vec<Vec<u32>> {
    let one = |(at, context): (usize, &Vec<u32>)| {
        let mut stream = ChaCha8Rng::seed_from_u64(seed);
        stream.set_stream(at as u64);
        let mut tokens = context.clone();
        while tokens.len() < context.len() + limit && (tokens.len() == context.len() || tokens.last() != Some(&stop)) {
            let mut packed = Packed::new();
            packed.push_context(&tokens);
            let log_probs = decoder.log_probs(params, &packed, &mut Tape::default());
            let mut left: f64 = stream.random();
            let passed = log_probs.iter().position(|log_prob| {
                left -= log_prob.exp();
                left < 0.0
            });
            tokens.push(passed.unwrap_or(log_probs.len() - 1) as u32);
        }
        tokens[context.len()..].to_vec()
    };
    contexts.iter().enumerate().map(one).collect()
}

#[test]
fn a_cache_changes_no_token_of_a_reply() {
    for family in families() {
        let (decoder, params) = open(Cpu::<f64>::new(), &family).unwrap();
        // Repeats and overlaps among the contexts, some longer than the window of the families that slide.
        let mut contexts: Vec<Vec<u32>> = rows().into_iter().map(|(context, _)| context).collect();
        contexts.sort();
        for limit in [1, 9] {
            let found = sample(&decoder, &params, &contexts, 3, limit, 11);
            assert_eq!(found, uncached(&decoder, &params, &contexts, (3, limit, 11)), "{}", family.display());
            assert!(found.iter().all(|reply| !reply.is_empty() && reply.len() <= limit));
        }
    }
}

#[test]
fn a_reply_does_not_depend_on_what_is_drawn_beside_it() {
    let (decoder, params) = open(Cpu::<f64>::new(), &families()[0]).unwrap();
    let contexts: Vec<Vec<u32>> = (0..700_u32).map(|at| vec![1 + at % 5, 2 + at % 40, 7]).collect();
    let all = sample(&decoder, &params, &contexts, 3, 6, 0);
    assert_eq!(all[..9], sample(&decoder, &params, &contexts[..9], 3, 6, 0));
    assert_ne!(all, sample(&decoder, &params, &contexts, 3, 6, 1));
    assert!(all.iter().any(|reply| reply.last() == Some(&3)) && all.iter().any(|reply| reply.len() == 6));
}

#[test]
fn replies_that_are_drawn_as_wished_are_those_of_plain_drawing() {
    for family in families() {
        let (decoder, params) = open(Cpu::<f64>::new(), &family).unwrap();
        let contexts: Vec<Vec<u32>> = rows().into_iter().map(|(context, _)| context).collect();
        let plain = sample(&decoder, &params, &contexts, 3, 7, 11);
        // Their random streams are keyed by their place.
        let drawings: Vec<Drawing> = (0..contexts.len() as u64)
            .map(|stream| Drawing { temperature: 1.0, top_p: 1.0, limit: 7, seed: 11, stream, top: 2 })
            .collect();
        let wanted: Vec<(&[u32], &Drawing)> = contexts.iter().map(Vec::as_slice).zip(&drawings).collect();
        let goes_on = |_: usize, reply: &[ScoredToken]| reply.last().unwrap().token != 3;
        let found = generate(&decoder, &params, &wanted, &goes_on);
        let ids = |reply: &Vec<ScoredToken>| reply.iter().map(|scored| scored.token).collect::<Vec<u32>>();
        assert_eq!(found.iter().map(ids).collect::<Vec<_>>(), plain, "{}", family.display());
        // Their log-probabilities are those of the tokens as given ones, and so are the alternatives.
        let whole: Vec<Vec<u32>> =
            contexts.iter().zip(&plain).map(|(context, reply)| [&context[..], reply].concat()).collect();
        let whole: Vec<&[u32]> = whole.iter().map(Vec::as_slice).collect();
        for top in [0, 2] {
            let given = score_tokens(&decoder, &params, &whole, top);
            for ((given, reply), context) in given.iter().zip(&found).zip(&contexts) {
                assert_eq!(given.len(), context.len() + reply.len() - 1);
                for (given, drawn) in given[context.len() - 1..].iter().zip(reply) {
                    assert_eq!(given.token, drawn.token);
                    assert!((given.log_prob - drawn.log_prob).abs() < 1e-9, "{given:?} {drawn:?}");
                    assert_eq!(given.top.len(), top);
                    for (a, b) in given.top.iter().zip(&drawn.top) {
                        assert!(a.0 == b.0 && (a.1 - b.1).abs() < 1e-9, "{given:?} {drawn:?}");
                    }
                }
            }
        }
    }
}

#[test]
fn every_reply_has_its_own_wishes_whatever_is_drawn_beside_it() {
    let (decoder, params) = open(Cpu::<f64>::new(), &families()[0]).unwrap();
    let drawing = |at: u64| Drawing {
        temperature: [0.0, 0.5, 1.0][at as usize % 3],
        top_p: [1.0, 0.5][at as usize % 2],
        limit: at as usize % 5,
        seed: at,
        stream: 0,
        top: 0,
    };
    let drawings: Vec<Drawing> = (0..60).map(drawing).collect();
    let contexts: Vec<Vec<u32>> = (0..60_u32).map(|at| vec![1 + at % 5, 2 + at % 4, 7]).collect();
    let wanted: Vec<(&[u32], &Drawing)> = contexts.iter().map(Vec::as_slice).zip(&drawings).collect();
    let told = Mutex::new(vec![0; wanted.len()]);
    let all = generate(&decoder, &params, &wanted, &|row, reply| {
        told.lock().unwrap()[row] = reply.len();
        true
    });
    // The last one too, although there is no room behind it.
    assert_eq!(told.into_inner().unwrap(), drawings.iter().map(|drawing| drawing.limit).collect::<Vec<_>>());
    for (at, one) in wanted.iter().enumerate() {
        let alone = generate(&decoder, &params, std::slice::from_ref(one), &|_, _| true);
        let ids = |reply: &[ScoredToken]| reply.iter().map(|scored| scored.token).collect::<Vec<u32>>();
        assert_eq!((ids(&all[at]), all[at].len()), (ids(&alone[0]), drawings[at].limit));
    }
    // Without a temperature the likeliest token is taken.
    let first = &all[3];
    let top = score_tokens(&decoder, &params, &[&[&contexts[3][..], &[first[0].token]].concat()], 1);
    assert_eq!(top[0].last().unwrap().top[0].0, first[0].token);
}
