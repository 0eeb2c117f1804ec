//! `titer results`

use std::path::Path;

use titer::{
    files::write_whole,
    results::{EFFECTS_SCHEMA, RESULTS_SCHEMA, SweepResults},
    table::{Column, csv, encode, json},
};

use super::outputs::fresh;
use crate::{
    args::ResultsArgs,
    listener::{listener, tell_table},
    printer::{Failure, data, talk},
};

/// What a table is written as.
#[derive(Clone, Copy)]
enum Format {
    Parquet,
    Csv,
    Json,
}

impl Format {
    /// What a file's ending asks for.
    fn of(out: &Path) -> Result<Self, Failure> {
        match out.extension().and_then(|ending| ending.to_str()) {
            Some("parquet") => Ok(Self::Parquet),
            Some("csv") => Ok(Self::Csv),
            Some("json") => Ok(Self::Json),
            _ => Err(Failure::Input(format!("{}: end the name in .parquet, .csv or .json", out.display()))),
        }
    }
}

/// Prints or writes the results of a sweep's finished runs, or their effects against controls.
pub(crate) fn results(args: &ResultsArgs) -> Result<(), Failure> {
    let out = args.out.as_deref().map(|out| Ok::<_, Failure>((out, Format::of(out)?))).transpose()?;
    fresh([("--out", args.out.as_ref())])?;
    let results = SweepResults::load(&args.dir).map_err(Failure::input)?;
    if results.runs().next().is_none() {
        let problem = format!("{} has no finished run yet: run its spec to the end first", args.dir.display());
        return Err(Failure::Input(problem));
    }
    let (name, schema, columns) = if args.effects {
        ("effects", EFFECTS_SCHEMA, results.effects_table())
    } else {
        ("results", RESULTS_SCHEMA, results.results_table())
    };
    tell_table(name, || columns.clone());
    let Some((out, format)) = out else {
        if listener().is_some() {
            return Ok(());
        }
        data(csv(&columns).trim_end());
        return Ok(());
    };
    let lines = columns.first().map_or(0, |column: &Column| column.values.len());
    let bytes = match format {
        Format::Parquet => encode(name, schema, columns).map_err(Failure::work)?,
        Format::Csv => csv(&columns).into_bytes(),
        Format::Json => json(&columns).into_bytes(),
    };
    write_whole(out, &bytes).map_err(Failure::work)?;
    talk(&format!("{lines} lines in {}", out.display()));
    Ok(())
}
