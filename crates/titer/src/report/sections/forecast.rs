//! What was foreseen of the arms before they were trained, beside what was measured; in columns of their own.

use titer_data::probe::Component;

use crate::report::{
    data::{At, Data, Measure, Split},
    format,
    view::Table,
};

/// One line for each forecast; `None` where the sweep has none.
pub fn table(data: &Data) -> Option<Table> {
    let foreseen = data.foreseen.as_ref()?;
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
            if foreseen.beyond.is_empty() { String::new() } else { format!("does not know: {}", foreseen.beyond) },
        ])
    };
    Some(Table {
        caption: "Rates after training. Forecast: from the base model's kernel, with the 95 % interval of a run; forecast.json \
                  beside the sweep. Measured: mean and 95 % interval over seeds; probes.parquet of each run, its last step."
            .to_owned(),
        text_columns: 2,
        head: ["arm", "probe", "forecast", "measured", "measured mean in the forecast's interval", "beyond calibration"].map(str::to_owned).into(),
        rows: foreseen.told.iter().filter_map(row).collect(),
    })
}

/// The forecast's dials, with the measured rates of the arms that they can be set to.
pub fn dials(data: &Data) -> Option<serde_json::Value> {
    let mut dials = data.foreseen.as_ref()?.dials.clone();
    dials.measure(|name| {
        let arm = data.arms.iter().find(|arm| arm.name == name)?;
        let rate = |component: Component| {
            let split =
                Split { component: component.word().to_owned(), prompts: "seen".into(), domains: "trained".into() };
            arm.finished().probe(&split, Measure::Rate, At::End).estimate().map(|rate| rate.mean)
        };
        Component::ALL.into_iter().map(rate).collect()
    });
    Some(dials.content())
}
