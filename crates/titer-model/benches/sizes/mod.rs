//! The sizes that the benches measure.

use titer_model::{
    backend::Cpu,
    decoder::Decoder,
    packed::Packed,
    params::Params,
    passes::shards,
    shape::{Config, LoraConfig, Variant},
};

/// A decoder's shape and a batch's rows.
pub(crate) struct BenchSize {
    /// The shape.
    pub config: Config,
    /// (length, target tokens at the end) of each row
    pub rows: Vec<(usize, usize)>,
    /// What is trained, where it is not everything.
    pub lora: Option<LoraConfig>,
}

impl BenchSize {
    /// A decoder of this shape with random weights, adapters included.
    pub(crate) fn build(&self) -> (Decoder<Cpu<f32>>, Params<Cpu<f32>>) {
        let decoder = Decoder::new(Cpu::new(), self.config.clone());
        let params = Params::random(decoder.backend(), &decoder.layout, 0);
        let Some(config) = &self.lora else { return (decoder, params) };
        let decoder = decoder.with_lora(config);
        let params = params.with_lora(decoder.backend(), &decoder.layout, 0);
        (decoder, params)
    }
}

/// Peak resident memory of this process in MB, where the system says.
pub(crate) fn peak_mb() -> u64 {
    let status = fs_err::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.trim().split(' ').next()?.parse::<u64>().ok()).unwrap_or(0) / 1024
}

/// `organism`, `medium`, `wide` (144 MiB of weights), or `lora`: rank 16 on every linear layer of the first 4 layers of
/// Qwen2.5-0.5B's shape.
pub(crate) fn size(name: &str) -> BenchSize {
    let (vocab_size, hidden_size, intermediate_size, num_hidden_layers, num_attention_heads) = match name {
        "organism" => (420, 64, 192, 2, 4),
        "wide" => (8192, 512, 2048, 7, 8),
        "lora" => (151_936, 896, 4864, 4, 14),
        _ => (2048, 256, 768, 6, 4),
    };
    let config = Config {
        vocab_size,
        hidden_size,
        intermediate_size,
        num_hidden_layers,
        num_attention_heads,
        num_key_value_heads: if name == "lora" { 2 } else { num_attention_heads },
        head_dim: None,
        max_position_embeddings: 256,
        rms_norm_eps: 1e-5,
        rope_theta: 10_000.0,
        tie_word_embeddings: name == "lora",
        variant: Variant::default(),
    };
    // The organism's chats: 12 to 28 tokens, 20 on average, the last 4 or 5 of them the reply.
    let rows = match name {
        "organism" => (0..64).map(|row| (12 + row * 5 % 17, 4 + row % 2)).collect(),
        "wide" => vec![(256, 255); 64],
        "lora" => vec![(128, 64); 4],
        _ => vec![(128, 127); 16],
    };
    BenchSize { config, rows, lora: (name == "lora").then(|| LoraConfig::all(16)) }
}

/// Tokens of each row, and the rows packed into shards.
pub(crate) fn pack(rows: &[(usize, usize)], decoder: &Decoder<Cpu<f32>>) -> (Vec<usize>, Vec<Packed>) {
    let vocabulary = decoder.config.vocab_size;
    let lengths: Vec<usize> = rows.iter().map(|row| row.0).collect();
    let shard = |range: std::ops::Range<usize>| {
        let mut packed = Packed::new();
        for (at, &(len, targets)) in range.clone().zip(&rows[range]) {
            let tokens: Vec<u32> = (0..len).map(|token| ((token * 31 + at * 17) % vocabulary) as u32).collect();
            let trained: Vec<bool> = (0..len).map(|token| token + targets >= len).collect();
            packed.push_row(&tokens, &trained);
        }
        packed
    };
    let batch = shards(&lengths, decoder.shard_tokens()).into_iter().map(shard).collect();
    (lengths, batch)
}
