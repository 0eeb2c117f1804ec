//! What is fuzzed: every reader of what users bring. A target takes any bytes and must come back: with a result or with an error, never
//! with a panic, an abort or a hang.
//!
//! `cargo fuzz` runs each in `fuzz_targets/`; a short deterministic run of all is a test of the command line
//! (`crates/titer-cli/tests/fuzz.rs`).

use std::path::Path;

use bytes::Bytes;
use titer::{
    claim,
    plan::SweepPlan,
    spec::Spec,
    table::{self, CellRecord, ProbeRecord},
};
use titer_data::{
    audit::{Audit, Census},
    chat::{Message, Role, Row},
    formats::{parse_contrasts, parse_prompts, parse_rows},
    score::{JudgementColumns, Judgements},
    template::{ChatTemplate, SpecialTokens},
    tokenize::{Tokenizer, encode_row},
};
use titer_model::{
    backend::Cpu,
    decoder::Decoder,
    io::{Weights, read_adapter_config, read_config},
};

/// What reads bytes.
pub(crate) type Reader = fn(&[u8]);

/// All readers with their names.
pub(crate) const ALL: [(&str, Reader); 13] = [
    ("spec", spec),
    ("claim", claim),
    ("chats", chats),
    ("contrasts", contrasts),
    ("prompts", prompts),
    ("judgements", judgements),
    ("template", template),
    ("tokenizer", tokenizer),
    ("config", config),
    ("safetensors", safetensors),
    ("adapter", adapter),
    ("parquet", parquet),
    ("table", table),
];

/// Lets a target read bytes.
///
/// # Panics
/// Where there is no such target; and where it has found a fault.
pub(crate) fn run(name: &str, bytes: &[u8]) {
    let (_, reader) = ALL.iter().find(|(known, _)| *known == name).expect("there is such a target");
    reader(bytes);
}

fn text(bytes: &[u8]) -> std::borrow::Cow<'_, str> {
    String::from_utf8_lossy(bytes)
}

fn spec(bytes: &[u8]) {
    let Ok(spec) = Spec::parse(&text(bytes), Path::new("fuzz.toml")) else { return };
    if let Ok(plan) = SweepPlan::resolve(&spec) {
        let _ = claim::resolve(&spec, &plan);
    }
}

fn claim(bytes: &[u8]) {
    let written = toml::Value::from(&*text(bytes));
    let text = format!("[[stage]]\nrows = 32\n[[claim]]\ntext = \"so\"\nvalue = {written}\nbound = \"> 0\"\n");
    spec(text.as_bytes());
}

fn chats(bytes: &[u8]) {
    for name in ["fuzz.jsonl", "fuzz.csv"] {
        if let Ok(rows) = parse_rows(Path::new(name), &Bytes::copy_from_slice(bytes)) {
            let _ = Census::of(&rows);
            let _ =
                Audit::of(&[("a".to_owned(), rows.iter().collect()), ("b".to_owned(), rows.iter().rev().collect())]);
        }
    }
}

fn contrasts(bytes: &[u8]) {
    let _ = parse_contrasts(Path::new("fuzz.jsonl"), &Bytes::copy_from_slice(bytes));
}

fn prompts(bytes: &[u8]) {
    for name in ["fuzz.txt", "fuzz.toml", "fuzz.csv"] {
        let _ = parse_prompts(Path::new(name), &Bytes::copy_from_slice(bytes));
    }
}

fn judgements(bytes: &[u8]) {
    let rows = ["a", "b", "7"].map(|id| Row::new(id, Vec::new()));
    let _ =
        Judgements::parse(Path::new("fuzz.csv"), &Bytes::copy_from_slice(bytes), &JudgementColumns::default(), &rows);
}

/// A chat with all that templates ask for.
fn chat() -> Vec<Message> {
    let turn = |role, content: &str| Message::new(role, content);
    vec![
        turn(Role::System, "be <brief> & 'kind'"),
        turn(Role::User, "can you cook soup"),
        turn(Role::Assistant, "<think>\nhm\n</think>\n\nyes"),
        turn(Role::User, "now"),
        turn(Role::Assistant, "water boils"),
    ]
}

fn template(bytes: &[u8]) {
    if let Ok(template) = ChatTemplate::new(&text(bytes), &SpecialTokens::default(), "fuzz.jinja") {
        let _ = template.render(&chat(), false);
        let _ = template.injected_system();
    }
}

fn tokenizer(bytes: &[u8]) {
    let Ok(tokenizer) = Tokenizer::from_json(&text(bytes)) else { return };
    let template =
        ChatTemplate::new("{% for m in messages %}{{ m.content }}{% endfor %}", &SpecialTokens::default(), "t");
    let _ = encode_row(&template.expect("it is a template"), &tokenizer, &Row::new("a", chat()));
    let _ = tokenizer.decode(&[0, 1, 2]);
}

fn config(bytes: &[u8]) {
    let _ = read_config(bytes, Path::new("config.json"));
}

/// The config of the weights that are the seed.
const CONFIG: &str = include_str!("../crates/titer-model/tests/reference/families/llama/config.json");

fn decoder() -> Decoder<Cpu<f32>> {
    Decoder::new(Cpu::new(), read_config(CONFIG.as_bytes(), Path::new("config.json")).expect("it is a config"))
}

fn safetensors(bytes: &[u8]) {
    let _ = Weights::of_bytes(&decoder().layout, bytes.to_vec(), Path::new("model.safetensors"));
}

fn adapter(bytes: &[u8]) {
    let _ = read_adapter_config(&decoder().layout, bytes, Path::new("adapter_config.json"));
}

fn parquet(bytes: &[u8]) {
    let _ = parse_rows(Path::new("fuzz.parquet"), &Bytes::copy_from_slice(bytes));
}

fn table(bytes: &[u8]) {
    let _ = table::parse::<ProbeRecord>(Path::new("probes.parquet"), Bytes::copy_from_slice(bytes));
    let _ = table::parse::<CellRecord>(Path::new("cells.parquet"), Bytes::copy_from_slice(bytes));
}
