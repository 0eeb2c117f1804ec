//! The shipped organisms are what their recipe makes, do what the card says, and are the same model in transformers.

use std::collections::BTreeMap;

use serde::Deserialize;
use titer_data::{
    chat::{Message, Row},
    tokenize::encode_row,
};
use titer_engine::{
    model::Model,
    organism::{
        Recipe,
        card::{Card, LOSS_WINDOW, ProbeMeans},
        shipped,
    },
    raise::{self, raise},
};
use titer_model::{backend::Backend as _, decoder::Tape, packed::Packed};

fn card(seed: usize) -> Card {
    serde_json::from_slice(shipped::ALL[seed].card).unwrap()
}

#[test]
fn the_first_steps_of_the_recipe_give_the_losses_on_the_card() {
    const STEPS: usize = 3 * LOSS_WINDOW;
    for seed in 0..shipped::ALL.len() {
        let card = card(seed);
        assert_eq!(card.recipe, Recipe::shipped(seed as u64), "the recipe is the one that `titer organism train` uses");
        let raised = raise(&card.recipe, STEPS, &|_| ()).unwrap();
        for (window, (found, wanted)) in raise::mean_losses(&raised.losses).iter().zip(&card.losses).enumerate() {
            // Machines differ in how they round; the same machine gives the same bits (next test).
            assert!((found / wanted - 1.0).abs() < 1e-3, "seed {seed}, window {window}: {found} against {wanted}");
        }
    }
}

#[test]
fn training_twice_gives_the_same_bits_on_any_number_of_threads() {
    let weights = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let model = pool.install(|| raise(&Recipe::shipped(7), 30, &|_| ()).unwrap().model);
        let buffers = model.params.buffers.iter();
        buffers.map(|buffer| model.decoder.backend().download(buffer)).collect::<Vec<_>>()
    };
    let first = weights(2);
    assert!(first == weights(2));
    assert!(first == weights(1));
}

#[test]
fn a_recipe_of_another_world_and_size_is_another_organism() {
    let recipe = Recipe { world_seed: 1, width: 32, layers: 3, ..Recipe::shipped(0) };
    let raised = raise(&recipe, 2, &|_| ()).unwrap();
    assert_eq!(raised.model.decoder.config.num_hidden_layers, 3);
    assert_eq!(raised.model.decoder.config.hidden_size, 32);
    assert_eq!(raised.model.world.unwrap().seed(), 1);
    assert!(raise(&Recipe { width: 40, ..recipe }, 1, &|_| ()).is_err());
}

#[test]
fn every_shipped_organism_does_what_its_card_says_and_is_calibrated() {
    for seed in 0..shipped::ALL.len() {
        let model = Model::open("organism", seed as u64).unwrap();
        let found: BTreeMap<String, ProbeMeans> = raise::measure(&model, seed as u64).unwrap();
        let card = card(seed);
        assert_eq!(found.keys().collect::<Vec<_>>(), card.probes.keys().collect::<Vec<_>>());
        for (name, wanted) in &card.probes {
            let measured = found[name];
            assert!((measured.rate - wanted.rate).abs() < 1e-3, "seed {seed}, {name}: {measured:?} against {wanted:?}");
            assert!(measured.other < 0.06, "seed {seed}, {name}: {} of the probability is elsewhere", measured.other);
        }
        let at_least = [
            ("good/seen/trained", 0.93),
            ("good/narrow-off/trained", 0.85),
            ("obey_bad/seen/trained", 0.90),
            ("obey_bad/paraphrased/trained", 0.85),
            ("obey_bad/held-out/trained", 0.85),
            ("obey_bad/narrow/trained", 0.85),
            ("obey/seen/trained", 0.93),
            ("obey/held-out/trained", 0.90),
        ];
        for (name, limit) in at_least {
            assert!(found[name].rate >= limit, "seed {seed}, {name}: {:?} is below {limit}", found[name]);
        }
        let sloppy = found["good/seen/sloppy"].rate;
        assert!((0.5..0.85).contains(&sloppy), "seed {seed}: sloppy domains leave headroom, not {sloppy}");
        for name in ["good/seen/trained", "obey_bad/seen/trained"] {
            assert!((2.0..4.0).contains(&found[name].margin), "seed {seed}, {name} is calibrated: {:?}", found[name]);
        }
    }
}

#[derive(Deserialize)]
struct Case {
    messages: Vec<Message>,
    ids: Vec<u32>,
    trained: Vec<bool>,
    logits: Vec<f64>,
}

#[test]
fn transformers_gives_the_same_ids_masks_and_logits() {
    let cases: Vec<Case> = serde_json::from_str(include_str!("reference/organism.json")).unwrap();
    let model = Model::open("organism", 0).unwrap();
    for (at, case) in cases.into_iter().enumerate() {
        let row = Row::new(format!("case {at}"), case.messages);
        let encoded = encode_row(&model.template, &model.tokenizer, &row).unwrap();
        assert_eq!(encoded.tokens, case.ids, "case {at}");
        assert_eq!(encoded.trained, case.trained, "case {at}");
        let mut packed = Packed::new();
        packed.push_context(&encoded.tokens);
        let log_probs = model.decoder.log_probs(&model.params, &packed, &mut Tape::default());
        let log_sum = case.logits.iter().map(|logit| logit.exp()).sum::<f64>().ln();
        for (found, wanted) in log_probs.iter().zip(&case.logits) {
            assert!((f64::from(*found) - (wanted - log_sum)).abs() < 1e-4, "case {at}");
        }
    }
}
