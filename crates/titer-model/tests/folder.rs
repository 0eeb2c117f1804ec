//! Model folders: what is written reads back, and what does not fit is one error that names it.

use std::path::Path;

use safetensors::{Dtype, SafeTensors, tensor::TensorView};
use titer_model::{
    backend::Cpu,
    config::Config,
    family::Variant,
    io::{load, read_config, save},
    params::{Layout, Params},
};

fn config() -> Config {
    Config {
        vocab_size: 11,
        hidden_size: 8,
        intermediate_size: 12,
        num_hidden_layers: 1,
        num_attention_heads: 2,
        num_key_value_heads: 1,
        head_dim: None,
        max_position_embeddings: 16,
        rms_norm_eps: 1e-5,
        rope_theta: 10_000.0,
        tie_word_embeddings: false,
        variant: Variant::default(),
    }
}

fn saved() -> (Layout, Params<Cpu<f32>>, Vec<u8>, Vec<u8>) {
    let (layout, _) = Layout::of(&config());
    let params = Params::random(&Cpu::new(), &layout, 1);
    let (config, weights) = save(&Cpu::new(), &config(), &layout, &params, 3);
    (layout, params, config, weights)
}

/// The tensors of a file, changed.
fn changed(weights: &[u8], change: impl Fn(&mut Vec<(String, Dtype, Vec<usize>, Vec<u8>)>)) -> Vec<u8> {
    let file = SafeTensors::deserialize(weights).unwrap();
    let own =
        |(name, view): (String, TensorView<'_>)| (name, view.dtype(), view.shape().to_vec(), view.data().to_vec());
    let mut tensors: Vec<_> = file.tensors().into_iter().map(own).collect();
    change(&mut tensors);
    let views = tensors
        .iter()
        .map(|(name, dtype, shape, data)| (name.as_str(), TensorView::new(*dtype, shape.clone(), data).unwrap()));
    safetensors::serialize(views, None).unwrap()
}

fn problem(weights: &[u8]) -> String {
    let (layout, _) = Layout::of(&config());
    load(&Cpu::<f32>::new(), &layout, weights, Path::new("model.safetensors")).unwrap_err().to_string()
}

#[test]
fn what_is_saved_reads_back_bit_for_bit() {
    let (layout, params, json, weights) = saved();
    assert_eq!(read_config(&json, Path::new("config.json")).unwrap(), config());
    let read = load(&Cpu::<f32>::new(), &layout, &weights, Path::new("model.safetensors")).unwrap();
    assert_eq!(read.buffers, params.buffers);
    let again = save(&Cpu::new(), &config(), &layout, &read, 3);
    assert_eq!(again, (json, weights));
}

#[test]
fn half_precision_reads_as_the_nearest_numbers() {
    let (layout, params, _, weights) = saved();
    let halved = changed(&weights, |tensors| {
        for (_, dtype, _, data) in tensors {
            let values = data.as_chunks::<4>().0.iter().map(|&quad| f32::from_le_bytes(quad));
            *data = values.flat_map(|value| half::bf16::from_f32(value).to_le_bytes()).collect();
            *dtype = Dtype::BF16;
        }
    });
    let read = load(&Cpu::<f32>::new(), &layout, &halved, Path::new("model.safetensors")).unwrap();
    for (found, wanted) in read.buffers.iter().flatten().zip(params.buffers.iter().flatten()) {
        assert!((found - wanted).abs() <= wanted.abs() / 256.0);
    }
}

#[test]
fn weights_that_do_not_fit_are_named() {
    let (_, _, _, weights) = saved();
    let missing = changed(&weights, |tensors| tensors.retain(|(name, ..)| name != "model.norm.weight"));
    assert_eq!(problem(&missing), "model.safetensors: tensor `model.norm.weight` is missing");
    let left_over = changed(&weights, |tensors| tensors.push(("extra".into(), Dtype::F32, vec![1], vec![0; 4])));
    assert!(problem(&left_over).contains("tensor `extra` belongs to no part of the model"));
    let reshaped = changed(&weights, |tensors| {
        let head = tensors.iter_mut().find(|(name, ..)| name == "lm_head.weight").unwrap();
        head.2 = vec![8, 11];
    });
    assert!(problem(&reshaped).contains("`lm_head.weight` has shape [8, 11]; the config asks for [11, 8]"));
    let poisoned = changed(&weights, |tensors| {
        let head = tensors.iter_mut().find(|(name, ..)| name == "lm_head.weight").unwrap();
        head.3[8..12].copy_from_slice(&f32::NAN.to_le_bytes());
    });
    assert!(problem(&poisoned).contains("`lm_head.weight` holds NaN at index 2"));
    assert!(problem(b"not tensors at all").contains("not a safetensors file"));
}

#[test]
fn another_architecture_is_refused_by_name() {
    let (_, _, json, _) = saved();
    let text = String::from_utf8(json).unwrap();
    let refuse = |from: &str, to: &str| {
        assert!(text.contains(from));
        read_config(text.replace(from, to).as_bytes(), Path::new("config.json")).unwrap_err().to_string()
    };
    assert!(refuse("LlamaForCausalLM", "GemmaForCausalLM").contains("architecture is GemmaForCausalLM"));
    assert!(refuse("\"silu\"", "\"relu2\"").contains("`hidden_act` is \"relu2\""));
    assert!(refuse("\"num_attention_heads\": 2", "\"num_attention_heads\": 3").contains("`num_attention_heads`"));
    assert!(refuse("\"vocab_size\": 11", "\"vocab_size\": 0").contains("`vocab_size` is 0"));
}
