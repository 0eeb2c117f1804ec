//! Pressure is what a step does: predicted change of each component against one real step on one row.

use titer::table::PressureRecord;
use titer_data::{
    cell::Cell,
    chat::Row,
    probe::{Contrast, Side},
    source::Source,
    tokenize::encode_row,
    world::{DomainSplit, ProbeUse},
};
use titer_engine::{
    model::Model,
    pressure::{Directions, Margins, Warnings},
    probe::Moment,
    rows::PackedRows,
    rows::pack,
};
use titer_model::passes::Workspace;

const ITEMS: usize = 24;

fn step(model: &mut Model, row: &Row, lr: f64) {
    let shards = pack(&model.decoder, &[&encode_row(&model.template, &model.tokenizer, row).unwrap()]);
    let weights = [vec![1.0; shards[0].targets.len()]];
    let backend = model.decoder.backend().clone();
    let mut workspace = Workspace::default();
    let (gradient, _) = workspace.gradient(&model.decoder, &model.params, &shards, &weights);
    model.params.add_scaled(&backend, -lr, gradient);
}

fn pressures(directions: &Directions, model: &Model, rows: &[Row]) -> Vec<PressureRecord> {
    directions.pressures(model, &PackedRows::encode(model, rows).unwrap(), Moment { stage: "base", step: 0 })
}

#[test]
fn the_predicted_change_is_the_change_of_a_small_step() {
    let model = Model::open("organism", 0).unwrap();
    let world = model.world.clone().unwrap();
    let margins = Margins::of_source(&model, &Source::from(world.clone()), ProbeUse::Gradient, 0, ITEMS).unwrap();
    let directions = margins.directions(&model);
    let cells = ["bad→good", "bad→bad", "neutral→bad", "instruction→good"].map(|cell| cell.parse::<Cell>().unwrap());
    let rows: Vec<Row> = cells.iter().flat_map(|&cell| world.cell_rows(0, cell, 2)).collect();
    let records = pressures(&directions, &model, &rows);
    let before = margins.values(&model);
    for (row, record) in rows.iter().zip(&records) {
        let lr = 2e-3 / record.gradient_norm; // the same short way for loud and quiet rows
        let mut moved = Model::open("organism", 0).unwrap();
        step(&mut moved, row, lr);
        let after = margins.values(&moved);
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
    let directions = Margins::of_source(&model, &Source::from(world.clone()), ProbeUse::Gradient, 1, ITEMS)
        .unwrap()
        .directions(&model);
    let rows: Vec<Row> = Cell::all().flat_map(|cell| world.cell_rows(1, cell, 6)).collect();
    let together = pressures(&directions, &model, &rows);
    assert!(directions.condition() >= 1.0);
    for (at, record) in together.iter().enumerate().step_by(13) {
        let alone = &pressures(&directions, &model, &rows[at..=at])[0];
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

#[test]
fn the_tokens_of_a_row_add_up_to_it() {
    let model = Model::open("organism", 2).unwrap();
    let world = model.world.clone().unwrap();
    let directions = Margins::of_source(&model, &Source::from(world.clone()), ProbeUse::Gradient, 2, ITEMS)
        .unwrap()
        .directions(&model);
    let rows = PackedRows::encode(&model, &world.cell_rows(2, "bad→good".parse().unwrap(), 5)).unwrap();
    let base = Moment { stage: "base", step: 0 };
    let (whole, parts) =
        (directions.pressures(&model, &rows, base), directions.pressures(&model, &rows.per_token(&model), base));
    assert_eq!(parts.len() as i64, whole.iter().map(|record| record.tokens).sum::<i64>());
    assert!(parts.iter().all(|part| part.tokens == 1 && part.position >= 0 && !part.token.is_empty()));
    for row in &whole {
        let sum = |value: fn(&PressureRecord) -> f64| -> f64 {
            parts.iter().filter(|part| part.item == row.item).map(value).sum()
        };
        assert!((sum(|record| record.surprise) - row.surprise).abs() < 1e-5 * row.surprise);
        let values: [fn(&PressureRecord) -> f64; 3] =
            [|record| record.pressure_good, |record| record.pressure_obey_bad, |record| record.pressure_obey];
        for value in values {
            assert!((sum(value) - value(row)).abs() < 1e-4 * row.gradient_norm, "{}", row.item);
        }
    }
}

/// The probability that a reply follows a context, as nats.
fn log_prob(model: &Model, contrast: &Contrast, wanted: Side) -> f64 {
    use titer_data::chat::{Message, Role};
    let reply = contrast.replies.iter().find(|(side, _)| *side == wanted).unwrap().1.clone();
    let mut messages = contrast.context.clone();
    messages.push(Message::new(Role::Assistant, reply));
    let row = Row::new(String::new(), messages);
    let shards = pack(&model.decoder, &[&encode_row(&model.template, &model.tokenizer, &row).unwrap()]);
    titer_model::passes::score(&model.decoder, &model.params, &shards)[0].iter().map(|&nats| f64::from(nats)).sum()
}

#[test]
fn warnings_are_what_they_are_defined_as() {
    let model = Model::open("organism", 0).unwrap();
    let source = Source::from(model.world.clone().unwrap());
    let warning = Warnings::of_source(&model, &source, DomainSplit::New, 0, ITEMS).unwrap().take(&model);
    let [good, bad] = source.context_pairs(DomainSplit::New, 0, ITEMS);
    let mean = |contrasts: &[Contrast], side| {
        contrasts.iter().map(|contrast| log_prob(&model, contrast, side)).sum::<f64>() / ITEMS as f64
    };
    // The bad reply is what `obey_bad` shows and `good` does not.
    let headroom = mean(&bad, Side::Plus) - mean(&good, Side::Minus);
    assert!((warning.headroom - headroom).abs() < 1e-3, "{} is not {headroom}", warning.headroom);
    for (good, bad) in good.iter().zip(&bad) {
        assert_eq!(good.context.last(), bad.context.last(), "both are about one request");
        assert_ne!(good.context, bad.context);
    }
    // A model does not tell a context from itself.
    let good: Vec<&Contrast> = good.iter().collect();
    let swapped: Vec<Contrast> = good
        .iter()
        .map(|contrast| Contrast {
            replies: contrast
                .replies
                .iter()
                .rev()
                .map(|(side, reply)| (if *side == Side::Plus { Side::Minus } else { Side::Plus }, reply.clone()))
                .collect(),
            ..(*contrast).clone()
        })
        .collect();
    let same = Warnings::new(&model, &good, &swapped.iter().collect::<Vec<_>>()).unwrap().take(&model);
    assert!((same.overlap - 1.0).abs() < 1e-4 && same.headroom.abs() < 1e-4, "{same:?}");
    assert!(warning.overlap < 0.9 && warning.headroom > 2.0, "the base follows its prompts: {warning:?}");
}
