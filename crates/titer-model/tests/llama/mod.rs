//! The small Llama of `reference/make.py` with its rows, for tests that give it something more.

use safetensors::SafeTensors;
use titer_model::{
    backend::Cpu,
    decoder::Decoder,
    packed::Packed,
    params::{ParamSpec, Params},
    real::Real,
};

const MODEL: &[u8] = include_bytes!("../reference/llama.safetensors");
const DESCRIBED: &str = include_str!("../reference/llama.json");

/// The f32 numbers of a tensor in a file.
pub(crate) fn tensor(file: &[u8], name: &str) -> Vec<f64> {
    let file = SafeTensors::deserialize(file).unwrap();
    let tensor = file.tensor(name).unwrap();
    tensor.data().as_chunks::<4>().0.iter().map(|&quad| f64::from(f32::from_le_bytes(quad))).collect()
}

/// What the reference says of itself: `config`, `rows`, `trained`, `weights`.
pub(crate) fn described(key: &str) -> serde_json::Value {
    serde_json::from_str::<serde_json::Value>(DESCRIBED).unwrap()[key].clone()
}

/// The model.
pub(crate) fn llama<T: Real>() -> (Decoder<Cpu<T>>, Params<Cpu<T>>) {
    let decoder = Decoder::new(Cpu::<T>::new(), serde_json::from_value(described("config")).unwrap());
    let buffer = |spec: &ParamSpec| tensor(MODEL, &format!("weight/{}", spec.name)).into_iter().map(T::of).collect();
    let params = Params { buffers: decoder.layout.specs.iter().map(buffer).collect() };
    (decoder, params)
}

/// Its rows, and the weight of each target.
pub(crate) fn rows<T: Real>() -> (Packed, Vec<T>) {
    let rows: Vec<Vec<u32>> = serde_json::from_value(described("rows")).unwrap();
    let trained: Vec<Vec<bool>> = serde_json::from_value(described("trained")).unwrap();
    let by_row: Vec<f64> = serde_json::from_value(described("weights")).unwrap();
    let mut packed = Packed::new();
    rows.iter().zip(&trained).for_each(|(tokens, trained)| packed.push_row(tokens, trained));
    let weights = packed.targets.iter().map(|target| T::of(by_row[target.reply as usize])).collect();
    (packed, weights)
}

/// The largest error of some numbers, in parts of the largest number that is wanted.
pub(crate) fn relative<T: Real>(found: &[T], wanted: &[f64]) -> f64 {
    assert_eq!(found.len(), wanted.len());
    let scale = wanted.iter().fold(0.0_f64, |top, x| top.max(x.abs()));
    found.iter().zip(wanted).fold(0.0_f64, |top, (x, y)| top.max((x.f64() - y).abs())) / scale
}
