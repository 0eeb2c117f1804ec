//! `titer report`

use super::outputs::apart;
use crate::{
    args::ReportArgs,
    printer::{Failure, data, spoken},
};

/// Writes the report of a sweep's folder and prints its path.
pub(crate) fn report(args: &ReportArgs) -> Result<(), Failure> {
    let out = args.out.clone().unwrap_or_else(|| args.dir.join("report.html"));
    args.out.as_deref().map_or(Ok(()), |out| apart(&[("--out", out)]))?;
    // An older report may be replaced, nothing else.
    if out.exists() && !fs_err::read(&out).map_err(Failure::input)?.starts_with(b"<!doctype html>") {
        return Err(Failure::Input(format!("{} is no report; choose another file with --out", out.display())));
    }
    let found = titer::report::write(&args.dir, &out).map_err(Failure::input)?;
    found.iter().for_each(|sentence| spoken(sentence));
    data(&out.display().to_string());
    Ok(())
}
