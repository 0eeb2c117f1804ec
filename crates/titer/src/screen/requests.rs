//! Numbers of rows by request, and sums of their means.

use std::collections::BTreeMap;

use titer_data::cell::Action;

use crate::{
    stats::{Estimate, combined},
    table::ScreenRecord,
};

/// Means that add up to a number: a weight, and values by request.
pub(super) type Group<'a> = (f64, BTreeMap<&'a str, f64>);

/// A number of the rows of an action, by request: their mean where it has several, as of several seeds. What is not finite is no number.
pub(super) fn values<'a>(
    records: &[&'a ScreenRecord],
    action: Action,
    value: impl Fn(&ScreenRecord) -> f64,
) -> BTreeMap<&'a str, f64> {
    let wanted = records.iter().filter(|record| record.action == action.word());
    let mut sums: BTreeMap<&str, (f64, f64)> = BTreeMap::new();
    for (request, value) in wanted.map(|record| (record.request.as_str(), value(record))) {
        if value.is_finite() {
            let (sum, count) = sums.entry(request).or_default();
            (*sum, *count) = (*sum + value, *count + 1.0);
        }
    }
    sums.into_iter().map(|(request, (sum, count))| (request, sum / count)).collect()
}

/// The sum of the groups' means, with an interval over requests.
pub(super) fn sum(groups: &[Group<'_>]) -> Option<Estimate> {
    combined(&groups.iter().map(|(weight, values)| (*weight, values)).collect::<Vec<_>>())
}

/// The same of one number less another one, paired by request.
pub(super) fn difference(first: Vec<Group<'_>>, second: Vec<Group<'_>>) -> Option<Estimate> {
    let negative = second.into_iter().map(|(weight, values)| (-weight, values));
    sum(&first.into_iter().chain(negative).collect::<Vec<_>>())
}
