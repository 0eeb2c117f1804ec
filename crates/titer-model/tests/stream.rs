//! A residual stream that is edited behind blocks, against transformers with hooks (`reference/make_stream.py` made the numbers),
//! against central differences, and in closed form.

mod llama;

use llama::{llama, relative, rows, tensor};
use titer_model::{
    backend::Cpu,
    decoder::{Decoder, Tape},
    layers::StreamEdit,
    packed::{Packed, TargetToken},
    params::Params,
    passes::{Accumulate, Workspace, contract, mean_hidden},
    real::Real,
};

const REFERENCE: &[u8] = include_bytes!("reference/stream.safetensors");
const BLOCKS: usize = 2;

/// The reference's model and rows, and the weight of each row's targets.
struct Setting<T: Real> {
    decoder: Decoder<Cpu<T>>,
    params: Params<Cpu<T>>,
    packed: Packed,
    weights: Vec<T>,
}

fn setting<T: Real>() -> Setting<T> {
    let ((decoder, params), (packed, weights)) = (llama(), rows());
    Setting { decoder, params, packed, weights }
}

/// The edits of the reference behind both blocks.
fn edits<T: Real>(kind: &str) -> Vec<Option<StreamEdit<Cpu<T>>>> {
    let (backend, vectors) = (Cpu::<T>::new(), tensor(REFERENCE, "vectors"));
    let edit = |vector: &[f64]| match kind {
        "add" => StreamEdit::add(&backend, &vector.iter().map(|number| 0.7 * number).collect::<Vec<_>>()),
        _ => StreamEdit::remove(&backend, vector),
    };
    vectors.chunks_exact(vectors.len() / BLOCKS).map(|vector| Some(edit(vector))).collect()
}

impl<T: Real> Setting<T> {
    fn edited(self, kind: &str) -> Self {
        Self { decoder: self.decoder.edited(edits(kind)), ..self }
    }

    fn log_probs(&self) -> Vec<T> {
        self.decoder.forward(&self.params, &self.packed, &mut Tape::default())
    }

    fn gradient(&self, weights: &[T]) -> Params<Cpu<T>> {
        let (mut tape, mut gradient) = (Tape::default(), Params::zeros(self.decoder.backend(), &self.decoder.layout));
        self.decoder.forward(&self.params, &self.packed, &mut tape);
        let visitor = &mut Accumulate { gradient: &mut gradient };
        self.decoder.backward(&self.params, &self.packed, weights, &mut tape, visitor);
        gradient
    }
}

fn agrees<T: Real>(kind: &str, tolerance: f64) {
    let setting = setting::<T>().edited(kind);
    let wanted: Vec<f64> = (0..4).flat_map(|at| tensor(REFERENCE, &format!("{kind}/log_probs/{at}"))).collect();
    assert!(relative(&setting.log_probs(), &wanted) < tolerance, "log-probabilities with {kind}");
    let gradient = setting.gradient(&setting.weights);
    for (spec, buffer) in setting.decoder.layout.specs.iter().zip(&gradient.buffers) {
        let error = relative(buffer, &tensor(REFERENCE, &format!("{kind}/gradient/{}", spec.name)));
        assert!(error < tolerance, "{kind}: gradient of {}: relative error {error:e}", spec.name);
    }
}

#[test]
fn an_added_vector_agrees_with_transformers() {
    agrees::<f64>("add", 1e-5); // transformers computes rotary angles in f32
    agrees::<f32>("add", 3e-5);
}

#[test]
fn a_removed_direction_agrees_with_transformers() {
    agrees::<f64>("remove", 1e-5);
    agrees::<f32>("remove", 3e-5);
}

#[test]
fn the_stream_is_read_where_transformers_has_its_hidden_states() {
    let Setting { decoder, params, packed, .. } = setting::<f64>();
    let hidden = mean_hidden(&decoder, &params, &[packed]);
    assert_eq!(hidden.len(), BLOCKS + 1);
    for (place, found) in hidden.iter().enumerate() {
        let error = relative(found, &tensor(REFERENCE, &format!("hidden/{place}")));
        assert!(error < 1e-6, "place {place}: relative error {error:e}");
    }
}

/// Central differences in f64 along random directions.
#[test]
fn gradients_of_edited_passes_are_central_differences() {
    for kind in ["add", "remove"] {
        let setting = setting::<f64>().edited(kind);
        let (backend, layout) = (*setting.decoder.backend(), setting.decoder.layout.clone());
        let loss = |params: &Params<Cpu<f64>>| -> f64 {
            let log_probs = setting.decoder.forward(params, &setting.packed, &mut Tape::default());
            log_probs.iter().zip(&setting.weights).map(|(log_prob, weight)| -weight * log_prob).sum()
        };
        let gradient = setting.gradient(&setting.weights);
        for seed in 1..4 {
            let direction = Params::<Cpu<f64>>::random(&backend, &layout, seed);
            let at = |step: f64| {
                let mut moved = setting.params.clone();
                moved.add_scaled(&backend, step, &direction);
                loss(&moved)
            };
            let (found, wanted) = (gradient.dot(&backend, &direction), (at(1e-5) - at(-1e-5)) / 2e-5);
            assert!((found - wanted).abs() < 1e-6 * wanted.abs().max(1.0), "{kind}: {found} against {wanted}");
        }
    }
}

#[test]
fn rows_of_an_edited_pass_are_contracted_as_they_are_differentiated() {
    for kind in ["add", "remove"] {
        let setting = setting::<f64>().edited(kind);
        let (backend, layout) = (setting.decoder.backend(), &setting.decoder.layout);
        let directions = [1, 2].map(|seed| Params::random(backend, layout, seed));
        let shards = [setting.packed.clone()];
        let weights = [setting.weights.clone()];
        let (sums, _) =
            contract(&Workspace::default(), &setting.decoder, &setting.params, &shards, &weights, &directions);
        for row in 0..4 {
            let only = |(target, &weight): (&TargetToken, &f64)| if target.reply == row { weight } else { 0.0 };
            let weights: Vec<f64> = setting.packed.targets.iter().zip(&setting.weights).map(only).collect();
            let brute = setting.gradient(&weights);
            for (found, direction) in sums.dots(row as usize).iter().zip(&directions) {
                let scale = brute.norm(backend) * direction.norm(backend);
                assert!((found - brute.dot(backend, direction)).abs() < 1e-12 * scale, "{kind}, row {row}");
            }
        }
    }
}

/// `h + v` moves the stream by `v`, and behind the last block by nothing else; `h − (h·q) q` leaves nothing along `q`, and what it
/// leaves it leaves alone.
#[test]
fn edits_do_to_the_stream_what_they_say() {
    let plain = setting::<f64>();
    let shards = [plain.packed.clone()];
    let hidden = |decoder: &Decoder<Cpu<f64>>| mean_hidden(decoder, &plain.params, &shards);
    let before = hidden(&plain.decoder);
    let vectors = tensor(REFERENCE, "vectors");
    let vector = &vectors[vectors.len() / BLOCKS..];
    let last = |edit: StreamEdit<Cpu<f64>>| {
        let edited = plain.decoder.clone().edited(vec![None, Some(edit)]);
        hidden(&edited)
    };
    let added = last(StreamEdit::add(&Cpu::new(), vector));
    assert_eq!(added[..2], before[..2]);
    for ((added, before), number) in added[2].iter().zip(&before[2]).zip(vector) {
        assert!((added - before - number).abs() < 1e-12);
    }
    let removed = last(StreamEdit::remove(&Cpu::new(), vector));
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    assert!(dot(&before[2], vector).abs() > 0.1);
    assert!(dot(&removed[2], vector).abs() < 1e-12);
    let share = dot(&before[2], vector) / dot(vector, vector);
    for ((removed, before), number) in removed[2].iter().zip(&before[2]).zip(vector) {
        assert!((removed - (before - share * number)).abs() < 1e-12);
    }
}

#[test]
fn a_plain_decoder_stays_plain_beside_its_edited_clone() {
    let plain = setting::<f64>();
    let before = plain.log_probs();
    let edited = plain.decoder.clone().edited(edits("add"));
    assert_ne!(before, edited.forward(&plain.params, &plain.packed, &mut Tape::default()));
    assert_eq!(before, plain.log_probs());
    let none = plain.decoder.clone().edited(vec![None, None]);
    assert_eq!(before, none.forward(&plain.params, &plain.packed, &mut Tape::default()));
}

#[test]
#[should_panic(expected = "a vector is as wide as the residual stream")]
fn a_vector_of_another_width_is_no_edit() {
    let plain = setting::<f64>();
    let _ = plain.decoder.edited(vec![Some(StreamEdit::add(&Cpu::new(), &[1.0; 3])), None]);
}
