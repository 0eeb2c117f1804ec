//! `titer report`

use super::outputs::{apart, is_report};
use crate::{
    args::ReportArgs,
    printer::{Failure, data, spoken},
};

/// Writes the report of a sweep's folder and prints its path.
pub(crate) fn report(args: &ReportArgs) -> Result<(), Failure> {
    let out = args.out.clone().unwrap_or_else(|| args.dir.join("report.html"));
    args.out.as_deref().map_or(Ok(()), |out| apart(&[("--out", out)]))?;
    is_report(&out, "choose another file with --out")?;
    let found = titer::report::write(&args.dir, &out).map_err(Failure::input)?;
    found.iter().for_each(|sentence| spoken(sentence));
    data(&out.display().to_string());
    Ok(())
}
