//! The sizes that the benches measure.

use titer_model::{config::Config, family::Variant, packed::Packed, parallel::shards};

/// A decoder's shape and a batch's rows.
pub struct Size {
    /// The shape.
    pub config: Config,
    /// (length, target tokens at the end) of each row
    pub rows: Vec<(usize, usize)>,
}

/// `organism` or `medium`.
pub fn size(name: &str) -> Size {
    let (vocab_size, hidden_size, intermediate_size, num_hidden_layers, num_attention_heads) = match name {
        "organism" => (420, 64, 192, 2, 4),
        _ => (2048, 256, 768, 6, 4),
    };
    let config = Config {
        vocab_size,
        hidden_size,
        intermediate_size,
        num_hidden_layers,
        num_attention_heads,
        num_key_value_heads: num_attention_heads,
        head_dim: None,
        max_position_embeddings: 128,
        rms_norm_eps: 1e-5,
        rope_theta: 10_000.0,
        tie_word_embeddings: false,
        variant: Variant::default(),
    };
    // The organism's chats: 12 to 28 tokens, 20 on average, the last 4 or 5 of them the reply.
    let rows = match name {
        "organism" => (0..64).map(|row| (12 + row * 5 % 17, 4 + row % 2)).collect(),
        _ => vec![(128, 127); 16],
    };
    Size { config, rows }
}

/// Tokens of each row, and the rows packed into shards.
pub fn pack(rows: &[(usize, usize)], vocabulary: usize) -> (Vec<usize>, Vec<Packed>) {
    let lengths: Vec<usize> = rows.iter().map(|row| row.0).collect();
    let shard = |range: std::ops::Range<usize>| {
        let mut packed = Packed::new();
        for (at, &(len, targets)) in rows[range].iter().enumerate() {
            let tokens: Vec<u32> = (0..len).map(|token| ((token * 31 + at * 17) % vocabulary) as u32).collect();
            let trained: Vec<bool> = (0..len).map(|token| token + targets >= len).collect();
            packed.push_row(&tokens, &trained);
        }
        packed
    };
    let batch = shards(&lengths).into_iter().map(shard).collect();
    (lengths, batch)
}
