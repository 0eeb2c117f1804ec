//! An adapter that is attached frozen, against PEFT with two adapters at once (`reference/make_attached.py` made the numbers), against
//! central differences, and in closed form.

mod llama;

use std::path::Path;

use llama::{described, llama, relative, rows, tensor};
use safetensors::SafeTensors;
use titer_model::{
    backend::Cpu,
    decoder::{Decoder, Detached, Tape},
    io::{load_adapter, read_adapter_config, save_adapter},
    params::Params,
    passes::Accumulate,
    real::Real,
    shape::LoraConfig,
};

const CONFIG: &[u8] = include_bytes!("reference/lora/adapter_config.json");
const ADAPTER: &[u8] = include_bytes!("reference/lora/adapter_model.safetensors");
const REFERENCE: &[u8] = include_bytes!("reference/lora/attached.safetensors");

/// The reference's model with PEFT's adapter.
fn adapted<T: Real>() -> (Decoder<Cpu<T>>, Params<Cpu<T>>) {
    let (decoder, params) = llama::<T>();
    let config = read_adapter_config(&decoder.layout, CONFIG, Path::new("adapter_config.json")).unwrap();
    let decoder = decoder.with_lora(&config);
    let path = Path::new("adapter_model.safetensors");
    let params = load_adapter(params, decoder.backend(), &decoder.layout, ADAPTER, path).unwrap();
    (decoder, params)
}

fn helper<T: Real>() -> Detached<Cpu<T>> {
    let (decoder, params) = adapted::<T>();
    decoder.without_lora(params).2
}

fn fresh_config() -> LoraConfig {
    LoraConfig::new(2, 4.0, false, ["q_proj", "k_proj", "up_proj"].map(str::to_owned).into())
}

/// The reference's second adapter on a decoder that has the first one attached.
fn beside<T: Real>() -> (Decoder<Cpu<T>>, Params<Cpu<T>>) {
    let (decoder, mut params) = llama::<T>();
    let decoder = decoder.attached(helper()).with_lora(&fresh_config());
    for spec in decoder.layout.specs.iter().filter(|spec| spec.trained) {
        let numbers = tensor(REFERENCE, &format!("fresh/base_model.model.{}", spec.name));
        params.buffers.push(numbers.into_iter().map(T::of).collect());
    }
    (decoder, params)
}

fn log_probs<T: Real>(decoder: &Decoder<Cpu<T>>, params: &Params<Cpu<T>>) -> Vec<T> {
    decoder.forward(params, &rows::<T>().0, &mut Tape::default())
}

fn gradient<T: Real>(decoder: &Decoder<Cpu<T>>, params: &Params<Cpu<T>>) -> Params<Cpu<T>> {
    let ((packed, weights), mut tape) = (rows::<T>(), Tape::default());
    let mut gradient = Params::zeros(decoder.backend(), &decoder.layout);
    decoder.forward(params, &packed, &mut tape);
    decoder.backward(params, &packed, &weights, &mut tape, &mut Accumulate { gradient: &mut gradient });
    gradient
}

fn agrees<T: Real>(kind: &str, (decoder, params): (Decoder<Cpu<T>>, Params<Cpu<T>>), tolerance: f64) {
    let wanted: Vec<f64> = (0..4).flat_map(|at| tensor(REFERENCE, &format!("{kind}/log_probs/{at}"))).collect();
    assert!(relative(&log_probs(&decoder, &params), &wanted) < tolerance, "{kind}: log-probabilities");
    let gradient = gradient(&decoder, &params);
    for (spec, buffer) in decoder.layout.specs.iter().zip(&gradient.buffers) {
        if !spec.trained {
            assert!(buffer.is_empty(), "{} is frozen and has a gradient", spec.name);
            continue;
        }
        let front = if kind == "beside" { "base_model.model." } else { "" };
        let error = relative(buffer, &tensor(REFERENCE, &format!("{kind}/gradient/{front}{}", spec.name)));
        assert!(error < tolerance, "{kind}: gradient of {}: relative error {error:e}", spec.name);
    }
}

#[test]
fn an_adapter_beside_an_attached_one_agrees_with_peft() {
    agrees::<f64>("beside", beside(), 1e-5); // transformers computes rotary angles in f32
    agrees::<f32>("beside", beside(), 3e-5);
}

#[test]
fn all_weights_under_an_attached_adapter_agree_with_peft() {
    let under = |(decoder, params): (Decoder<Cpu<f64>>, _)| (decoder.attached(helper()), params);
    agrees::<f64>("weight", under(llama()), 1e-5);
}

#[test]
fn taken_off_and_attached_an_adapter_computes_what_it_did() {
    let (decoder, params) = adapted::<f64>();
    let with = log_probs(&decoder, &params);
    let (bare, left, taken) = decoder.without_lora(params);
    let (plain, own) = llama::<f64>();
    assert_eq!(left.buffers, own.buffers);
    assert_eq!(log_probs(&bare, &left), log_probs(&plain, &own));
    assert_ne!(log_probs(&bare, &left), with);
    let attached = bare.attached(taken);
    assert!(relative(&log_probs(&attached, &left), &with) < 1e-12);
    assert_eq!(attached.layout.specs.len(), plain.layout.specs.len(), "it is no parameter");
}

#[test]
fn a_saved_adapter_knows_nothing_of_the_one_beside_it() {
    let (decoder, params) = beside::<f32>();
    let (_, weights) = save_adapter(decoder.backend(), &fresh_config(), &decoder.layout, &params, "base");
    let saved = SafeTensors::deserialize(&weights).unwrap();
    assert_eq!(saved.names().len(), 2 * 2 * 3);
    for name in saved.names() {
        let numbers = tensor(REFERENCE, &format!("fresh/{name}"));
        assert_eq!(tensor(&weights, name), numbers, "{name}");
    }
}

#[test]
fn a_random_adapter_has_the_same_shapes_and_the_same_length() {
    let backend = Cpu::<f64>::new();
    let helper = helper::<f64>();
    let random = helper.random_like(&backend, 3);
    assert!((random.norm(&backend) / helper.norm(&backend) - 1.0).abs() < 1e-12);
    let ((decoder, params), (other, _)) = (llama::<f64>(), llama::<f64>());
    let (with, without) = (decoder.attached(random), other.attached(helper));
    assert_ne!(log_probs(&with, &params), log_probs(&without, &params));
}

#[test]
fn gradients_beside_an_attached_adapter_are_central_differences() {
    let (decoder, params) = beside::<f64>();
    let backend = *decoder.backend();
    let (_, weights) = rows::<f64>();
    let loss = |params: &Params<Cpu<f64>>| -> f64 {
        log_probs(&decoder, params).iter().zip(&weights).map(|(log_prob, weight)| -weight * log_prob).sum()
    };
    let found = gradient(&decoder, &params);
    let direction = Params::<Cpu<f64>>::random(&backend, &decoder.layout, 1).moving(&decoder.layout);
    let at = |step: f64| {
        let mut moved = params.clone();
        moved.add_scaled(&backend, step, &direction);
        loss(&moved)
    };
    let (found, wanted) = (found.dot(&backend, &direction), (at(1e-5) - at(-1e-5)) / 2e-5);
    assert!((found - wanted).abs() < 1e-6 * wanted.abs().max(1.0), "{found} against {wanted}");
}

#[test]
#[should_panic(expected = "an adapter fits its layer")]
fn adapters_of_another_decoder_are_not_attached() {
    let mut config: titer_model::shape::Config = serde_json::from_value(described("config")).unwrap();
    config.num_hidden_layers = 1;
    let _ = Decoder::new(Cpu::<f64>::new(), config).attached(helper());
}
