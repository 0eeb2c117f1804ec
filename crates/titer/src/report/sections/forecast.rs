//! What was foreseen of the arms before they were trained, beside what was measured; in columns of their own.

use crate::{
    forecast::{ArmForecast, SavedForecast},
    plan::same_arm,
    report::{format, view::Table},
    results::{At, Measure, SweepResults},
};

/// One line for each forecast; `None` where the sweep has none.
pub(crate) fn table(results: &SweepResults, forecast: Option<&SavedForecast>) -> Option<Table> {
    let forecast = forecast?;
    let row = |foreseen: &ArmForecast| {
        let arm = results.arms.iter().find(|arm| same_arm(&arm.name, &foreseen.arm))?;
        let measured = arm.finished().probe(&foreseen.split(), Measure::Rate, At::End).estimate()?;
        let within = (foreseen.rate.low..=foreseen.rate.high).contains(&measured.mean);
        Some(vec![
            foreseen.arm.clone(),
            format!("{}, {} prompts, {} domains", foreseen.component, foreseen.prompts, foreseen.domains),
            format!("{:.3} [{:.3}, {:.3}]", foreseen.rate.mean, foreseen.rate.low, foreseen.rate.high),
            format::interval(&measured),
            if within { "within" } else { "outside" }.to_owned(),
            if foreseen.beyond.is_empty() { String::new() } else { format!("does not know: {}", foreseen.beyond) },
        ])
    };
    Some(Table {
        caption: "Rates after training. Forecast: from the base model's kernel, with the 95 % interval of a run; forecast.json \
                  beside the sweep. Measured: mean and 95 % interval over seeds; probes.parquet of each run, its last step."
            .to_owned(),
        text_columns: 2,
        head: ["arm", "probe", "forecast", "measured", "measured mean in the forecast's interval", "beyond calibration"].map(str::to_owned).into(),
        rows: forecast.arms.iter().filter_map(row).collect(),
    })
}

/// The forecast's dials, with the measured rates of the arms that they can be set to.
pub(crate) fn dials(results: &SweepResults, forecast: Option<&SavedForecast>) -> Option<serde_json::Value> {
    let mut dials = forecast?.dials.clone();
    dials.measure_in(results);
    Some(dials.content())
}
