//! Weights that stay in their files give what the same weights in memory give, for every family and number type.

use std::path::{Path, PathBuf};

use titer_model::{
    backend::Cpu,
    decoder::{Decoder, Tape},
    io::{Weights, load, read_config, save_weights},
    packed::Packed,
    params::{ParamId, Params},
    passes::Accumulate,
    real::Real,
    shape::LoraConfig,
    stored::Dtype,
};

type Found<T> = (Vec<T>, Params<Cpu<T>>);

fn folder(family: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/reference/families").join(family)
}

fn decoder<T: Real>(family: &str) -> Decoder<Cpu<T>> {
    let path = folder(family).join("config.json");
    Decoder::new(Cpu::new(), read_config(&fs_err::read(&path).unwrap(), &path).unwrap())
}

fn weights(decoder: &Decoder<Cpu<impl Real>>, family: &str, dtype: Dtype) -> Weights {
    Weights::of_folder(&decoder.layout, &folder(family)).unwrap().rounded(&decoder.layout, dtype).unwrap()
}

/// A row, and a contrast whose replies share a place at which logits are read.
fn batch() -> Packed {
    let mut packed = Packed::new();
    packed.push_row(&[7, 3, 9, 9, 1, 4, 60, 2, 8], &[false, true, false, true, true, true, true, false, true]);
    packed.push_contrast(&[5, 6, 5, 12, 33, 2], [[4, 9, 5, 6, 7, 1, 3].as_slice(), &[8]]);
    packed
}

/// Log-probabilities and gradient, with adapters whose `B` is not zero or without any.
fn passes<T: Real>(decoder: Decoder<Cpu<T>>, mut params: Params<Cpu<T>>, adapters: bool) -> Found<T> {
    let (mut decoder, packed) = (decoder, batch());
    if adapters {
        decoder = decoder.with_lora(&LoraConfig::all(3));
        params = params.with_lora(decoder.backend(), &decoder.layout, 5);
        for (spec, buffer) in decoder.layout.specs.iter().zip(&mut params.buffers).filter(|(spec, _)| spec.trained) {
            let wave = |(at, number): (usize, &mut T)| *number += T::of(0.02 * ((at * 7 + spec.len()) as f64).sin());
            buffer.iter_mut().enumerate().for_each(wave);
        }
    }
    let (mut tape, mut gradient) = (Tape::default(), Params::zeros(decoder.backend(), &decoder.layout));
    let weights: Vec<T> = (0..packed.targets.len()).map(|at| T::of([1.0, -0.5, 2.0][at % 3])).collect();
    let score = decoder.score(&params, &packed, &mut tape);
    let log_probs = decoder.forward(&params, &packed, &mut tape);
    assert_eq!(score, log_probs, "scoring is the forward pass");
    decoder.backward(&params, &packed, &weights, &mut tape, &mut Accumulate { gradient: &mut gradient });
    (log_probs, gradient)
}

fn close<T: Real>((log_probs, gradient): &Found<T>, (others, other): &Found<T>, tolerance: f64, what: &str) {
    let apart = |a: &[T], b: &[T]| a.iter().zip(b).fold(0.0, |top: f64, (a, b)| top.max((a.f64() - b.f64()).abs()));
    assert!(apart(log_probs, others) < tolerance, "{what}: {}", apart(log_probs, others));
    let largest = gradient.buffers.iter().flatten().fold(0.0, |top: f64, x| top.max(x.f64().abs()));
    for (at, (a, b)) in gradient.buffers.iter().zip(&other.buffers).enumerate() {
        assert_eq!(a.len(), b.len());
        assert!(apart(a, b) < tolerance * largest, "{what}: gradient {at} is off by {}", apart(a, b));
    }
}

fn same<T: Real>(tolerance: f64) {
    for family in ["llama", "mistral", "qwen2", "qwen3", "smollm3", "gemma2", "gemma3", "olmo2"] {
        for dtype in Dtype::ALL {
            for adapters in [true, false] {
                let in_memory = decoder::<T>(family);
                let params = weights(&in_memory, family, dtype).upload(in_memory.backend(), &in_memory.layout);
                let wanted = passes(in_memory, params, adapters);
                let (in_file, params) = weights(&decoder::<T>(family), family, dtype).keep(decoder(family));
                assert!(in_file.stored(ParamId(0)).is_some() && params.buffers[0].is_empty());
                let found = passes(in_file, params, adapters);
                close(&found, &wanted, tolerance, &format!("{family}, {}, adapters {adapters}", dtype.word()));
            }
        }
    }
}

#[test]
fn in_f64_to_rounding() {
    same::<f64>(1e-11);
}

#[test]
fn in_f32_to_rounding() {
    same::<f32>(2e-5);
}

#[test]
fn frozen_weights_have_neither_gradient_nor_moment_and_thaw_to_what_they_are() {
    let (mut decoder, mut params) =
        weights(&decoder::<f32>("qwen3"), "qwen3", Dtype::Bf16).keep(decoder::<f32>("qwen3"));
    let wanted = weights(&decoder, "qwen3", Dtype::Bf16).upload(decoder.backend(), &decoder.layout);
    let frozen = decoder.clone().with_lora(&LoraConfig::all(2));
    let zeros = Params::zeros(frozen.backend(), &frozen.layout);
    let of_base = zeros.buffers.iter().zip(&frozen.layout.specs).filter(|(_, spec)| !spec.name.contains("lora_"));
    assert!(of_base.clone().count() > 20 && of_base.clone().all(|(buffer, _)| buffer.is_empty()));
    decoder.thaw(&mut params);
    assert_eq!(params.buffers, wanted.buffers);
    assert!(decoder.stored(ParamId(0)).is_none());
}

#[test]
fn a_number_too_large_for_its_type_is_refused_by_name() {
    let decoder = decoder::<f32>("llama");
    let mut params = weights(&decoder, "llama", Dtype::F32).upload(decoder.backend(), &decoder.layout);
    params.buffers[2][1] = 7e4;
    let bytes = save_weights(decoder.backend(), &decoder.layout, &params);
    let path = Path::new("model.safetensors");
    let found = Weights::of_bytes(&decoder.layout, bytes.clone(), path).unwrap();
    let name = &decoder.layout.specs[2].name;
    let error = found.clone().rounded(&decoder.layout, Dtype::F16).unwrap_err().to_string();
    assert_eq!(error, format!("model.safetensors: tensor `{name}` is too large for f16 at index 1"));
    assert!(found.rounded(&decoder.layout, Dtype::Bf16).is_ok());
    assert_eq!(load(decoder.backend(), &decoder.layout, &bytes, path).unwrap().buffers, params.buffers);
}

#[test]
fn tiles_meet_at_their_edges() {
    // Every size is larger than a tile and no multiple of one.
    let shape = serde_json::json!({
        "architectures": ["LlamaForCausalLM"], "vocab_size": 700, "hidden_size": 264, "intermediate_size": 1100, "num_hidden_layers": 2,
        "num_attention_heads": 4, "max_position_embeddings": 64, "rms_norm_eps": 1e-5 });
    let config = read_config(shape.to_string().as_bytes(), Path::new("config.json")).unwrap();
    let decoder = Decoder::new(Cpu::<f64>::new(), config);
    let random = Params::random(decoder.backend(), &decoder.layout, 3);
    let bytes = save_weights(decoder.backend(), &decoder.layout, &random);
    for dtype in Dtype::ALL {
        let found = Weights::of_bytes(&decoder.layout, bytes.clone(), Path::new("model.safetensors")).unwrap();
        let found = found.rounded(&decoder.layout, dtype).unwrap();
        let params = found.upload(decoder.backend(), &decoder.layout);
        let wanted = passes(decoder.clone(), params, true);
        let (in_file, params) = found.keep(decoder.clone());
        close(&passes(in_file, params, true), &wanted, 1e-11, dtype.word());
    }
}
