//! `titer verify`

use serde_json::json;
use titer::{
    forecast::SavedForecast,
    store::{Depth, StoredPlan, Sweep},
};

use crate::{
    args::VerifyArgs,
    printer::{Failure, data, in_words, spoken, verbatim},
};

/// Reads every file of every finished run in a sweep's folder, those of other versions of its spec too, and prints a line for
/// everything that is wrong; or one JSON object.
pub(crate) fn verify(args: &VerifyArgs) -> Result<(), Failure> {
    let sweep = Sweep::open(&args.dir).map_err(Failure::input)?;
    let mut problems: Vec<String> = Vec::new();
    problems.extend(SavedForecast::read(&args.dir).err().map(|error| error.to_string()));
    for run in sweep.runs().into_iter().filter(|run| run.done) {
        // A plan that cannot be read is named below.
        let Ok(plan) = StoredPlan::read(&run.dir) else { continue };
        problems.extend(sweep.agrees(&run, &plan).err().map(|error| error.to_string()));
    }
    let (mut whole, mut unverified, mut damaged, mut unread) = (0, 0, 0, 0);
    for run in sweep.all_finished().map_err(Failure::work)? {
        let inspection = match run.inspect(Depth::Everything) {
            Ok(inspection) => inspection,
            // Such as one of a newer titer: the others are looked at all the same.
            Err(error) => {
                unread += 1;
                problems.push(error.to_string());
                continue;
            }
        };
        *match (inspection.damage.is_empty(), inspection.vouched) {
            (true, true) => &mut whole,
            (true, false) => &mut unverified,
            (false, _) => &mut damaged,
        } += 1;
        problems.extend(inspection.damage.iter().map(ToString::to_string));
    }
    if args.json {
        let counts = json!({ "whole": whole, "damaged": damaged, "unverified": unverified, "unread": unread, "problems": problems });
        verbatim(&counts.to_string());
    } else {
        problems.iter().for_each(|problem| data(&in_words(problem)));
    }
    spoken(&format!(
        "finished runs: {whole} as they were written, {damaged} damaged, {unverified} unverified (an older titer wrote no hashes){}",
        if unread > 0 { format!(", {unread} that this titer cannot read") } else { String::new() }
    ));
    match problems.len() {
        0 => Ok(()),
        count => Err(Failure::Work(format!("problems found in {}: {count}", args.dir.display()))),
    }
}
