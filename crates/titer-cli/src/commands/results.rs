//! `titer results`

use titer::{
    files::write_whole,
    results::{EFFECTS_SCHEMA, RESULTS_SCHEMA, SweepResults},
    table::{Column, csv, encode, json},
    words::counted,
};

use super::{
    outputs::{TABLES, ending, fresh},
    unfinished::unfinished,
};
use crate::{
    args::ResultsArgs,
    listener::{listener, tell_table},
    printer::{Failure, talk, verbatim},
};

/// Prints or writes the results of a sweep's finished runs, or their effects against controls.
pub(crate) fn results(args: &ResultsArgs) -> Result<(), Failure> {
    let out = args.out.as_deref().map(|out| Ok::<_, Failure>((out, ending(out, &TABLES)?))).transpose()?;
    fresh([("--out", args.out.as_ref())])?;
    let results = SweepResults::load(&args.dir).map_err(Failure::input)?;
    if results.runs().next().is_none() {
        let problem = format!("{} has no finished run yet: run its spec to the end first", args.dir.display());
        return Err(Failure::Input(problem));
    }
    unfinished(&results, &args.dir);
    let (name, schema, columns) = if args.effects {
        ("effects", EFFECTS_SCHEMA, results.effects_table())
    } else {
        ("results", RESULTS_SCHEMA, results.results_table())
    };
    tell_table(name, || columns.clone());
    let Some((out, ending)) = out else {
        if listener().is_some() {
            return Ok(());
        }
        verbatim(csv(&columns).trim_end());
        return Ok(());
    };
    let lines = columns.first().map_or(0, |column: &Column| column.values.len());
    let bytes = match ending {
        "csv" => csv(&columns).into_bytes(),
        "json" => json(&columns).into_bytes(),
        _ => encode(name, schema, columns).map_err(Failure::work)?,
    };
    write_whole(out, &bytes).map_err(Failure::work)?;
    talk(&format!("{} in {}", counted(lines, "line"), out.display()));
    Ok(())
}
