//! The decoder against transformers' Llama, tensor by tensor (`reference/make.py` made the numbers).

use safetensors::SafeTensors;
use titer_model::{
    backend::{Backend as _, Cpu},
    decoder::{Decoder, Tape},
    optim::{Optimiser, UpdateRule},
    packed::Packed,
    params::{Layout, Params},
    passes::Accumulate,
    real::Real,
    shape::Config,
};

const TENSORS: &[u8] = include_bytes!("reference/llama.safetensors");
const DESCRIBED: &str = include_str!("reference/llama.json");

struct Reference {
    config: Config,
    rows: Vec<(Vec<u32>, Vec<bool>)>,
    weights: Vec<f64>,
    tensors: SafeTensors<'static>,
}

impl Reference {
    fn read() -> Self {
        let described: serde_json::Value = serde_json::from_str(DESCRIBED).unwrap();
        let parse = |key: &str| described[key].clone();
        let tokens: Vec<Vec<u32>> = serde_json::from_value(parse("rows")).unwrap();
        let trained: Vec<Vec<bool>> = serde_json::from_value(parse("trained")).unwrap();
        Self {
            config: serde_json::from_value(parse("config")).unwrap(),
            rows: tokens.into_iter().zip(trained).collect(),
            weights: serde_json::from_value(parse("weights")).unwrap(),
            tensors: SafeTensors::deserialize(TENSORS).unwrap(),
        }
    }

    fn tensor(&self, name: &str) -> Vec<f64> {
        let tensor = self.tensors.tensor(name).unwrap();
        tensor.data().as_chunks::<4>().0.iter().map(|&quad| f64::from(f32::from_le_bytes(quad))).collect()
    }

    fn params<T: Real>(&self, layout: &Layout, kind: &str) -> Params<Cpu<T>> {
        let buffer = |name: &String| self.tensor(&format!("{kind}/{name}")).into_iter().map(T::of).collect();
        Params { buffers: layout.specs.iter().map(|spec| buffer(&spec.name)).collect() }
    }

    fn packed(&self) -> Packed {
        let mut packed = Packed::new();
        for (tokens, trained) in &self.rows {
            packed.push_row(tokens, trained);
        }
        packed
    }

    fn gradient<T: Real>(&self, decoder: &Decoder<Cpu<T>>, params: &Params<Cpu<T>>) -> Params<Cpu<T>> {
        let (packed, mut tape) = (self.packed(), Tape::default());
        let mut gradient = Params::zeros(decoder.backend(), &decoder.layout);
        let weights: Vec<T> = packed.targets.iter().map(|target| T::of(self.weights[target.reply as usize])).collect();
        decoder.forward(params, &packed, &mut tape);
        decoder.backward(params, &packed, &weights, &mut tape, &mut Accumulate { gradient: &mut gradient });
        gradient
    }
}

/// Largest difference over the largest reference value.
fn relative<T: Real>(found: &[T], wanted: &[f64]) -> f64 {
    assert_eq!(found.len(), wanted.len());
    let scale = wanted.iter().fold(0.0_f64, |top, x| top.max(x.abs()));
    found.iter().zip(wanted).fold(0.0_f64, |top, (x, y)| top.max((x.f64() - y).abs())) / scale
}

fn agrees<T: Real>(tolerance: f64) {
    let reference = Reference::read();
    let decoder = Decoder::new(Cpu::<T>::new(), reference.config.clone());
    let params = reference.params(&decoder.layout, "weight");
    let packed = reference.packed();

    let log_probs = decoder.forward(&params, &packed, &mut Tape::default());
    let wanted: Vec<f64> =
        (0..reference.rows.len()).flat_map(|at| reference.tensor(&format!("log_probs/{at}"))).collect();
    assert!(relative(&log_probs, &wanted) < tolerance, "log-probabilities");

    let gradient = reference.gradient(&decoder, &params);
    for (spec, buffer) in decoder.layout.specs.iter().zip(&gradient.buffers) {
        let error = relative(buffer, &reference.tensor(&format!("gradient/{}", spec.name)));
        assert!(error < tolerance, "gradient of {}: relative error {error:e}", spec.name);
    }

    let rules = [
        ("adamw", UpdateRule::AdamW { beta1: 0.9, beta2: 0.98, eps: 1e-8, weight_decay: 0.1 }, 1e-2),
        ("sgd", UpdateRule::Sgd { momentum: 0.5 }, 1e-3),
    ];
    for (kind, rule, lr) in rules {
        let mut params = params.clone();
        let mut optimiser = Optimiser::new(decoder.backend(), &decoder.layout, rule);
        for _ in 0..3 {
            let gradient = reference.gradient(&decoder, &params);
            optimiser.step(decoder.backend(), &mut params, &gradient, 1.0, lr);
        }
        for (spec, buffer) in decoder.layout.specs.iter().zip(&params.buffers) {
            let error = relative(buffer, &reference.tensor(&format!("{kind}/{}", spec.name)));
            // Adam's first steps follow the sign of the gradient, which rounding flips where it is nearly zero.
            let tolerance = if kind == "adamw" { 20.0 * tolerance } else { tolerance };
            assert!(error < tolerance, "{} after three steps of {kind}: relative error {error:e}", spec.name);
        }
    }
}

#[test]
fn f64_agrees_with_transformers() {
    agrees::<f64>(2e-6); // the reference is stored in f32, and its rotary angles are computed there
}

#[test]
fn f32_agrees_with_transformers() {
    agrees::<f32>(2e-5);
}

#[test]
fn every_logit_agrees() {
    let reference = Reference::read();
    let decoder = Decoder::new(Cpu::<f32>::new(), reference.config.clone());
    let params = reference.params(&decoder.layout, "weight");
    for (at, (tokens, _)) in reference.rows.iter().enumerate() {
        let mut packed = Packed::new();
        packed.push_context(tokens);
        let found = decoder.log_probs(&params, &packed, &mut Tape::default());
        let logits = reference.tensor(&format!("logits/{at}"));
        let last = &logits[logits.len() - 37..];
        let log_sum = last.iter().map(|x| x.exp()).sum::<f64>().ln();
        let wanted: Vec<f64> = last.iter().map(|x| x - log_sum).collect();
        assert!(relative(&found, &wanted) < 1e-5);
    }
}

#[test]
fn central_differences_agree_in_f64() {
    let reference = Reference::read();
    let decoder = Decoder::new(Cpu::<f64>::new(), reference.config.clone());
    let params = reference.params(&decoder.layout, "weight");
    let gradient = reference.gradient(&decoder, &params);
    let packed = reference.packed();
    let loss = |params: &Params<Cpu<f64>>| -> f64 {
        let log_probs = decoder.forward(params, &packed, &mut Tape::default());
        packed.targets.iter().zip(log_probs).map(|(t, x)| -reference.weights[t.reply as usize] * x).sum()
    };
    for (at, spec) in decoder.layout.specs.iter().enumerate() {
        let scale = decoder.backend().dot(&[(&gradient.buffers[at], &gradient.buffers[at])]).sqrt();
        for pick in 0..6 {
            let index = (pick * 7919 + 13) % spec.len();
            let step = 1e-5;
            let mut moved = params.clone();
            moved.buffers[at][index] += step;
            let up = loss(&moved);
            moved.buffers[at][index] -= 2.0 * step;
            let slope = (up - loss(&moved)) / (2.0 * step);
            let error = (slope - gradient.buffers[at][index]).abs() / scale;
            assert!(error < 1e-6, "{}[{index}]: {slope} against {}", spec.name, gradient.buffers[at][index]);
        }
    }
}
