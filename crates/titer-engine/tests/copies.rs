//! A model in several places gives what it gives in one: rows of a pressure table and prompts of a screening, in order.
//!
//! Two places are the processor twice, and PyTorch on the processor twice where `TITER_TORCH` names one.

use titer::spec::{Compute, DeviceName};
use titer_data::{cell::Cell, chat::Row, prompt::Turn, source::Source, world::ProbeUse};
use titer_engine::{
    device::prefer_torch,
    model::{Model, ModelCopies},
    pressure::{Margins, Pressing},
    probe::Moment,
    rows::PackedRows,
    screen::{Subjects, screen},
};

/// The organism in so many places on each kind of device that there is here.
fn organisms(places: usize) -> Vec<(&'static str, ModelCopies)> {
    let on = |device: DeviceName| {
        let model = Model::open("organism", 0).unwrap().computing(Compute::F32, device).unwrap();
        ModelCopies::of(vec![model; places])
    };
    let mut all = vec![("cpu", on(DeviceName::Cpu))];
    if let Some(folder) = std::env::var_os("TITER_TORCH") {
        prefer_torch(Some(folder.as_ref()));
        all.push(("torch-cpu", on(DeviceName::TorchCpu)));
    }
    all
}

fn close(found: &[f64], expected: &[f64], what: &str) {
    assert_eq!(found.len(), expected.len(), "{what}");
    let largest =
        expected.iter().filter(|number| number.is_finite()).fold(0.0_f64, |most, number| most.max(number.abs()));
    for (at, (found, expected)) in found.iter().zip(expected).enumerate() {
        let same = (found - expected).abs() <= 2e-4 * largest || (found.is_nan() && expected.is_nan());
        assert!(same, "{what}, {at}: {found} and {expected}");
    }
}

#[test]
fn rows_of_a_table_are_spread_and_stay_in_order() {
    for ((device, alone), (_, copies)) in organisms(1).into_iter().zip(organisms(2)) {
        let world = alone.first().world.clone().unwrap();
        let rows: Vec<Row> = ["bad→good", "bad→bad", "none→good"]
            .iter()
            .flat_map(|cell| world.cell_rows(0, cell.parse::<Cell>().unwrap(), 3))
            .collect();
        let source = Source::from(world);
        let pressures = |copies: &ModelCopies| {
            let model = copies.first();
            let margins = Margins::of_source(model, &source, ProbeUse::Gradient, 0, 8).unwrap();
            let pressing = Pressing::over(copies, margins.directions(model));
            pressing.pressures(&PackedRows::encode(model, &rows).unwrap(), Moment { stage: "", step: 0 }, &|_| ())
        };
        let (one, two, again) = (pressures(&alone), pressures(&copies), pressures(&copies));
        let names =
            |of: &[titer::table::PressureRecord]| of.iter().map(|record| record.item.clone()).collect::<Vec<_>>();
        assert_eq!(names(&two), names(&one), "{device}");
        let numbers = |of: &[titer::table::PressureRecord]| -> Vec<f64> {
            of.iter().flat_map(|of| [of.pressure_good, of.pressure_obey_bad, of.pressure_obey, of.surprise]).collect()
        };
        close(&numbers(&two), &numbers(&one), device);
        assert_eq!(numbers(&two), numbers(&again), "{device}: the same every time");
    }
}

#[test]
fn prompts_of_a_screening_are_spread_and_stay_in_order() {
    for ((device, alone), (_, copies)) in organisms(1).into_iter().zip(organisms(2)) {
        let world = alone.first().world.clone().unwrap();
        let subjects = Subjects::of_world(&world, 0, 4).unwrap();
        let prompts: Vec<_> = world.candidates().into_iter().take(3).collect();
        let source = Source::from(world);
        let screened = |copies: &ModelCopies| {
            let model = copies.first();
            let margins = Margins::of_source(model, &source, ProbeUse::Gradient, 0, 8).unwrap();
            let pressing = Pressing::over(copies, margins.directions(model));
            screen(copies, &subjects, &prompts, &Turn::ALL, Some(&pressing), &|| ()).unwrap().records
        };
        let (one, two) = (screened(&alone), screened(&copies));
        let names = |of: &[titer::table::ScreenRecord]| {
            of.iter().map(|of| format!("{} {} {} {}", of.prompt, of.turn, of.item, of.action)).collect::<Vec<_>>()
        };
        assert_eq!(names(&two), names(&one), "{device}");
        let numbers = |of: &[titer::table::ScreenRecord], get: fn(&titer::table::ScreenRecord) -> [f64; 3]| {
            of.iter().flat_map(get).collect::<Vec<f64>>()
        };
        let log_probs = |of: &titer::table::ScreenRecord| [of.log_prob, of.base_log_prob, of.margin];
        close(&numbers(&two, log_probs), &numbers(&one, log_probs), device);
        let pressures = |of: &titer::table::ScreenRecord| [of.pressure_good, of.pressure_obey_bad, of.pressure_obey];
        close(&numbers(&two, pressures), &numbers(&one, pressures), device);
    }
}
