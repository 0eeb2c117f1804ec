//! Shares of groups and of weight decay add up to what an optimiser moved; states survive a file.

use std::path::Path;

use titer_model::{
    backend::Cpu,
    decoder::Decoder,
    io::{load_optimiser, save_optimiser},
    optim::{Booking, Optimiser, Shares, UpdateRule},
    packed::Packed,
    params::Params,
    passes::Workspace,
    shape::{Config, Variant},
};

fn decoder() -> Decoder<Cpu<f64>> {
    let config = Config {
        vocab_size: 29,
        hidden_size: 16,
        intermediate_size: 24,
        num_hidden_layers: 2,
        num_attention_heads: 2,
        num_key_value_heads: 1,
        head_dim: None,
        max_position_embeddings: 32,
        rms_norm_eps: 1e-5,
        rope_theta: 10_000.0,
        tie_word_embeddings: true,
        variant: Variant::default(),
    };
    Decoder::new(Cpu::new(), config)
}

/// Shards of groups 0, 0 and 2 of three; those of group 2 only in even steps.
fn batch(step: u32) -> (Vec<Packed>, Vec<Vec<f64>>, Vec<usize>) {
    let shard = |seed: u32| {
        let mut packed = Packed::new();
        for row in 0..2 {
            let tokens: Vec<u32> = (0..6).map(|at| (at * at * 5 + seed * 7 + row * 3 + step) % 29).collect();
            packed.push_row(&tokens, &[false, false, true, true, true, true]);
        }
        packed
    };
    let groups = if step.is_multiple_of(2) { vec![0, 0, 2] } else { vec![0, 0] };
    let shards: Vec<Packed> = (0..groups.len() as u32).map(shard).collect();
    let weights = shards.iter().map(|packed| vec![0.25; packed.targets.len()]).collect();
    (shards, weights, groups)
}

const RULES: [UpdateRule; 3] = [
    UpdateRule::AdamW { beta1: 0.9, beta2: 0.98, eps: 1e-8, weight_decay: 0.1 },
    UpdateRule::Sgd { momentum: 0.9 },
    UpdateRule::Sgd { momentum: 0.0 },
];

#[test]
fn shares_add_up_to_what_moved_and_booking_changes_nothing() {
    for rule in RULES {
        let decoder = decoder();
        let (backend, layout) = (*decoder.backend(), &decoder.layout);
        let start = Params::random(&backend, layout, 1);
        let (mut params, mut plain) = (start.clone(), start.clone());
        let mut optimiser = Optimiser::new(&backend, layout, rule);
        let mut unbooked = optimiser.clone();
        let mut shares = Shares::new(&backend, layout, 3);
        let mut workspace = Workspace::default();
        for step in 0..7 {
            let (shards, weights, groups) = batch(step);
            let grouped = workspace.gradient_by_group(&decoder, &params, &shards, &weights, &groups, 3);
            assert!(grouped.groups[1].is_none());
            let booking = Some(Booking { shares: &mut shares, gradients: &grouped.groups });
            optimiser.step_with_shares(&backend, &mut params, grouped.total, 0.8, 0.01, booking);
            let (gradient, _) = workspace.gradient(&decoder, &plain, &shards, &weights);
            unbooked.step(&backend, &mut plain, gradient, 0.8, 0.01);
        }
        assert_eq!(params.buffers, plain.buffers, "{rule:?}");
        let mut moved = params.clone();
        moved.add_scaled(&backend, -1.0, &start);
        let norm = moved.norm(&backend);
        let parts = shares.take(&backend, layout);
        assert_eq!(parts.len(), 4);
        assert_eq!(parts[1].norm(&backend), 0.0);
        assert!(parts[0].norm(&backend) > 0.1 * norm && parts[2].norm(&backend) > 0.1 * norm);
        assert_eq!(parts[3].norm(&backend) > 0.0, matches!(rule, UpdateRule::AdamW { .. }));
        for part in &parts {
            moved.add_scaled(&backend, -1.0, part);
        }
        assert!(moved.norm(&backend) < 1e-12 * norm, "{rule:?}");
        assert!(shares.take(&backend, layout).iter().all(|part| part.norm(&backend) == 0.0));
    }
}

#[test]
fn the_preconditioner_is_the_step_of_a_fresh_adam() {
    let decoder = decoder();
    let (backend, layout) = (*decoder.backend(), &decoder.layout);
    let start = Params::random(&backend, layout, 1);
    let mut params = start.clone();
    let rule = UpdateRule::AdamW { beta1: 0.9, beta2: 0.98, eps: 1e-8, weight_decay: 0.0 };
    let mut optimiser = Optimiser::new(&backend, layout, rule);
    let (shards, weights, _) = batch(0);
    let gradient = Workspace::default().gradient(&decoder, &params, &shards, &weights).0.clone();
    optimiser.step(&backend, &mut params, &gradient, 1.0, 0.01);
    let mut left = optimiser.preconditioned(&backend, layout, &gradient);
    left.scale(&backend, 0.01);
    left.add_scaled(&backend, 1.0, &params);
    left.add_scaled(&backend, -1.0, &start);
    assert!(left.norm(&backend) < 1e-12);
}

#[test]
fn a_state_read_back_goes_on_as_if_never_saved() {
    for rule in RULES {
        let decoder = decoder();
        let (backend, layout) = (Cpu::<f32>::new(), &decoder.layout);
        let decoder = Decoder::new(backend, decoder.config.clone());
        let mut params = Params::random(&backend, layout, 1);
        let mut optimiser = Optimiser::new(&backend, layout, rule);
        let gradient = Params::random(&backend, layout, 2);
        (0..3).for_each(|_| optimiser.step(&backend, &mut params, &gradient, 1.0, 0.01));
        let path = Path::new("optimiser.safetensors");
        let bytes = save_optimiser(&backend, &decoder.layout, &optimiser);
        let mut read = load_optimiser(&backend, &decoder.layout, &bytes, path).unwrap();
        let mut other = params.clone();
        optimiser.step(&backend, &mut params, &gradient, 1.0, 0.01);
        read.step(&backend, &mut other, &gradient, 1.0, 0.01);
        assert_eq!(params.buffers, other.buffers, "{rule:?}");
        let wider = Decoder::new(backend, Config { intermediate_size: 32, ..decoder.config.clone() });
        if rule != RULES[2] {
            let problem = load_optimiser(&backend, &wider.layout, &bytes, path).unwrap_err().to_string();
            assert!(problem.contains("has shape"), "{problem}");
        }
    }
}
