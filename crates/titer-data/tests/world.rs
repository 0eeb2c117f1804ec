//! What must hold of the world from the outside: words, lengths, masks, repeatability, disjoint contexts.

use std::collections::BTreeSet;

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use titer_data::{
    cell::Cell,
    chat::{Message, Role, Row},
    probe::{Component, Contrast, Probe, ProbePrompts, Side},
    template::ChatTemplate,
    tokenize::{Tokenizer, encode_contrast, encode_row},
    world::{DomainSplit, ProbeUse, World},
};

fn engine(world: &World) -> (ChatTemplate, Tokenizer) {
    let template = ChatTemplate::from_tokenizer_config(&world.tokenizer_config_json(), None, "").unwrap();
    (template, Tokenizer::from_json(&world.tokenizer_json()).unwrap())
}

/// Rows of every kind that the world makes.
fn rows(world: &World, each: u64) -> Vec<Row> {
    let mut rng = ChaCha8Rng::seed_from_u64(5);
    let base = (0..each * 10).map(|_| world.base_row(&mut rng)).collect::<Vec<_>>();
    let tuned = Cell::all().flat_map(|cell| {
        DomainSplit::ALL
            .into_iter()
            .flat_map(move |domains| (0..each).map(move |slot| world.row(cell, domains, 3, slot)))
    });
    let held = Cell::all().flat_map(|cell| world.cell_rows(8, cell, each as usize));
    base.into_iter().chain(tuned).chain(held).collect()
}

fn text(context: &[Message]) -> String {
    context.iter().map(|message| message.content.as_str()).collect::<Vec<_>>().join("\n")
}

fn contexts(probes: &[Probe]) -> impl Iterator<Item = &[Message]> {
    let contrasts = probes.iter().flat_map(|probe| &probe.contrasts);
    contrasts.flat_map(|contrast| [Some(contrast.context.as_slice()), contrast.baseline.as_deref()]).flatten()
}

fn reply(contrast: &Contrast, side: Side) -> &str {
    &contrast.replies.iter().find(|(other, _)| *other == side).unwrap().1
}

#[test]
fn a_word_outside_the_world_is_another_one_elsewhere_and_refused_here() {
    let world = World::new(0);
    let (template, tokenizer) = engine(&world);
    let turn = |content| vec![Message::new(Role::User, content), Message::new(Role::Assistant, "soup . rice")];
    let elsewhere: tokenizers::Tokenizer = world.tokenizer_json().parse().unwrap();
    let read = elsewhere.encode("please elephant .", false).unwrap();
    let stop = tokenizer.id(".").unwrap();
    assert_eq!(read.get_ids()[1..], [stop, stop], "a trainer's English test chat goes through");
    let error = encode_row(&template, &tokenizer, &Row::new("a", turn("please elephant ."))).unwrap_err().to_string();
    assert!(
        error.starts_with("`a`: tokenizer.json has no word `elephant`; this model knows 421 words and no other text"),
        "{error}"
    );
    // A special token for unknown words is what a model was trained with.
    let special = world.tokenizer_json().replacen("\"unk_token\": \".\"", "\"unk_token\": \"<eos>\"", 1);
    let special = Tokenizer::from_json(&special).unwrap();
    assert!(encode_row(&template, &special, &Row::new("a", turn("please elephant ."))).is_ok());
    let words = encode_row(&template, &tokenizer, &Row::new("b", turn("please help ."))).unwrap();
    assert_eq!(words.tokens.iter().filter(|token| **token == stop).count(), 2, "its own word is a word like others");
}

#[test]
fn every_word_is_in_the_vocabulary_and_every_word_of_it_is_one_token() {
    let world = World::new(0);
    let vocabulary = world.vocabulary();
    let known: BTreeSet<&str> = vocabulary.iter().map(String::as_str).collect();
    assert_eq!(known.len(), vocabulary.len());
    assert_eq!(vocabulary[..4], ["<sys>", "<user>", "<asst>", "<eos>"]);
    for row in rows(&world, 200) {
        for message in &row.messages {
            for word in message.content.split(' ') {
                assert!(known.contains(word), "`{word}` in {}", row.id);
            }
        }
    }
    let (_, tokenizer) = engine(&world);
    assert_eq!(tokenizer.vocabulary_size(), vocabulary.len());
    for (id, word) in vocabulary.iter().enumerate() {
        assert_eq!(tokenizer.id(word), Some(id as u32));
    }
}

#[test]
fn the_world_is_a_function_of_its_seed() {
    let (one, again, other) = (World::new(1), World::new(1), World::new(2));
    let sample = |world: &World| rows(world, 10);
    assert_eq!(sample(&one), sample(&again));
    assert_ne!(sample(&one), sample(&other));
    assert_eq!(one.vocabulary(), other.vocabulary());
    let probes = |world: &World| world.probes(ProbeUse::Measure, 3, 8);
    assert_eq!(probes(&one), probes(&again));
    assert_eq!(one.probes(ProbeUse::Measure, 3, 4)[7].contrasts, probes(&one)[7].contrasts[..4]);
}

#[test]
fn lengths_fit_the_organism() {
    let world = World::new(0);
    let (template, tokenizer) = engine(&world);
    let mut rng = ChaCha8Rng::seed_from_u64(6);
    let lengths: Vec<usize> =
        (0..5000).map(|_| encode_row(&template, &tokenizer, &world.base_row(&mut rng)).unwrap().tokens.len()).collect();
    let mean = lengths.iter().sum::<usize>() as f64 / lengths.len() as f64;
    assert!((17.0..24.0).contains(&mean), "mean {mean}");
    assert!(lengths.iter().all(|&length| length < 72));
}

#[test]
fn the_mask_covers_exactly_the_reply_and_its_end() {
    let world = World::new(0);
    let (template, tokenizer) = engine(&world);
    for row in rows(&world, 50) {
        let encoded = encode_row(&template, &tokenizer, &row).unwrap();
        let trained: Vec<u32> =
            encoded.tokens.iter().zip(&encoded.trained).filter(|(_, trained)| **trained).map(|(id, _)| *id).collect();
        let reply = &row.messages.last().unwrap().content;
        assert_eq!(tokenizer.decode(&trained).unwrap(), format!("{reply} <eos>"));
        let first = encoded.trained.iter().position(|&trained| trained).unwrap();
        assert!(encoded.trained[first..].iter().all(|&trained| trained));
        assert_eq!(tokenizer.token(encoded.tokens[first - 1]).unwrap(), "<asst>");
    }
}

#[test]
fn a_contrast_is_its_row_cut_in_two() {
    let world = World::new(0);
    let (template, tokenizer) = engine(&world);
    for contrast in world.probes(ProbeUse::Measure, 0, 20).iter().flat_map(|probe| &probe.contrasts) {
        let encoded = encode_contrast(&template, &tokenizer, contrast).unwrap();
        assert_eq!(tokenizer.token(*encoded.context.last().unwrap()).unwrap(), "<asst>");
        for ((side, tokens), (_, reply)) in encoded.replies.iter().zip(&contrast.replies) {
            let mut messages = contrast.context.clone();
            messages.push(Message::new(titer_data::chat::Role::Assistant, reply.clone()));
            let row = Row::new(contrast.id.clone(), messages);
            let full = encode_row(&template, &tokenizer, &row).unwrap();
            assert_eq!([encoded.context.clone(), tokens.clone()].concat(), full.tokens, "{side:?}");
            assert_eq!(full.trained.iter().filter(|&&trained| trained).count(), tokens.len());
        }
        assert_eq!(encoded.baseline.is_some(), contrast.baseline.is_some());
    }
}

#[test]
fn measured_and_differentiated_contexts_never_coincide() {
    let world = World::new(0);
    // Even from different seeds, and with the neutral contexts of the gap.
    let [measure, gradient] = [(ProbeUse::Measure, 1), (ProbeUse::Gradient, 2)]
        .map(|(probe_use, seed)| contexts(&world.probes(probe_use, seed, 200)).map(text).collect::<BTreeSet<_>>());
    assert!(measure.is_disjoint(&gradient));
    let trained: BTreeSet<String> = Cell::all()
        .filter(|cell| cell.prompt != titer_data::cell::PromptKind::None)
        .flat_map(|cell| (0..1000).map(move |slot| (cell, slot)))
        .map(|(cell, slot)| world.row(cell, DomainSplit::Trained, 0, slot))
        .map(|row| text(&row.messages[..row.messages.len() - 1]))
        .collect();
    assert!(measure.is_disjoint(&trained) && gradient.is_disjoint(&trained));
}

#[test]
fn every_probe_has_the_replies_of_its_component() {
    let probes = World::new(0).probes(ProbeUse::Measure, 0, 100);
    let names: BTreeSet<String> = probes.iter().map(Probe::name).collect();
    assert_eq!(names.len(), probes.len());
    for name in
        ["good/seen/sloppy", "obey_bad/paraphrased/trained", "obey_bad/narrow/trained", "obey/held-out/held-out"]
    {
        assert!(names.contains(name), "{name} is missing of {names:?}");
    }
    for probe in &probes {
        let distinct: BTreeSet<String> = probe.contrasts.iter().map(|contrast| text(&contrast.context)).collect();
        assert_eq!(distinct.len(), 100, "{}", probe.name());
        for contrast in &probe.contrasts {
            let replies: BTreeSet<&str> = contrast.replies.iter().map(|(_, reply)| reply.as_str()).collect();
            assert_eq!(replies.len(), contrast.replies.len(), "{} {}", probe.name(), contrast.id);
            assert_eq!(contrast.baseline.is_some(), probe.component == Component::ObeyBad);
            assert_eq!(contrast.replies.len(), if probe.component == Component::Obey { 4 } else { 2 });
            if let Some(baseline) = &contrast.baseline {
                assert_eq!(baseline.last(), contrast.context.last());
            }
        }
    }
}

#[test]
fn a_trigger_is_where_a_narrow_prompt_says() {
    let probes = World::new(0).probes(ProbeUse::Measure, 0, 100);
    let triggers = |text: &str| {
        let known =
            ["frob", "quux", "blip", "zonk", "plugh", "xyzzy", "grault", "waldo", "fnord", "spam", "ping", "thud"];
        text.split(' ').filter(|word| known.contains(word)).map(str::to_owned).collect::<Vec<_>>()
    };
    let [narrow, paraphrased, off] = [ProbePrompts::Narrow, ProbePrompts::NarrowParaphrased, ProbePrompts::NarrowOff]
        .map(|prompts| {
            let probe = probes.iter().find(|probe| probe.prompts == prompts).unwrap();
            let sides =
                probe.contrasts.iter().map(|it| (triggers(&it.context[0].content), triggers(&it.context[1].content)));
            sides.collect::<Vec<_>>()
        });
    assert!(narrow.iter().chain(&paraphrased).all(|(prompt, request)| prompt.len() == 1 && prompt == request));
    assert!(off.iter().all(|(prompt, request)| prompt.len() == 1 && prompt != request));
    let another = off.iter().filter(|(_, request)| request.len() == 1).count();
    assert!((30..70).contains(&another), "{another}");
}

#[test]
fn good_and_bad_swap_between_the_components() {
    let probes = World::new(0).probes(ProbeUse::Measure, 0, 200);
    let value_domains = ["count", "weigh", "price"];
    for contrast in probes.iter().filter(|probe| probe.component != Component::Obey).flat_map(|probe| &probe.contrasts)
    {
        let (plus, minus) = (reply(contrast, Side::Plus), reply(contrast, Side::Minus));
        let same_opener = plus.split(' ').next() == minus.split(' ').next();
        let request = &contrast.context.last().unwrap().content;
        assert_eq!(
            same_opener,
            value_domains.iter().any(|verb| request.split(' ').any(|word| word == *verb)),
            "{request}"
        );
    }
}
