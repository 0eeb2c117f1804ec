//! `titer devices`

use serde_json::to_string;
use titer_engine::device::{ListedDevice, devices as listed};

use crate::{
    args::DevicesArgs,
    printer::{Failure, verbatim},
    text_table::{TextColumn, TextTable},
};

/// Prints where titer can compute, and what is known of each device.
pub(crate) fn devices(args: &DevicesArgs) -> Result<(), Failure> {
    args.torch.prefer();
    let devices = listed();
    if args.json {
        for device in &devices {
            verbatim(&to_string(device).map_err(Failure::work)?);
        }
        return Ok(());
    }
    let mut table = TextTable::new([
        TextColumn::word("device"),
        TextColumn::word("memory"),
        TextColumn::word("tried"),
        TextColumn::text("computed by"),
    ]);
    for device in &devices {
        table.line(cells(device));
        device.problem.iter().for_each(|problem| table.note(problem));
    }
    table.print(&args.view)
}

fn cells(device: &ListedDevice) -> [String; 4] {
    let gigabytes = |bytes: usize| bytes as f64 / f64::from(1 << 30);
    let memory = device
        .free
        .zip(device.memory)
        .map(|(free, all)| format!("{:.1} of {:.1} GiB free", gigabytes(free), gigabytes(all)));
    [device.name.clone(), memory.unwrap_or_default(), device.tried.to_owned(), device.by.clone()]
}
