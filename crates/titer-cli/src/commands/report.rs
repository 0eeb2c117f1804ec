//! `titer report`

use crate::{
    args::ReportArgs,
    printer::{Failure, data},
};

/// Writes the report of a sweep's folder and prints its path.
pub fn report(args: &ReportArgs) -> Result<(), Failure> {
    let out = args.out.clone().unwrap_or_else(|| args.dir.join("report.html"));
    titer::report::write(&args.dir, &out).map_err(Failure::input)?;
    data(&out.display().to_string());
    Ok(())
}
