//! An organism's folder.

use titer_model::io;

use crate::{model::Model, organism::card::Card};

/// The files of an organism's folder, `(name, bytes)`: what transformers reads, and the card.
pub fn files(card: &Card, model: &Model) -> Vec<(&'static str, Vec<u8>)> {
    let world = model.world.as_ref().expect("an organism has a world");
    let end = world.end_token();
    let end = model.tokenizer.id(end).expect("the closing token is in the vocabulary");
    let Model { decoder, params, .. } = model;
    let (config, weights) = io::save(decoder.backend(), &decoder.config, &decoder.layout, params, end);
    let mut card = serde_json::to_vec_pretty(card).expect("a card is plain data");
    card.push(b'\n');
    vec![
        ("config.json", config),
        ("model.safetensors", weights),
        ("tokenizer.json", world.tokenizer_json().into_bytes()),
        ("tokenizer_config.json", world.tokenizer_config_json().into_bytes()),
        (Card::FILE, card),
    ]
}
