//! The organisms that titer carries, one per seed, inside the binary.

/// The files of one organism.
#[derive(Clone, Copy, Debug)]
pub struct Shipped {
    /// `config.json`
    pub config: &'static [u8],
    /// `model.safetensors`
    pub weights: &'static [u8],
    /// `tokenizer.json`
    pub tokenizer: &'static [u8],
    /// `tokenizer_config.json`
    pub tokenizer_config: &'static [u8],
    /// `organism.json`
    pub card: &'static [u8],
}

macro_rules! shipped {
    ($($folder:literal),+) => {
        &[$(Shipped {
            config: include_bytes!(concat!("../../../../organism/", $folder, "/config.json")),
            weights: include_bytes!(concat!("../../../../organism/", $folder, "/model.safetensors")),
            tokenizer: include_bytes!(concat!("../../../../organism/", $folder, "/tokenizer.json")),
            tokenizer_config: include_bytes!(concat!("../../../../organism/", $folder, "/tokenizer_config.json")),
            card: include_bytes!(concat!("../../../../organism/", $folder, "/organism.json")),
        }),+]
    };
}

/// The shipped organism of each seed, from 0.
pub static ALL: &[Shipped] = shipped!["seed-0", "seed-1", "seed-2", "seed-3", "seed-4"];
