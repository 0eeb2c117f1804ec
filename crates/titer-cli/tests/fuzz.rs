//! A short run of every fuzz target, the same one each time: seeds changed in a fixed sequence of ways. `TITER_FUZZ_INPUTS=N` makes
//! it a longer one.

use std::path::Path;

use rand::{RngExt as _, SeedableRng as _, seq::IndexedRandom as _};
use rand_chacha::ChaCha8Rng;

#[path = "../../../fuzz/targets.rs"]
mod targets;

/// Files to begin with, by target: paths from the repository's root.
const SEEDS: [(&str, &[&str]); 13] = [
    (
        "spec",
        &[
            "experiments/quickstart.toml",
            "experiments/q1-dose-response.toml",
            "experiments/q3-prevention.toml",
            "experiments/reward-hacking.toml",
        ],
    ),
    ("claim", &["fuzz/seeds/claim.txt"]),
    (
        "chats",
        &["fuzz/seeds/chats.jsonl", "fuzz/seeds/chats.json", "crates/titer-cli/tests/cli/formats.in/sharegpt.jsonl"],
    ),
    ("contrasts", &["crates/titer-cli/tests/cli/forecast.in/contrasts.jsonl"]),
    ("prompts", &["fuzz/seeds/prompts.jsonl", "fuzz/seeds/prompts.toml"]),
    ("judgements", &["fuzz/seeds/judgements.csv", "crates/titer-cli/tests/cli/score.in/list.json"]),
    ("template", &["fuzz/seeds/template.jinja", "fuzz/seeds/tools.jinja"]),
    ("tokenizer", &["organism/seed-0/tokenizer.json"]),
    (
        "config",
        &[
            "crates/titer-model/tests/reference/families/llama/config.json",
            "crates/titer-model/tests/reference/families/gemma3/config.json",
        ],
    ),
    ("safetensors", &["crates/titer-model/tests/reference/families/llama/model.safetensors"]),
    ("adapter", &["crates/titer-model/tests/reference/lora/adapter_config.json"]),
    (
        "parquet",
        &[
            "crates/titer-data/tests/reference/messages.parquet",
            "crates/titer-data/tests/reference/conversations.parquet",
            "fuzz/seeds/many-values.parquet",
        ],
    ),
    (
        "table",
        &[
            "crates/titer-cli/tests/cli/results.in/sweep/1b26dac78b4ef118/probes.parquet",
            "crates/titer-cli/tests/cli/results.in/sweep/1b26dac78b4ef118/cells.parquet",
            "fuzz/seeds/many-rows.parquet",
        ],
    ),
];

/// Changed inputs of each target.
const INPUTS: usize = 600;

fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}

/// The words of the dictionary, as libFuzzer writes them.
fn dictionary() -> Vec<Vec<u8>> {
    let text = fs_err::read_to_string(root().join("fuzz/dictionary.txt")).unwrap();
    let words = text.lines().filter_map(|line| line.strip_prefix('"')?.strip_suffix('"'));
    words.map(unescaped).collect()
}

fn unescaped(word: &str) -> Vec<u8> {
    let mut bytes = word.bytes();
    let mut plain = Vec::new();
    while let Some(byte) = bytes.next() {
        plain.push(match (byte, (byte == b'\\').then(|| bytes.next()).flatten()) {
            (b'\\', Some(b'x')) => {
                let digits = [bytes.next().unwrap(), bytes.next().unwrap()];
                u8::from_str_radix(std::str::from_utf8(&digits).unwrap(), 16).unwrap()
            }
            (b'\\', Some(escaped)) => escaped,
            (byte, _) => byte,
        });
    }
    plain
}

/// A seed with a few of its bytes changed, removed, repeated, or with words put in.
fn changed(seed: &[u8], words: &[Vec<u8>], random: &mut ChaCha8Rng) -> Vec<u8> {
    let mut bytes = seed.to_vec();
    for _ in 0..random.random_range(1..=6) {
        let at = random.random_range(0..=bytes.len());
        let end = (at + random.random_range(0..64)).min(bytes.len());
        match random.random_range(0..6) {
            0 if at < bytes.len() => bytes[at] ^= 1 << random.random_range(0..8),
            1 => drop(bytes.drain(at..end)),
            2 => {
                let piece = bytes[at..end].repeat(random.random_range(1..20));
                bytes.splice(at..at, piece);
            }
            3 => bytes.truncate(at),
            4 if at < bytes.len() => bytes[at] = random.random(),
            _ => {
                let word = words.choose(random).expect("there are words").clone();
                bytes.splice(at..at, word);
            }
        }
    }
    bytes
}

#[test]
fn readers_come_back_from_whatever_they_are_given() {
    let words = dictionary();
    assert!(targets::ALL.iter().map(|(name, _)| name).eq(SEEDS.iter().map(|(name, _)| name)), "every target has seeds");
    let inputs = std::env::var("TITER_FUZZ_INPUTS").map_or(INPUTS, |text| text.parse().expect("it is a number"));
    for (number, (target, seeds)) in SEEDS.iter().enumerate() {
        let mut random = ChaCha8Rng::seed_from_u64(number as u64);
        let seeds: Vec<Vec<u8>> = seeds.iter().map(|path| fs_err::read(root().join(path)).unwrap()).collect();
        for input in 0..inputs {
            let seed = &seeds[input % seeds.len()];
            let bytes = if input < seeds.len() { seed.clone() } else { changed(seed, &words, &mut random) };
            targets::run(target, &bytes);
        }
    }
}
