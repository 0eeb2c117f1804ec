//! Pressure is what a step does: predicted change of each component against one real step on one row.

#![cfg(feature = "engine")]

use titer::{batch::pack, model::Model, pressure::Directions};
use titer_data::{
    cell::Cell,
    chat::Row,
    probe::{Component, Side},
    tokenize::{encode_contrast, encode_row},
    world::ProbeUse,
};
use titer_model::{
    packed::Packed,
    parallel::{Workspace, reply_log_probs, score},
};

const ITEMS: usize = 24;

/// Mean margin of each component over the contrasts that [`Directions`] differentiates.
fn margins(model: &Model) -> [f64; 3] {
    let probes = model.world.as_ref().unwrap().probes(ProbeUse::Gradient, 0, ITEMS);
    Component::ALL.map(|component| {
        let wanted = probes.iter().filter(|probe| {
            probe.component == component
                && probe.domains == "trained"
                && ["seen", "paraphrased"].contains(&&*probe.prompts)
        });
        let margins: Vec<f64> = wanted
            .flat_map(|probe| &probe.contrasts)
            .map(|contrast| {
                let encoded = encode_contrast(&model.template, &model.tokenizer, contrast).unwrap();
                let side = |wanted| &encoded.replies.iter().find(|(side, _)| *side == wanted).unwrap().1;
                let mut packed = Packed::new();
                packed.push_contrast(&encoded.context, [side(Side::Plus).as_slice(), side(Side::Minus).as_slice()]);
                let shards = [packed];
                let scores = score(&model.decoder, &model.params, &shards);
                let replies = reply_log_probs(&shards[0], &scores[0]);
                replies[0] - replies[1]
            })
            .collect();
        margins.iter().sum::<f64>() / margins.len() as f64
    })
}

fn step(model: &mut Model, row: &Row, lr: f64) {
    let shards = pack(&[encode_row(&model.template, &model.tokenizer, row).unwrap()]);
    let weights = [vec![1.0; shards[0].targets.len()]];
    let backend = *model.decoder.backend();
    let mut workspace = Workspace::default();
    let (gradient, _) = workspace.gradient(&model.decoder, &model.params, &shards, &weights);
    model.params.add_scaled(&backend, -lr, gradient);
}

#[test]
fn the_predicted_change_is_the_change_of_a_small_step() {
    let model = Model::open("organism", 0).unwrap();
    let world = model.world.clone().unwrap();
    let directions = Directions::of_world(&model, &world, 0, ITEMS).unwrap();
    let cells = ["bad→good", "bad→bad", "neutral→bad", "instruction→good"].map(|cell| cell.parse::<Cell>().unwrap());
    let rows: Vec<Row> = cells.iter().flat_map(|&cell| world.cell_rows(0, cell, 2)).collect();
    let records = directions.pressures(&model, &rows).unwrap();
    let before = margins(&model);
    for (row, record) in rows.iter().zip(&records) {
        let lr = 2e-3 / record.gradient_norm; // the same short way for loud and quiet rows
        let mut moved = Model::open("organism", 0).unwrap();
        step(&mut moved, row, lr);
        let after = margins(&moved);
        let predicted = [record.pressure_good, record.pressure_obey_bad, record.pressure_obey];
        for k in 0..3 {
            let measured = (after[k] - before[k]) / lr;
            // Second order and f32 rounding, against the largest of the row's pressures.
            let scale = predicted.iter().fold(0.0_f64, |top, value| top.max(value.abs()));
            assert!(
                (measured - predicted[k]).abs() < 0.03 * scale,
                "{}, component {k}: {measured} against {predicted:?}",
                row.id
            );
        }
    }
}

#[test]
fn a_rows_numbers_hang_together_and_do_not_depend_on_the_others() {
    let model = Model::open("organism", 1).unwrap();
    let world = model.world.clone().unwrap();
    let directions = Directions::of_world(&model, &world, 1, ITEMS).unwrap();
    let rows: Vec<Row> = Cell::all().flat_map(|cell| world.cell_rows(1, cell, 6)).collect();
    let together = directions.pressures(&model, &rows).unwrap();
    assert!(directions.condition() >= 1.0);
    for (at, record) in together.iter().enumerate().step_by(13) {
        let alone = &directions.pressures(&model, &rows[at..=at]).unwrap()[0];
        assert!((record.pressure_obey_bad - alone.pressure_obey_bad).abs() <= 1e-3 * record.gradient_norm);
        assert!((record.surprise - alone.surprise).abs() < 1e-4);
        // G α = C u: the unique pushes explain the marginal ones.
        let unique = [record.unique_good, record.unique_obey_bad, record.unique_obey];
        let marginal = [record.pressure_good, record.pressure_obey_bad, record.pressure_obey];
        for k in 0..3 {
            let explained: f64 = (0..3).map(|l| directions.gram[k][l] * unique[l]).sum();
            assert!((explained - marginal[k]).abs() < 1e-6 * (1.0 + marginal[k].abs()));
        }
        assert!((0.0..=1.0).contains(&record.residual));
        assert!(record.cosine_good.abs() <= 1.0 && record.cosine_obey.abs() <= 1.0);
    }
}
