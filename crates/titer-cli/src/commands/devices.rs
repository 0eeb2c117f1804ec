//! `titer devices`

use serde_json::to_string;
use titer_engine::device::{ListedDevice, devices as listed};

use crate::{
    args::DevicesArgs,
    printer::{Failure, data},
};

/// Prints where titer can compute, and what is known of each device.
pub(crate) fn devices(args: &DevicesArgs) -> Result<(), Failure> {
    args.torch.prefer();
    let devices = listed();
    if args.json {
        for device in &devices {
            data(&to_string(device).map_err(Failure::work)?);
        }
        return Ok(());
    }
    let cells: Vec<[String; 4]> = devices.iter().map(cells).collect();
    let heads = ["device", "memory", "tried", "computed by"].map(str::to_owned);
    let width = |column: usize| cells.iter().chain([&heads]).map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths = [width(0), width(1), width(2)];
    for [name, memory, tried, by] in [&heads].into_iter().chain(&cells) {
        let [a, b, c] = widths;
        data(format!("{name:a$}  {memory:b$}  {tried:c$}  {by}").trim_end());
    }
    Ok(())
}

fn cells(device: &ListedDevice) -> [String; 4] {
    let gigabytes = |bytes: usize| bytes as f64 / f64::from(1 << 30);
    let memory = device
        .free
        .zip(device.memory)
        .map(|(free, all)| format!("{:.1} of {:.1} GiB free", gigabytes(free), gigabytes(all)));
    [device.name.clone(), memory.unwrap_or_default(), device.tried.clone(), device.by.clone()]
}
