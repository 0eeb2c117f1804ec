//! `titer report`

use titer::report::Report;

use super::{outputs::apart, unfinished::unfinished};
use crate::{
    args::ReportArgs,
    page::may_be_replaced,
    printer::{Failure, data, spoken},
};

/// Writes the report of a sweep's folder and prints its path.
pub(crate) fn report(args: &ReportArgs) -> Result<(), Failure> {
    let out = args.out.clone().unwrap_or_else(|| args.dir.join("report.html"));
    args.out.as_deref().map_or(Ok(()), |out| apart(&[("--out", out)]))?;
    may_be_replaced(&out, "report", "choose another file with --out")?;
    let report = Report::load(&args.dir).map_err(Failure::input)?;
    unfinished(&report.results, &args.dir);
    let found = report.write(&out).map_err(Failure::input)?;
    found.iter().for_each(|sentence| spoken(sentence));
    data(&out.display().to_string());
    Ok(())
}
