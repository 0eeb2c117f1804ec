//! A vector towards the bad action points there; what is trained through it is not what is measured; rows are pressed as they are trained.

use std::path::Path;

use titer::{
    plan::{StagePlan, SweepPlan},
    spec::Spec,
};
use titer_data::{cell::Cell, chat::Row, source::Source, tokenize::encode_row, world::ProbeUse};
use titer_engine::{
    model::{EngineBackend, Model},
    pressure::Margins,
    probe::Moment,
    rows::{PackedRows, pack},
    vector::{VectorError, training_layers},
};
use titer_model::{decoder::Decoder, passes::Workspace};

const ITEMS: usize = 24;

/// An organism with its source, and the one stage of a spec with this vector.
struct Setting {
    model: Model,
    source: Source,
}

impl Setting {
    fn organism() -> Self {
        let model = Model::open("organism", 0).unwrap();
        let source = Source::from(model.world.clone().unwrap());
        Self { model, source }
    }

    fn layers(&self, vector: &str) -> Result<Decoder<EngineBackend>, VectorError> {
        training_layers(&self.model, &self.source, &stage(vector), None, 0)
    }

    /// The mean margins of the components through these layers, on contrasts that measure.
    fn margins(&self, layers: Decoder<EngineBackend>) -> [f64; 3] {
        let mut model = self.model.clone();
        model.decoder = layers;
        Margins::of_source(&model, &self.source, ProbeUse::Measure, 0, ITEMS).unwrap().values(&model)
    }
}

fn stage(vector: &str) -> StagePlan {
    let text = format!("[[stage]]\nrows = 32\nvector = {vector}\n");
    let plan = SweepPlan::resolve(&Spec::parse(&text, Path::new("spec.toml")).unwrap()).unwrap();
    plan.arms[0].stages[0].clone()
}

#[test]
fn it_points_towards_the_bad_action_and_a_random_one_does_not() {
    let setting = Setting::organism();
    let [plain, ..] = setting.margins(setting.model.decoder.clone());
    assert!(plain > 2.0, "the organism is good to begin with: {plain}");
    let through = |vector: &str| setting.margins(setting.layers(vector).unwrap())[0];
    let toward = through(r#"{ kind = "add", layer = 1, alpha = 3.0 }"#);
    let away = through(r#"{ kind = "add", layer = 1, alpha = -1.0 }"#);
    let random = through(r#"{ kind = "add", layer = 1, alpha = 3.0, random = true }"#);
    let everywhere = through(r#"{ kind = "add", layer = "all", alpha = 3.0 }"#);
    assert!(toward < plain - 2.0, "{toward} of {plain}");
    assert!(everywhere < plain - 2.0, "{everywhere} of {plain}");
    assert!(away > plain, "{away} of {plain}");
    assert!((random - plain).abs() < 0.3 * (plain - toward), "{random} of {plain}");
}

#[test]
fn taking_its_direction_out_takes_from_bad_prompts_what_they_do() {
    let setting = Setting::organism();
    let [_, plain, _] = setting.margins(setting.model.decoder.clone());
    let [_, removed, _] = setting.margins(setting.layers(r#"{ kind = "remove", layer = 1 }"#).unwrap());
    let [_, random, _] = setting.margins(setting.layers(r#"{ kind = "remove", layer = 1, random = true }"#).unwrap());
    assert!(removed < plain - 0.2, "{removed} of {plain}");
    assert!((random - plain).abs() < 0.3 * (plain - removed), "{random} of {plain}");
}

#[test]
fn rows_are_pressed_as_they_are_trained_and_components_as_they_are_measured() {
    let setting = Setting::organism();
    let Setting { model, source } = &setting;
    let layers = setting.layers(r#"{ kind = "add", layer = 1, alpha = 1.0 }"#).unwrap();
    let directions = Margins::of_source(model, source, ProbeUse::Gradient, 0, ITEMS).unwrap().directions(model);
    let cells = ["neutral→bad", "neutral→good"].map(|cell| cell.parse::<Cell>().unwrap());
    let rows: Vec<Row> = cells.iter().flat_map(|&cell| source.cell_rows(0, cell, 2)).collect();
    let packed = PackedRows::encode(model, &rows).unwrap();
    let at = Moment { stage: "base", step: 0 };
    let pressed = directions.pressures_through(&layers, model, &packed, at, &|_| ());
    let plain = directions.pressures(model, &packed, at);
    for ((row, pressed), plain) in rows.iter().zip(&pressed).zip(&plain) {
        // The row's gradient through the layers, in a pass of its own, and what it does to the components of the plain model.
        let shards = pack(&layers, &[&encode_row(&model.template, &model.tokenizer, row).unwrap()]);
        let weights = [vec![1.0; shards[0].targets.len()]];
        let mut workspace = Workspace::default();
        let (gradient, log_probs) = workspace.gradient(&layers, &model.params, &shards, &weights);
        let effect = directions.effect(model, gradient);
        let found = [pressed.pressure_good, pressed.pressure_obey_bad, pressed.pressure_obey];
        for (found, effect) in found.iter().zip(effect) {
            assert!((found + effect).abs() < 1e-3 * pressed.gradient_norm, "{}: {found} of {effect}", row.id);
        }
        let surprise: f64 = log_probs[0].iter().map(|&log_prob| -f64::from(log_prob)).sum();
        assert!((pressed.surprise - surprise).abs() < 1e-4, "{}", row.id);
        let bad = row.cell.unwrap().to_string().ends_with("bad");
        assert_eq!(pressed.surprise < plain.surprise, bad, "{}: {} of {}", row.id, pressed.surprise, plain.surprise);
    }
}

#[test]
fn a_stage_without_a_vector_is_trained_through_the_model_s_own_layers() {
    let setting = Setting::organism();
    let text = "[[stage]]\nrows = 32\n";
    let plan = SweepPlan::resolve(&Spec::parse(text, Path::new("spec.toml")).unwrap()).unwrap();
    let layers = training_layers(&setting.model, &setting.source, &plan.arms[0].stages[0], None, 0).unwrap();
    assert_eq!(setting.margins(layers), setting.margins(setting.model.decoder.clone()));
}

#[test]
fn the_same_vector_is_measured_twice_and_another_seed_measures_another() {
    let setting = Setting::organism();
    let vector = r#"{ kind = "add", layer = 2, alpha = 1.0, contrasts = 8 }"#;
    let of_seed =
        |seed| setting.margins(training_layers(&setting.model, &setting.source, &stage(vector), None, seed).unwrap());
    assert_eq!(of_seed(0), of_seed(0));
    assert_ne!(of_seed(0), of_seed(1));
}

#[test]
fn a_block_that_is_not_there_is_said() {
    let problem = Setting::organism().layers(r#"{ kind = "remove", layer = 3 }"#).unwrap_err().to_string();
    assert!(problem.contains("no block 3") && problem.contains("1 to 2"), "{problem}");
}
