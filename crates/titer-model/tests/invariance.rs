//! What must not change a number: companions in the batch, packing, sharing a context, the number of threads.

use titer_model::{
    backend::Cpu,
    decoder::{Decoder, Tape},
    packed::Packed,
    params::Params,
    passes::{Accumulate, Workspace, reply_log_probs, score, shards},
    shape::{Config, Variant},
};

type Real = f64;

fn decoder(tied: bool) -> (Decoder<Cpu<Real>>, Params<Cpu<Real>>) {
    let config = Config {
        vocab_size: 29,
        hidden_size: 16,
        intermediate_size: 20,
        num_hidden_layers: 3,
        num_attention_heads: 4,
        num_key_value_heads: 2,
        head_dim: None,
        max_position_embeddings: 64,
        rms_norm_eps: 1e-5,
        rope_theta: 10_000.0,
        tie_word_embeddings: tied,
        variant: Variant::default(),
    };
    let decoder = Decoder::new(Cpu::new(), config);
    let params = Params::random(decoder.backend(), &decoder.layout, 3);
    (decoder, params)
}

fn row(seed: u32, len: u32) -> (Vec<u32>, Vec<bool>) {
    ((0..len).map(|at| (at * at * 7 + seed * 11 + at) % 29).collect(), (0..len).map(|at| at > len / 2).collect())
}

fn gradient(
    decoder: &Decoder<Cpu<Real>>,
    params: &Params<Cpu<Real>>,
    packed: &Packed,
    weights: &[Real],
) -> Params<Cpu<Real>> {
    let (mut tape, mut gradient) = (Tape::default(), Params::zeros(decoder.backend(), &decoder.layout));
    decoder.forward(params, packed, &mut tape);
    decoder.backward(params, packed, weights, &mut tape, &mut Accumulate { gradient: &mut gradient });
    gradient
}

fn distance(a: &Params<Cpu<Real>>, b: &Params<Cpu<Real>>) -> f64 {
    let mut difference = a.clone();
    difference.add_scaled(&Cpu::new(), -1.0, b);
    difference.norm(&Cpu::new()) / b.norm(&Cpu::new())
}

#[test]
fn a_row_does_not_depend_on_its_companions() {
    let (decoder, params) = decoder(false);
    let mut together = Packed::new();
    let mut alone_sum = Params::zeros(decoder.backend(), &decoder.layout);
    let mut alone_scores = Vec::new();
    for at in 0..9 {
        let (tokens, trained) = row(at, 4 + 3 * at);
        together.push_row(&tokens, &trained);
        let mut alone = Packed::new();
        alone.push_row(&tokens, &trained);
        alone_scores.extend(decoder.forward(&params, &alone, &mut Tape::default()));
        let weights = vec![1.0; alone.targets.len()];
        alone_sum.add_scaled(decoder.backend(), 1.0, &gradient(&decoder, &params, &alone, &weights));
    }
    let scores = decoder.forward(&params, &together, &mut Tape::default());
    assert!(scores.iter().zip(&alone_scores).all(|(a, b)| (a - b).abs() < 1e-12));
    let weights = vec![1.0; together.targets.len()];
    assert!(distance(&gradient(&decoder, &params, &together, &weights), &alone_sum) < 1e-12);
}

#[test]
fn replies_that_share_a_context_score_and_pull_as_if_alone() {
    for tied in [false, true] {
        let (decoder, params) = decoder(tied);
        let context = [3, 1, 4, 1, 5, 9];
        let replies: [&[u32]; 4] = [&[2, 6, 5], &[3], &[5, 8, 9, 7], &[9, 3]];
        let mut shared = Packed::new();
        shared.push_contrast(&context, replies);
        let mut separate = Packed::new();
        for reply in replies {
            let tokens = [&context, reply].concat();
            let trained: Vec<bool> = (0..tokens.len()).map(|at| at >= context.len()).collect();
            separate.push_row(&tokens, &trained);
        }
        let scores = |packed: &Packed| reply_log_probs(packed, &decoder.forward(&params, packed, &mut Tape::default()));
        assert!(scores(&shared).iter().zip(scores(&separate)).all(|(a, b)| (a - b).abs() < 1e-12));
        let pull = |packed: &Packed| {
            let weights: Vec<f64> =
                packed.targets.iter().map(|target| [1.0, -1.0, 0.5, 2.0][target.reply as usize]).collect();
            gradient(&decoder, &params, packed, &weights)
        };
        assert!(distance(&pull(&shared), &pull(&separate)) < 1e-12);
    }
}

#[test]
fn sampled_replies_come_as_often_as_their_probability_says() {
    let (decoder, params) = decoder(false);
    let contexts = vec![vec![3, 1, 4]; 4000];
    let drawn = titer_model::passes::sample(&decoder, &params, &contexts, 0, 1, 5);
    let mut packed = Packed::new();
    packed.push_context(&contexts[0]);
    let log_probs = decoder.log_probs(&params, &packed, &mut Tape::default());
    for token in 0..29 {
        let rate = drawn.iter().filter(|reply| reply[0] == token).count() as f64 / 4000.0;
        let exact = log_probs[token as usize].exp();
        assert!(
            (rate - exact).abs() < 4.5 * (exact * (1.0 - exact) / 4000.0).sqrt(),
            "{token}: {rate} against {exact}"
        );
    }
}

#[test]
fn shards_and_threads_do_not_change_a_bit() {
    let (decoder, params) = decoder(false);
    let rows: Vec<_> = (0..120).map(|at| row(at, 20 + at % 30)).collect();
    let lengths: Vec<usize> = rows.iter().map(|(tokens, _)| tokens.len()).collect();
    let batch: Vec<Packed> = shards(&lengths, decoder.shard_tokens())
        .into_iter()
        .map(|range| {
            let mut packed = Packed::new();
            rows[range].iter().for_each(|(tokens, trained)| packed.push_row(tokens, trained));
            packed
        })
        .collect();
    assert!(batch.len() > 1);
    let weights: Vec<Vec<f64>> = batch.iter().map(|packed| vec![0.1; packed.targets.len()]).collect();
    let run = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let mut workspace = Workspace::default();
            let (gradient, scores) = workspace.gradient(&decoder, &params, &batch, &weights);
            let scores: Vec<Vec<f64>> = scores.iter().map(|scores| scores.to_vec()).collect();
            assert_eq!(scores, score(&decoder, &params, &batch));
            (gradient.buffers.clone(), scores)
        })
    };
    assert_eq!(run(1), run(3));
}
