//! Adapters of every kind that PEFT writes and titer computes, against PEFT (`reference/make_lora_kinds.py` made them); and what
//! their configs may not say.

use std::path::{Path, PathBuf};

use safetensors::SafeTensors;
use serde_json::{Value, json};
use titer_model::{
    backend::Cpu,
    decoder::{Decoder, Tape},
    io::{load, load_adapter, read_adapter_config, save_adapter},
    packed::Packed,
    params::{Layout, Params},
    shape::Config,
};

const KINDS: [&str; 8] =
    ["dropout", "eva", "blocks", "full-names", "pattern", "all-linear", "ranks-and-rslora", "idle"];

fn reference(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/reference").join(name)
}

fn described(key: &str) -> Value {
    serde_json::from_slice::<Value>(&fs_err::read(reference("llama.json")).unwrap()).unwrap()[key].clone()
}

fn base() -> (Decoder<Cpu<f64>>, Params<Cpu<f64>>) {
    let config: Config = serde_json::from_value(described("config")).unwrap();
    let decoder = Decoder::new(Cpu::new(), config);
    let bytes = fs_err::read(reference("llama.safetensors")).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let own = file.tensors().into_iter();
    let own = own.filter_map(|(name, tensor)| Some((name.strip_prefix("weight/")?.to_owned(), tensor)));
    let weights = safetensors::serialize(own, None).unwrap();
    let params = load(decoder.backend(), &decoder.layout, &weights, Path::new("llama.safetensors")).unwrap();
    (decoder, params)
}

fn log_probs(decoder: &Decoder<Cpu<f64>>, params: &Params<Cpu<f64>>) -> Vec<f64> {
    let rows: Vec<Vec<u32>> = serde_json::from_value(described("rows")).unwrap();
    let trained: Vec<Vec<bool>> = serde_json::from_value(described("trained")).unwrap();
    let mut packed = Packed::new();
    rows.iter().zip(&trained).for_each(|(tokens, trained)| packed.push_row(tokens, trained));
    decoder.forward(params, &packed, &mut Tape::default())
}

#[test]
fn every_kind_means_what_it_means_to_peft() {
    let bytes = fs_err::read(reference("lora/kinds/log_probs.safetensors")).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let wanted = |name: &str| -> Vec<f64> {
        let quads = file.tensor(name).unwrap().data().as_chunks::<4>().0;
        quads.iter().map(|&quad| f64::from(f32::from_le_bytes(quad))).collect()
    };
    let close = |name: &str, found: &[f64], wanted: &[f64]| {
        let error = found.iter().zip(wanted).map(|(found, wanted)| (found - wanted).abs()).fold(0.0, f64::max);
        assert!(found.len() == wanted.len() && error < 1e-5, "{name} is off by {error}");
    };
    let (decoder, params) = base();
    close("base", &log_probs(&decoder, &params), &wanted("base"));
    assert_eq!(file.names().len(), KINDS.len() + 1);
    for name in KINDS {
        let folder = reference("lora/kinds").join(name);
        let [config, weights] =
            ["adapter_config.json", "adapter_model.safetensors"].map(|file| fs_err::read(folder.join(file)).unwrap());
        let config = read_adapter_config(&decoder.layout, &config, &folder).unwrap();
        let adapted = decoder.clone().with_lora(&config);
        let params = load_adapter(params.clone(), adapted.backend(), &adapted.layout, &weights, &folder).unwrap();
        close(name, &log_probs(&adapted, &params), &wanted(name));
        // What titer writes of it says the same.
        let (written, again) = save_adapter(adapted.backend(), &config, &adapted.layout, &params, "base");
        assert_eq!(read_adapter_config(&decoder.layout, &written, &folder).unwrap(), config, "{name}");
        let names = |bytes: &[u8]| {
            let mut names: Vec<String> =
                SafeTensors::deserialize(bytes).unwrap().names().into_iter().map(str::to_owned).collect();
            names.sort_unstable();
            names
        };
        assert_eq!(names(&again), names(&weights), "{name}");
    }
}

/// What is wrong with the config of a plain adapter once these keys are changed; `None` where it is read.
fn problem(layout: &Layout, keys: Value) -> Option<String> {
    let mut config: Value =
        serde_json::from_slice(&fs_err::read(reference("lora/adapter_config.json")).unwrap()).unwrap();
    let (Value::Object(known), Value::Object(keys)) = (&mut config, keys) else { unreachable!() };
    known.extend(keys);
    let bytes = serde_json::to_vec(&config).unwrap();
    read_adapter_config(layout, &bytes, Path::new("adapter_config.json")).err().map(|error| error.to_string())
}

#[test]
fn what_changes_the_computation_is_refused_by_name() {
    let layout = base().0.layout;
    assert_eq!(problem(&layout, json!({})), None);
    let module = || json!(["lm_head"]);
    for (key, value) in [
        ("use_dora", true.into()),
        ("use_qalora", true.into()),
        ("lora_bias", true.into()),
        ("modules_to_save", module()),
        ("target_parameters", module()),
        ("trainable_token_indices", json!([3])),
        ("layer_replication", json!([[0, 1], [0, 2]])),
        ("alora_invocation_tokens", json!([1, 2])),
        ("bias", "of next year".into()),
        ("a_thing_of_next_year", true.into()),
    ] {
        let found = problem(&layout, json!({ key: value })).unwrap_or_else(|| panic!("{key} is taken"));
        assert!(found.contains("adapter_config.json") && found.contains(&format!("`{key}` is ")), "{found}");
    }
    let refused = |keys: Value| problem(&layout, keys).unwrap();
    for start in ["pissa", "pissa_niter_16", "olora", "corda", "loftq", "lora_ga"] {
        assert!(
            refused(json!({ "init_lora_weights": start })).contains(&format!("`init_lora_weights` is \"{start}\""))
        );
    }
    let nothing = refused(json!({ "target_modules": ["c_attn"] }));
    assert!(nothing.contains("`target_modules` is [\"c_attn\"], which is no linear layer of the model"), "{nothing}");
    assert!(refused(json!({ "target_modules": ["lm_head"] })).contains("no linear layer"));
    assert!(refused(json!({ "target_modules": "(?<!x)q_proj" })).contains("cannot read the pattern"));
    assert!(refused(json!({ "layers_to_transform": [7] })).contains("no linear layer"));
    assert!(refused(json!({ "r": 0 })).contains("`r` is 0"));
    assert!(refused(json!({ "rank_pattern": { "q_proj": 0 } })).contains("`r` is 0"));
    assert!(refused(json!({ "peft_type": "PREFIX_TUNING" })).contains("PREFIX_TUNING"));
}

#[test]
fn biases_are_refused_where_the_model_has_them() {
    let config: Config = serde_json::from_value(described("config")).unwrap();
    let mut biased = config.clone();
    biased.variant.mlp_bias = true;
    let [plain, biased] = [config, biased].map(|config| Decoder::new(Cpu::<f64>::new(), config).layout);
    for bias in ["all", "lora_only"] {
        assert_eq!(problem(&plain, json!({ "bias": bias })), None);
        let found = problem(&biased, json!({ "bias": bias, "target_modules": ["up_proj"] })).unwrap();
        assert!(found.contains(&format!("`bias` is \"{bias}\", and the model has `model.layers.0.mlp.")), "{found}");
    }
    assert_eq!(problem(&biased, json!({ "bias": "lora_only", "target_modules": ["q_proj"] })), None);
}

#[test]
fn weights_of_layers_that_the_config_does_not_adapt_are_named() {
    let (decoder, params) = base();
    let folder = reference("lora/kinds/dropout");
    let weights = fs_err::read(folder.join("adapter_model.safetensors")).unwrap();
    let original: Value = serde_json::from_slice(&fs_err::read(folder.join("adapter_config.json")).unwrap()).unwrap();
    let found = |key: &str, value: Value| {
        let mut config = original.clone();
        config[key] = value;
        let bytes = serde_json::to_vec(&config).unwrap();
        let config = read_adapter_config(&decoder.layout, &bytes, &folder).unwrap();
        let adapted = decoder.clone().with_lora(&config);
        let read = load_adapter(params.clone(), adapted.backend(), &adapted.layout, &weights, &folder);
        read.map(drop).unwrap_err().to_string()
    };
    let left = found("layers_to_transform", json!([0]));
    assert!(left.contains("layers.1.self_attn") && left.contains("belongs to no part"), "{left}");
    let rank = found("rank_pattern", json!({ "v_proj": 2 }));
    assert!(rank.contains("v_proj.lora_A.weight` has shape [3, 24]; the config asks for [2, 24]"), "{rank}");
    // Nothing is allocated for what the file does not hold.
    assert!(found("r", json!(1_u64 << 60)).contains("has shape [3, 24]"));
}
