//! What was foreseen of the arms before they were trained, beside what was measured; in columns of their own.

use crate::report::{
    data::{At, Data, Measure, Split},
    format,
    view::Table,
};

/// One line for each forecast; `None` where the sweep has none.
pub fn table(data: &Data) -> Option<Table> {
    if data.foreseen.is_empty() {
        return None;
    }
    let row = |foreseen: &crate::forecast::Told| {
        let arm = data.arms.iter().find(|arm| arm.name == foreseen.arm)?;
        let split = Split {
            component: foreseen.component.clone(),
            prompts: foreseen.prompts.clone(),
            domains: foreseen.domains.clone(),
        };
        let measured = arm.finished().probe(&split, Measure::Rate, At::End).estimate()?;
        let measured = format::bounded(Measure::Rate, measured);
        let within = (foreseen.rate.low..=foreseen.rate.high).contains(&measured.mean);
        Some(vec![
            foreseen.arm.clone(),
            format!("{}, {} prompts, {} domains", foreseen.component, foreseen.prompts, foreseen.domains),
            format!("{:.3} [{:.3}, {:.3}]", foreseen.rate.mean, foreseen.rate.low, foreseen.rate.high),
            format::interval(&measured),
            if within { "within" } else { "outside" }.to_owned(),
        ])
    };
    Some(Table {
        caption: "Rates after training. Forecast: from the base model's kernel, with the 95 % interval of a run; forecast.json \
                  beside the sweep. Measured: mean and 95 % interval over seeds; probes.parquet of each run, its last step."
            .to_owned(),
        text_columns: 2,
        head: ["arm", "probe", "forecast", "measured", "measured mean in the forecast's interval"].map(str::to_owned).into(),
        rows: data.foreseen.iter().filter_map(row).collect(),
    })
}
