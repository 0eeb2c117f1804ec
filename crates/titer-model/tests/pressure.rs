//! Contraction = one backward pass per row = central differences, whatever the batch, the row length or the head.

use proptest::prelude::*;
use titer_model::{
    backend::Cpu,
    decoder::{Decoder, Tape},
    packed::Packed,
    params::Params,
    passes::{Accumulate, Workspace, contract, contract_and_add_up},
    real::Real,
    shape::{Config, Variant},
};

const DIRECTIONS: u64 = 3;

struct Setting<T: Real> {
    decoder: Decoder<Cpu<T>>,
    params: Params<Cpu<T>>,
    directions: Vec<Params<Cpu<T>>>,
}

/// Grouped-query attention; widths that are not multiples of the kernel's blocks, and one that is.
fn setting<T: Real>(tied: bool) -> Setting<T> {
    let config = Config {
        vocab_size: 29,
        hidden_size: 64,
        intermediate_size: 84,
        num_hidden_layers: 2,
        num_attention_heads: 4,
        num_key_value_heads: 2,
        head_dim: Some(10),
        max_position_embeddings: 128,
        rms_norm_eps: 1e-5,
        rope_theta: 10_000.0,
        tie_word_embeddings: tied,
        variant: Variant::default(),
    };
    let decoder = Decoder::new(Cpu::new(), config);
    let random = |seed| Params::random(decoder.backend(), &decoder.layout, seed);
    let (params, directions) = (random(3), (0..DIRECTIONS).map(|seed| random(10 + seed)).collect());
    Setting { decoder, params, directions }
}

/// Rows shorter and longer than where the kernel changes its way, with repeated tokens.
fn rows() -> Vec<(Vec<u32>, Vec<bool>)> {
    let row = |seed: u32, len: u32| {
        let tokens = (0..len).map(|at| (at * at * 7 + seed * 11 + at / 2) % 29).collect();
        (tokens, (0..len).map(|at| at > 0 && !(at + seed).is_multiple_of(3)).collect())
    };
    vec![row(0, 7), row(1, 70), row(2, 3), row(3, 24), row(4, 100)]
}

fn pack(rows: &[(Vec<u32>, Vec<bool>)]) -> Packed {
    let mut packed = Packed::new();
    rows.iter().for_each(|(tokens, trained)| packed.push_row(tokens, trained));
    packed
}

fn weights<T: Real>(packed: &Packed) -> Vec<T> {
    packed.targets.iter().enumerate().map(|(at, _)| T::of(0.5 + (at % 4) as f64 / 3.0)).collect()
}

fn gradient<T: Real>(setting: &Setting<T>, packed: &Packed, weights: &[T]) -> Params<Cpu<T>> {
    let (decoder, params) = (&setting.decoder, &setting.params);
    let (mut tape, mut gradient) = (Tape::default(), Params::zeros(decoder.backend(), &decoder.layout));
    decoder.forward(params, packed, &mut tape);
    decoder.backward(params, packed, weights, &mut tape, &mut Accumulate { gradient: &mut gradient });
    gradient
}

fn agrees_with_brute_force<T: Real>(tolerance: f64) {
    for tied in [false, true] {
        let setting = setting::<T>(tied);
        let backend = setting.decoder.backend();
        let together = pack(&rows());
        let all_weights = weights::<T>(&together);
        let shards = [together.clone()];
        let (sums, _) = contract(
            &Workspace::default(),
            &setting.decoder,
            &setting.params,
            &shards,
            std::slice::from_ref(&all_weights),
            &setting.directions,
        );
        let mut start = 0;
        for (at, row) in rows().iter().enumerate() {
            let alone = pack(std::slice::from_ref(row));
            let end = start + alone.targets.len();
            let brute = gradient(&setting, &alone, &all_weights[start..end]);
            start = end;
            let norm = brute.norm(backend);
            assert!((sums.squared_norm(at).sqrt() / norm - 1.0).abs() < tolerance, "norm of row {at}, tied {tied}");
            for (found, direction) in sums.dots(at).iter().zip(&setting.directions) {
                let error = (found - brute.dot(backend, direction)).abs() / (norm * direction.norm(backend));
                assert!(error < tolerance, "row {at}, tied {tied}: relative error {error:e}");
            }
        }
        // Over the rows, they add up to the batch gradient's.
        let batch = gradient(&setting, &together, &all_weights);
        for (k, direction) in setting.directions.iter().enumerate() {
            let total: f64 = (0..sums.rows()).map(|row| sums.dots(row)[k]).sum();
            let error = (total - batch.dot(backend, direction)).abs() / (batch.norm(backend) * direction.norm(backend));
            assert!(error < tolerance, "sum over rows, tied {tied}: {error:e}");
        }
        // One pass gives both.
        let mut workspace = Workspace::default();
        let (again, mut gradient, _) = {
            let (sums, gradient, log_probs) = contract_and_add_up(
                &mut workspace,
                &setting.decoder,
                &setting.params,
                &shards,
                std::slice::from_ref(&all_weights),
                &setting.directions,
            );
            (sums, gradient.clone(), log_probs.len())
        };
        assert_eq!(again, sums);
        gradient.add_scaled(backend, -1.0, &batch);
        assert!(gradient.norm(backend) < tolerance * batch.norm(backend), "batch gradient, tied {tied}");
    }
}

#[test]
fn contraction_is_one_backward_per_row_in_f64() {
    agrees_with_brute_force::<f64>(1e-12);
}

#[test]
fn contraction_is_one_backward_per_row_in_f32() {
    agrees_with_brute_force::<f32>(1e-5);
}

#[test]
fn contraction_is_the_central_difference_along_the_direction() {
    let setting = setting::<f64>(true);
    let backend = setting.decoder.backend();
    let packed = pack(&rows());
    let weights = weights::<f64>(&packed);
    let shards = [packed.clone()];
    let (sums, _) = contract(
        &Workspace::default(),
        &setting.decoder,
        &setting.params,
        &shards,
        std::slice::from_ref(&weights),
        &setting.directions,
    );
    let losses = |params: &Params<Cpu<f64>>| {
        let mut losses = vec![0.0; packed.replies as usize];
        let log_probs = setting.decoder.forward(params, &packed, &mut Tape::default());
        for ((target, log_prob), weight) in packed.targets.iter().zip(log_probs).zip(&weights) {
            losses[target.reply as usize] -= weight * log_prob;
        }
        losses
    };
    for (k, direction) in setting.directions.iter().enumerate() {
        let moved = |step: f64| {
            let mut params = setting.params.clone();
            params.add_scaled(backend, step, direction);
            losses(&params)
        };
        let step = 1e-5;
        for (row, (up, down)) in moved(step).into_iter().zip(moved(-step)).enumerate() {
            let slope = (up - down) / (2.0 * step);
            let scale = sums.squared_norm(row).sqrt() * direction.norm(backend);
            assert!((slope - sums.dots(row)[k]).abs() / scale < 1e-6, "row {row}, direction {k}");
        }
    }
}

#[test]
fn contrasts_are_rows_too() {
    let setting = setting::<f64>(false);
    let backend = setting.decoder.backend();
    let push = |packed: &mut Packed, at: u32| {
        let (long, short) = ([4 + at, 5, 6, 5], [7, at]);
        packed.push_contrast(&[1, 2, at, 3], [long.as_slice(), short.as_slice()]);
    };
    let (mut both, mut last) = (Packed::new(), Packed::new());
    push(&mut both, 1);
    push(&mut both, 2);
    push(&mut last, 2);
    let side = |packed: &Packed| -> Vec<f64> {
        packed.targets.iter().map(|target| if target.reply % 2 == 0 { -1.0 } else { 1.0 }).collect()
    };
    let (sums, _) = contract(
        &Workspace::default(),
        &setting.decoder,
        &setting.params,
        &[both.clone()],
        &[side(&both)],
        &setting.directions,
    );
    let brute = gradient(&setting, &last, &side(&last));
    assert!((sums.squared_norm(1) / brute.dot(backend, &brute) - 1.0).abs() < 1e-12);
    for (found, direction) in sums.dots(1).iter().zip(&setting.directions) {
        assert!((found - brute.dot(backend, direction)).abs() < 1e-10);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn companions_order_and_shards_do_not_matter(order in Just((0..5).collect::<Vec<usize>>()).prop_shuffle(), cut in 0_usize..5) {
        let setting = setting::<f64>(false);
        let rows = rows();
        let single = |at: usize| {
            let packed = pack(&rows[at..=at]);
            let weights = vec![1.0; packed.targets.len()];
            contract(&Workspace::default(), &setting.decoder, &setting.params, &[packed], &[weights], &setting.directions).0
        };
        let shuffled: Vec<_> = order.iter().map(|&at| rows[at].clone()).collect();
        let shards: Vec<Packed> =
            [&shuffled[..cut], &shuffled[cut..]].into_iter().filter(|rows| !rows.is_empty()).map(pack).collect();
        let weights: Vec<Vec<f64>> = shards.iter().map(|packed| vec![1.0; packed.targets.len()]).collect();
        let (sums, _) = contract(&Workspace::default(), &setting.decoder, &setting.params, &shards, &weights, &setting.directions);
        for (place, &at) in order.iter().enumerate() {
            let alone = single(at);
            prop_assert!((sums.squared_norm(place) / alone.squared_norm(0) - 1.0).abs() < 1e-12);
            for (found, wanted) in sums.dots(place).iter().zip(alone.dots(0)) {
                prop_assert!((found - wanted).abs() < 1e-9);
            }
        }
    }
}
