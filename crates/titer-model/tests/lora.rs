//! Adapters against PEFT, tensor by tensor (`reference/make_lora.py` made the numbers).

mod llama;

use std::path::Path;

use llama::{described, llama, relative, rows, tensor};
use safetensors::SafeTensors;
use titer_model::{
    backend::{Backend as _, Cpu},
    decoder::{Decoder, Tape},
    io::{load_adapter, read_adapter_config, save_adapter},
    optim::{Optimiser, UpdateRule},
    packed::Packed,
    params::{ParamSpec, Params},
    passes::{Accumulate, Workspace, contract},
    real::Real,
    shape::LoraConfig,
};

const CONFIG: &[u8] = include_bytes!("reference/lora/adapter_config.json");
const ADAPTER: &[u8] = include_bytes!("reference/lora/adapter_model.safetensors");
const REFERENCE: &[u8] = include_bytes!("reference/lora/reference.safetensors");

struct Setting<T: Real> {
    config: LoraConfig,
    decoder: Decoder<Cpu<T>>,
    params: Params<Cpu<T>>,
    packed: Packed,
    weights: Vec<T>,
}

fn setting<T: Real>() -> Setting<T> {
    let ((decoder, params), (packed, weights)) = (llama(), rows());
    let config = read_adapter_config(&decoder.layout, CONFIG, Path::new("adapter_config.json")).unwrap();
    let decoder = decoder.with_lora(&config);
    let path = Path::new("adapter_model.safetensors");
    let params = load_adapter(params, decoder.backend(), &decoder.layout, ADAPTER, path).unwrap();
    Setting { config, decoder, params, packed, weights }
}

impl<T: Real> Setting<T> {
    fn gradient(&self, params: &Params<Cpu<T>>) -> (f64, Params<Cpu<T>>) {
        let mut tape = Tape::default();
        let mut gradient = Params::zeros(self.decoder.backend(), &self.decoder.layout);
        let log_probs = self.decoder.forward(params, &self.packed, &mut tape);
        self.decoder.backward(
            params,
            &self.packed,
            &self.weights,
            &mut tape,
            &mut Accumulate { gradient: &mut gradient },
        );
        let loss = log_probs.iter().zip(&self.weights).map(|(log_prob, weight)| -weight.f64() * log_prob.f64()).sum();
        (loss, gradient)
    }
}

fn agrees<T: Real>(tolerance: f64) {
    let setting = setting::<T>();
    let found = setting.decoder.forward(&setting.params, &setting.packed, &mut Tape::default());
    let wanted: Vec<f64> = (0..4).flat_map(|at| tensor(REFERENCE, &format!("log_probs/{at}"))).collect();
    assert!(relative(&found, &wanted) < tolerance);

    let (_, gradient) = setting.gradient(&setting.params);
    let mut adapters = 0;
    for (spec, buffer) in setting.decoder.layout.specs.iter().zip(&gradient.buffers) {
        if spec.trained {
            let error = relative(buffer, &tensor(REFERENCE, &format!("gradient/base_model.model.{}", spec.name)));
            assert!(error < tolerance, "gradient of {}: relative error {error:e}", spec.name);
            adapters += 1;
        } else {
            assert!(buffer.is_empty(), "{} is frozen and has a gradient", spec.name);
        }
    }
    assert_eq!(adapters, 2 * 2 * 4);
}

#[test]
fn f64_agrees_with_peft() {
    agrees::<f64>(1e-5); // transformers computes rotary angles in f32, and small gradients feel it most
}

#[test]
fn f32_agrees_with_peft() {
    agrees::<f32>(2e-5);
}

#[test]
fn twenty_steps_on_changing_batches_from_a_fresh_adapter_agree_with_peft() {
    const FRESH: &[u8] = include_bytes!("reference/lora/fresh.safetensors");
    let Setting { decoder, mut params, .. } = setting::<f32>();
    params.buffers.truncate(decoder.layout.specs.iter().filter(|spec| !spec.trained).count());
    let path = Path::new("fresh.safetensors");
    let mut params = load_adapter(params, decoder.backend(), &decoder.layout, FRESH, path).unwrap();
    let rows: Vec<Vec<u32>> = serde_json::from_value(described("rows")).unwrap();
    let trained: Vec<Vec<bool>> = serde_json::from_value(described("trained")).unwrap();
    let rule = UpdateRule::AdamW { beta1: 0.9, beta2: 0.999, eps: 1e-8, weight_decay: 0.0 };
    let mut optimiser = Optimiser::new(decoder.backend(), &decoder.layout, rule);
    let mut workspace = Workspace::default();
    for (step, wanted) in tensor(REFERENCE, "fresh_losses").into_iter().enumerate() {
        let mut packed = Packed::new();
        [step % 4, (step + 1 + step / 4) % 4].iter().for_each(|&row| packed.push_row(&rows[row], &trained[row]));
        let weight = 1.0 / packed.targets.len() as f32;
        let weights = [vec![weight; packed.targets.len()]];
        let (gradient, log_probs) = workspace.gradient(&decoder, &params, &[packed], &weights);
        let loss = -f64::from(log_probs[0].iter().sum::<f32>() * weight);
        assert!((loss - wanted).abs() < 1e-3 * wanted, "step {step}: {loss} against {wanted}");
        optimiser.step(decoder.backend(), &mut params, gradient, 1.0, 1e-2);
    }
}

#[test]
fn twenty_steps_agree_with_peft_and_leave_the_base_alone() {
    let mut setting = setting::<f32>();
    let (before, base) =
        (setting.params.clone(), setting.decoder.layout.specs.iter().filter(|spec| !spec.trained).count());
    let rule = UpdateRule::AdamW { beta1: 0.9, beta2: 0.98, eps: 1e-8, weight_decay: 0.1 };
    let mut optimiser = Optimiser::new(setting.decoder.backend(), &setting.decoder.layout, rule);
    let losses: Vec<f64> = (0..20)
        .map(|_| {
            let (loss, gradient) = setting.gradient(&setting.params);
            optimiser.step(setting.decoder.backend(), &mut setting.params, &gradient, 1.0, 1e-2);
            loss
        })
        .collect();
    let wanted = tensor(REFERENCE, "losses");
    for (step, (found, wanted)) in losses.iter().zip(&wanted).enumerate() {
        assert!((found - wanted).abs() < 1e-3 * wanted.abs(), "step {step}: {found} against {wanted}");
    }
    assert_eq!(before.buffers[..base], setting.params.buffers[..base]);
}

#[test]
fn a_saved_adapter_is_peft_s_own_file_again() {
    let setting = setting::<f32>();
    let (config, weights) =
        save_adapter(setting.decoder.backend(), &setting.config, &setting.decoder.layout, &setting.params, "base");
    assert_eq!(
        read_adapter_config(&setting.decoder.layout, &config, Path::new("adapter_config.json")).unwrap(),
        setting.config
    );
    let (saved, original) = (SafeTensors::deserialize(&weights).unwrap(), SafeTensors::deserialize(ADAPTER).unwrap());
    let (mut names, mut wanted) = (saved.names(), original.names());
    names.sort_unstable();
    wanted.sort_unstable();
    assert_eq!(names, wanted);
    for name in names {
        assert_eq!(saved.tensor(name).unwrap().data(), original.tensor(name).unwrap().data(), "{name}");
    }
}

#[test]
fn keys_that_match_nothing_are_refused_by_name() {
    let file = SafeTensors::deserialize(ADAPTER).unwrap();
    let renamed = |from: &str, to: &str| {
        let tensors = file.tensors().into_iter().map(|(name, tensor)| (name.replace(from, to), tensor));
        let bytes = safetensors::serialize(tensors, None).unwrap();
        let Setting { decoder, mut params, .. } = setting::<f32>();
        params.buffers.truncate(decoder.layout.specs.iter().filter(|spec| !spec.trained).count());
        let path = Path::new("adapter_model.safetensors");
        load_adapter(params, decoder.backend(), &decoder.layout, &bytes, path).unwrap_err().to_string()
    };
    let problem = renamed("layers.1.self_attn.q_proj.lora_A", "layers.7.self_attn.q_proj.lora_A");
    assert!(problem.contains("layers.1.self_attn.q_proj.lora_A.weight` is missing"), "{problem}");
    let names = [("extra".to_owned(), file.tensor(file.names()[0]).unwrap())];
    let tensors = file.tensors().into_iter().chain(names);
    let bytes = safetensors::serialize(tensors, None).unwrap();
    let Setting { decoder, mut params, .. } = setting::<f32>();
    params.buffers.truncate(decoder.layout.specs.iter().filter(|spec| !spec.trained).count());
    let left = load_adapter(params, decoder.backend(), &decoder.layout, &bytes, Path::new("a")).unwrap_err();
    assert!(left.to_string().contains("tensor `extra` belongs to no part of the model"), "{left}");
}

#[test]
fn a_fresh_adapter_changes_nothing_and_only_b_has_a_gradient() {
    let plain = setting::<f64>();
    let shape = serde_json::from_value(described("config")).unwrap();
    let decoder = Decoder::new(Cpu::<f64>::new(), shape);
    let base = Params::<Cpu<f64>> { buffers: plain.params.buffers[..decoder.layout.specs.len()].to_vec() };
    let before = decoder.forward(&base, &plain.packed, &mut Tape::default());
    let decoder = decoder.with_lora(&LoraConfig::all(4));
    let params = base.with_lora(decoder.backend(), &decoder.layout, 0);
    let fresh = Setting { config: LoraConfig::all(4), decoder, params, packed: plain.packed, weights: plain.weights };
    assert_eq!(before, fresh.decoder.forward(&fresh.params, &fresh.packed, &mut Tape::default()));
    let (_, gradient) = fresh.gradient(&fresh.params);
    for (spec, buffer) in fresh.decoder.layout.specs.iter().zip(&gradient.buffers).filter(|(spec, _)| spec.trained) {
        let norm = fresh.decoder.backend().dot(&[(buffer, buffer)]);
        assert_eq!(norm > 0.0, spec.name.ends_with("lora_B.weight"), "{}", spec.name);
    }
}

#[test]
fn contraction_of_adapters_is_one_backward_per_row() {
    let setting = setting::<f64>();
    let (backend, layout) = (setting.decoder.backend(), &setting.decoder.layout);
    let direction = |seed: u64| {
        let random = Params::random(backend, layout, seed).buffers;
        let keep = |(spec, buffer): (&ParamSpec, Vec<f64>)| if spec.trained { buffer } else { Vec::new() };
        Params::<Cpu<f64>> { buffers: layout.specs.iter().zip(random).map(keep).collect() }
    };
    let directions: Vec<_> = (1..=3).map(direction).collect();
    let workspace = Workspace::default();
    let (shards, weights) = ([setting.packed.clone()], [setting.weights.clone()]);
    let (sums, _) = contract(&workspace, &setting.decoder, &setting.params, &shards, &weights, &directions);
    for row in 0..4 {
        let only = |(target, &weight): (&titer_model::packed::TargetToken, &f64)| {
            if target.reply == row { weight } else { 0.0 }
        };
        let weights = setting.packed.targets.iter().zip(&setting.weights).map(only).collect();
        let (_, brute) = Setting { weights, ..setting_like(&setting) }.gradient(&setting.params);
        assert!((sums.squared_norm(row as usize) / brute.dot(backend, &brute) - 1.0).abs() < 1e-12);
        for (found, direction) in sums.dots(row as usize).iter().zip(&directions) {
            let scale = brute.norm(backend) * direction.norm(backend);
            assert!((found - brute.dot(backend, direction)).abs() < 1e-12 * scale);
        }
    }
}

fn setting_like(setting: &Setting<f64>) -> Setting<f64> {
    Setting {
        config: setting.config.clone(),
        decoder: setting.decoder.clone(),
        params: setting.params.clone(),
        packed: setting.packed.clone(),
        weights: Vec::new(),
    }
}
