//! `config.json` as published models have it, before and after transformers 5, and what is refused.

use std::path::Path;

use serde_json::{Value, json};
use titer_model::{
    backend::Activation,
    io::read_config,
    shape::{Config, DecoderFamily, RopeScaling},
};

/// Sizes and an architecture, and then these keys.
fn config(architecture: &str, keys: Value) -> Value {
    let mut config = json!({
        "architectures": [architecture],
        "vocab_size": 512,
        "hidden_size": 64,
        "intermediate_size": 96,
        "num_hidden_layers": 12,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": 128,
        "rms_norm_eps": 1e-6,
        "hidden_act": "silu",
    });
    let (Value::Object(config_keys), Value::Object(keys)) = (&mut config, keys) else { unreachable!() };
    config_keys.extend(keys);
    config
}

fn read(config: &Value) -> Result<Config, String> {
    read_config(&serde_json::to_vec(config).unwrap(), Path::new("config.json")).map_err(|error| error.to_string())
}

fn variant(architecture: &str, keys: Value) -> Config {
    read(&config(architecture, keys)).unwrap()
}

/// Which layers slide, and their window.
fn sliding(config: &Config) -> (usize, Vec<usize>) {
    let sliding = config.variant.sliding.as_ref().unwrap();
    (sliding.window, (0..config.num_hidden_layers).filter(|&layer| sliding.layers[layer]).collect())
}

#[test]
fn llama_3_2_reads_the_same_before_and_after_transformers_5() {
    let scaling = json!({
        "factor": 32.0,
        "high_freq_factor": 4.0,
        "low_freq_factor": 1.0,
        "original_max_position_embeddings": 8192,
        "rope_type": "llama3",
    });
    let old = variant("LlamaForCausalLM", json!({ "rope_scaling": scaling, "rope_theta": 500_000.0 }));
    let mut parameters = scaling;
    parameters["rope_theta"] = json!(500_000.0);
    let new = variant("LlamaForCausalLM", json!({ "rope_parameters": parameters }));
    assert_eq!(old, new);
    assert_eq!(old.rope_theta, 500_000.0);
    let scaling = RopeScaling::Llama3 { factor: 32.0, low: 1.0, high: 4.0, original: 8192.0 };
    assert_eq!(old.variant.rope_scaling, scaling);
    assert!(!old.tie_word_embeddings);
}

#[test]
fn llama_1_has_a_key_head_for_each_query_head_and_llama_2_may_be_stretched() {
    let mut first = config("LlamaForCausalLM", json!({ "rope_scaling": { "type": "linear", "factor": 2.0 } }));
    first.as_object_mut().unwrap().shift_remove("num_key_value_heads");
    let first = read(&first).unwrap();
    assert_eq!((first.num_key_value_heads, first.rope_theta), (4, 10_000.0));
    assert_eq!(first.variant.rope_scaling, RopeScaling::Linear { factor: 2.0 });
}

#[test]
fn mistral_slides_everywhere_or_nowhere() {
    let first = variant("MistralForCausalLM", json!({ "sliding_window": 4096 }));
    assert_eq!(sliding(&first), (4096, (0..12).collect()));
    assert_eq!(variant("MistralForCausalLM", json!({ "sliding_window": null })).variant.sliding, None);
}

#[test]
fn qwen_slides_where_it_says_that_it_does() {
    let keys = |used: bool| json!({ "use_sliding_window": used, "sliding_window": 99, "max_window_layers": 10 });
    for architecture in ["Qwen2ForCausalLM", "Qwen3ForCausalLM"] {
        assert_eq!(variant(architecture, keys(false)).variant.sliding, None);
        assert_eq!(sliding(&variant(architecture, keys(true))), (99, vec![10, 11]));
    }
    assert_eq!(variant("Qwen3ForCausalLM", json!({})).head_width(), 128);
}

#[test]
fn smollm_3_leaves_every_fourth_layer_unrotated() {
    let plain = variant("SmolLM3ForCausalLM", json!({ "use_sliding_window": false, "sliding_window": null }));
    assert_eq!((0..12).filter(|&layer| !plain.rotary(layer)).collect::<Vec<_>>(), [3, 7, 11]);
    assert!(plain.tie_word_embeddings && plain.rope_theta == 2e6 && plain.variant.sliding.is_none());
    let listed = json!({ "no_rope_layers": [1, 1, 0, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0] });
    let listed = variant("SmolLM3ForCausalLM", listed);
    assert_eq!((0..12).filter(|&layer| !listed.rotary(layer)).collect::<Vec<_>>(), [2]);
}

#[test]
fn gemma_slides_by_its_patterns() {
    let second = variant("Gemma2ForCausalLM", json!({}));
    assert_eq!(sliding(&second), (4096, vec![0, 2, 4, 6, 8, 10]));
    let bounds = (second.variant.attention_softcap, second.variant.logit_softcap);
    assert_eq!((bounds, second.variant.query_pre_attn_scalar), ((Some(50.0), Some(30.0)), Some(256.0)));
    assert_eq!(second.variant.activation, Activation::GeluTanh);
    assert!(second.tie_word_embeddings && second.head_width() == 256);

    let old = json!({
        "sliding_window": 512,
        "sliding_window_pattern": 6,
        "rope_theta": 1e6,
        "rope_local_base_freq": 1e4,
        "rope_scaling": { "factor": 8.0, "rope_type": "linear" },
    });
    let new = json!({
        "sliding_window": 512,
        "rope_parameters": {
            "full_attention": { "rope_type": "linear", "factor": 8.0, "rope_theta": 1e6 },
            "sliding_attention": { "rope_type": "default", "rope_theta": 1e4 },
        },
    });
    let third = variant("Gemma3ForCausalLM", old);
    assert_eq!(third, variant("Gemma3ForCausalLM", new));
    assert_eq!(sliding(&third), (512, vec![0, 1, 2, 3, 4, 6, 7, 8, 9, 10]));
    assert_eq!(third.variant.sliding.unwrap().rope_theta, Some(1e4));
    assert_eq!((third.variant.attention_softcap, third.variant.logit_softcap), (None, None));
}

#[test]
fn what_is_not_computed_is_refused_by_name() {
    let refuse = |architecture: &str, keys: Value| read(&config(architecture, keys)).unwrap_err();
    let llama = |keys: Value| refuse("LlamaForCausalLM", keys);
    assert!(
        refuse("MixtralForCausalLM", json!({})).contains("architecture is MixtralForCausalLM; titer computes Llama")
    );
    assert!(read(&json!({})).unwrap_err().contains("architecture is none"));
    assert!(read(&json!([])).unwrap_err().contains("architecture is none"));
    assert!(llama(json!({ "hidden_act": "relu2" })).contains("`hidden_act` is \"relu2\"; titer computes silu"));
    let experts = refuse("Qwen3MoeForCausalLM", json!({ "num_experts": 128 }));
    assert!(experts.contains("architecture is Qwen3MoeForCausalLM, a mixture of experts; titer computes Llama"));
    let unheard = json!({ "rope_scaling": { "rope_type": "proportional", "factor": 4.0 } });
    assert!(
        llama(unheard)
            .contains("`rope_type` is \"proportional\"; titer computes default, linear, dynamic, llama3, yarn")
    );
    let long = json!({ "rope_scaling": { "rope_type": "longrope", "short_factor": [1], "long_factor": [1] } });
    assert!(llama(long).contains("`short_factor` and `long_factor` must have 8 numbers each"));
    let endless = json!({ "rope_scaling": { "rope_type": "yarn", "factor": 0 } });
    assert!(llama(endless).contains("`factor` is 0; it must be positive"));
    assert!(llama(json!({ "rope_theta": -1.0 })).contains("`rope_theta` is -1; it must be above 1"));
    assert!(llama(json!({ "rope_scaling": { "type": "linear" } })).contains("`factor` is missing"));
    assert!(llama(json!({ "partial_rotary_factor": 0.5 })).contains("`partial_rotary_factor` is 0.5"));
    assert!(
        llama(json!({ "rope_parameters": { "full_attention": {} } })).contains("`rope_parameters` is by layer type")
    );
    assert!(llama(json!({ "per_layer_config": { "0": {} } })).contains("`per_layer_config` is set"));
    assert!(llama(json!({ "quantization_config": { "bits": 4 } })).contains("quantised"));
    assert!(llama(json!({ "attention_bias": "yes" })).contains("`attention_bias` is \"yes\""));
    assert!(llama(json!({ "num_attention_heads": 3 })).contains("`num_attention_heads`"));
    assert!(llama(json!({ "vocab_size": null })).contains("`vocab_size` is missing"));
    assert!(llama(json!({ "hidden_size": "wide" })).contains("`hidden_size` is \"wide\"; it must be a count"));
    let gemma = |keys: Value| refuse("Gemma3ForCausalLM", keys);
    assert!(gemma(json!({ "use_bidirectional_attention": true })).contains("causal"));
    assert!(gemma(json!({ "attn_logit_softcapping": 50.0 })).contains("`attn_logit_softcapping` is set"));
    assert!(gemma(json!({ "layer_types": ["full_attention", "chunked_attention"] })).contains("\"chunked_attention\""));
    assert!(gemma(json!({ "layer_types": ["sliding_attention"] })).contains("each of the 12 layers"));
    assert!(gemma(json!({ "sliding_window": null })).contains("there is no `sliding_window` in use"));
    assert!(gemma(json!({ "final_logit_softcapping": 0.0 })).contains("`final_logit_softcapping` is 0; it must be"));
}

#[test]
fn sizes_beyond_any_model_are_refused_before_anything_is_made_of_them() {
    for key in [
        "vocab_size",
        "hidden_size",
        "intermediate_size",
        "num_hidden_layers",
        "num_attention_heads",
        "num_key_value_heads",
        "head_dim",
        "max_position_embeddings",
    ] {
        // Of every family: some make a list with a place for each layer.
        for architecture in DecoderFamily::ALL.map(DecoderFamily::architecture) {
            for size in [0, 1 << 40, u64::MAX] {
                let problem = read(&config(architecture, json!({ key: size }))).unwrap_err();
                assert!(problem.contains(&format!("`{key}` is {size}")), "{architecture}: {problem}");
            }
        }
    }
    assert!(
        read(&config("LlamaForCausalLM", json!({ "hidden_size": 1 << 16 }))).unwrap_err().contains("a head is 16384")
    );
}

#[test]
fn rows_are_as_long_as_positions_and_frequencies_reach() {
    let longest = |keys: Value| variant("LlamaForCausalLM", keys).longest_row();
    assert_eq!(longest(json!({})), 128);
    assert_eq!(longest(json!({ "max_position_embeddings": 10_485_760 })), 131_072);
    let long = json!({ "rope_type": "longrope", "short_factor": vec![1; 8], "long_factor": vec![2; 8] });
    let keys = json!({ "max_position_embeddings": 128, "original_max_position_embeddings": 32, "rope_scaling": long });
    assert_eq!(longest(keys), 32);
}

#[test]
fn yarn_is_read_as_qwen_writes_it() {
    let yarn = json!({ "type": "yarn", "factor": 4.0, "original_max_position_embeddings": 32 });
    let scaling = variant("Qwen2ForCausalLM", json!({ "rope_scaling": yarn })).variant.rope_scaling;
    let attention = 0.1 * 4.0_f64.ln() + 1.0;
    let wanted = RopeScaling::Yarn { factor: 4.0, low: 1.0, high: 32.0, original: 32.0, truncate: true, attention };
    assert_eq!(scaling, wanted);
}

#[test]
fn gemma_1_says_gelu_and_means_its_approximation() {
    for keys in [
        json!({ "hidden_act": "gelu" }),
        json!({ "hidden_act": "gelu", "hidden_activation": null }),
        json!({ "hidden_act": "gelu", "hidden_activation": "gelu_pytorch_tanh" }),
        json!({ "hidden_act": "gelu_pytorch_tanh", "hidden_activation": "gelu" }),
    ] {
        assert_eq!(variant("GemmaForCausalLM", keys).variant.activation, Activation::GeluTanh);
    }
    assert_eq!(variant("GemmaForCausalLM", json!({ "hidden_act": "silu" })).variant.activation, Activation::Silu);
    for (act, other) in [("silu", "gelu_pytorch_tanh"), ("gelu_pytorch_tanh", "silu")] {
        let keys = json!({ "hidden_act": act, "hidden_activation": other });
        let problem = read(&config("GemmaForCausalLM", keys)).unwrap_err();
        assert!(problem.contains(&format!("`hidden_activation` is \"{other}\" and `hidden_act` is")), "{problem}");
    }
}

#[test]
fn a_type_that_is_not_the_architectures_is_refused() {
    let types = [
        "llama",
        "mistral",
        "qwen2",
        "qwen3",
        "smollm3",
        "gemma",
        "gemma2",
        "gemma3_text",
        "olmo2",
        "olmo3",
        "granite",
        "phi3",
    ];
    for (family, own) in DecoderFamily::ALL.into_iter().zip(types) {
        let (architecture, theirs) = (family.architecture(), |word: Value| json!({ "model_type": word }));
        assert_eq!(variant(architecture, theirs(own.into())), variant(architecture, theirs(Value::Null)));
        for other in types.into_iter().filter(|word| *word != own).map(Value::from).chain([json!("gemma3"), json!(3)]) {
            let problem = read(&config(architecture, theirs(other.clone()))).unwrap_err();
            let wanted =
                format!("`model_type` is {other} and the architecture {architecture}, whose type is \"{own}\"");
            assert!(problem.contains(&wanted), "{problem}");
        }
    }
}

#[test]
fn phi_3_slides_everywhere_or_nowhere() {
    let phi = |window: Value, types: Value| {
        read(&config("Phi3ForCausalLM", json!({ "sliding_window": window, "layer_types": types })))
    };
    let (full, slides) = (json!(vec!["full_attention"; 12]), json!(vec!["sliding_attention"; 12]));
    let mut both = slides.clone();
    both[0] = json!("full_attention");
    for types in [Value::Null, slides.clone()] {
        assert_eq!(sliding(&phi(json!(9), types).unwrap()), (9, (0..12).collect()));
    }
    for types in [Value::Null, full.clone()] {
        assert_eq!(phi(Value::Null, types).unwrap().variant.sliding, None);
    }
    for types in [full, both] {
        let problem = phi(json!(9), types).unwrap_err();
        assert!(problem.contains("`layer_types`") && problem.contains("slides every layer of Phi 3"), "{problem}");
    }
    assert!(phi(Value::Null, slides).unwrap_err().contains("there is no `sliding_window` in use"));
}

#[derive(serde::Deserialize)]
struct Positions {
    architecture: String,
    /// What the file says.
    keys: Value,
    /// What transformers makes of it, in the words of transformers 5; `None` where it refuses the file.
    read: Option<Value>,
}

#[test]
fn old_and_new_words_for_positions_are_read_as_transformers_reads_them() {
    let cases: Vec<Positions> = serde_json::from_str(include_str!("reference/configs.json")).unwrap();
    let mut wrong = String::new();
    for Positions { architecture, keys, read: wanted } in cases {
        let found = read(&config(&architecture, keys.clone()));
        let Some(wanted) = wanted else { continue };
        // A type under the name that transformers passes over where positions are by layer.
        let by_layer = ["Gemma3ForCausalLM", "Olmo3ForCausalLM"].contains(&architecture.as_str());
        let kind = &keys["rope_scaling"]["type"];
        if by_layer && !kind.is_null() && wanted["full_attention"]["rope_type"] != *kind {
            let problem = found.unwrap_err();
            assert!(problem.contains("`type`") && problem.contains("call it `rope_type`"), "{problem}");
            continue;
        }
        // Words for a whole model, of which OLMo 3's sliding layers would have their base in older versions alone.
        let sliding_base = keys["rope_parameters"].get("sliding_attention");
        if architecture == "Olmo3ForCausalLM" && sliding_base.is_none() && !keys["rope_theta"].is_null() {
            let problem = found.unwrap_err();
            assert!(
                problem.contains("`rope_theta` is 300") && problem.contains("sliding layers of OLMo 3"),
                "{problem}"
            );
            continue;
        }
        let outside = &keys["original_max_position_embeddings"];
        let wanted = read(&config(
            &architecture,
            json!({ "rope_parameters": wanted, "original_max_position_embeddings": outside }),
        ));
        if found != wanted {
            wrong += &format!("{architecture} {keys}\n  wanted {wanted:?}\n  found  {found:?}\n");
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn every_family_is_read_by_its_architecture() {
    for family in DecoderFamily::ALL {
        assert_eq!(variant(family.architecture(), json!({})).variant.family, family);
    }
}
