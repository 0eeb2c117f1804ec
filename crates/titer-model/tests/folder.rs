//! Model folders: what is written reads back, and what does not fit is one error that names it.

use std::path::Path;

use safetensors::{Dtype, SafeTensors, tensor::TensorView};
use titer_model::{
    backend::Cpu,
    decoder::Decoder,
    io::{load, open, read_config, save},
    params::{Layout, Params},
    shape::{Config, Variant},
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
    let layout = Decoder::new(Cpu::<f32>::new(), config()).layout;
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
    let layout = Decoder::new(Cpu::<f32>::new(), config()).layout;
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
    assert!(refuse("LlamaForCausalLM", "GptOssForCausalLM").contains("architecture is GptOssForCausalLM"));
    assert!(refuse("\"silu\"", "\"relu2\"").contains("`hidden_act` is \"relu2\""));
    assert!(refuse("\"num_attention_heads\": 2", "\"num_attention_heads\": 3").contains("`num_attention_heads`"));
    assert!(refuse("\"vocab_size\": 11", "\"vocab_size\": 0").contains("`vocab_size` is 0"));
}

#[test]
fn a_tied_head_may_be_in_the_file_twice_the_same() {
    let layout = Decoder::new(Cpu::<f32>::new(), Config { tie_word_embeddings: true, ..config() }).layout;
    let read = |weights: &[u8]| {
        let read = load(&Cpu::<f32>::new(), &layout, weights, Path::new("model.safetensors"));
        read.map_err(|error| error.to_string())
    };
    let (_, _, _, weights) = saved();
    let other = read(&weights).unwrap_err();
    assert!(other.contains("`lm_head.weight` is not the embedding table"), "{other}");
    let twice = changed(&weights, |tensors| {
        let table = tensors.iter().find(|(name, ..)| name == "model.embed_tokens.weight").unwrap().3.clone();
        tensors.iter_mut().find(|(name, ..)| name == "lm_head.weight").unwrap().3 = table;
        tensors.push(("model.layers.0.self_attn.rotary_emb.inv_freq".into(), Dtype::F32, vec![1], vec![0; 4]));
    });
    assert_eq!(read(&twice).unwrap().buffers.len(), layout.specs.len());
}

#[test]
fn shards_that_do_not_fit_are_named() {
    let original = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/reference/families/qwen3");
    let folder = tempfile::tempdir().unwrap();
    for file in fs_err::read_dir(&original).unwrap() {
        let file = file.unwrap();
        fs_err::copy(file.path(), folder.path().join(file.file_name())).unwrap();
    }
    let problem = |change: &dyn Fn(&mut serde_json::Map<String, serde_json::Value>)| {
        let name = "model.safetensors.index.json";
        let mut index: serde_json::Value = serde_json::from_slice(&fs_err::read(original.join(name)).unwrap()).unwrap();
        change(index["weight_map"].as_object_mut().unwrap());
        fs_err::write(folder.path().join(name), index.to_string()).unwrap();
        open(Cpu::<f32>::new(), folder.path()).map(|_| ()).unwrap_err().to_string()
    };
    let norm = "model.norm.weight";
    assert!(problem(&|map| drop(map.remove(norm))).contains("tensor `model.norm.weight` is missing"));
    assert!(
        problem(&|map| drop(map.insert("extra".into(), "model-00001-of-00002.safetensors".into())))
            .contains("tensor `extra` belongs to no part")
    );
    let moved = |map: &mut serde_json::Map<_, _>| {
        let files = ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"];
        let other = if map[norm] == files[0] { files[1] } else { files[0] };
        map.insert(norm.into(), other.into());
    };
    assert!(problem(&moved).contains("of-00002.safetensors: tensor `model.norm.weight`"));
    assert!(problem(&|map| drop(map.insert(norm.into(), "gone.safetensors".into()))).contains("gone.safetensors"));
}
