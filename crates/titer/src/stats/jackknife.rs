//! Sums of means over items that are paired only in part.

use std::collections::BTreeMap;

use super::{ErrorSource, Estimate, Method, Support};

/// `Σ_g sign_g · mean of group g`, with a 95 % interval over the items that the groups share.
///
/// An item has at most one number in each group; leaving out an item leaves out all its numbers. The variance is the
/// jackknife's (delete one item), `(n − 1)/n · Σ (θ₋ᵢ − mean θ₋)²`: with all items in all groups that is the interval of the paired
/// differences, with none shared it is close to the one of unpaired means. `None` where a group is empty.
pub(crate) fn combined<I: Ord + Clone>(groups: &[(f64, &BTreeMap<I, f64>)]) -> Option<Estimate> {
    if groups.iter().any(|(_, values)| values.is_empty()) {
        return None;
    }
    let sums: Vec<f64> = groups.iter().map(|(_, values)| values.values().sum()).collect();
    let signed = |without: Option<&I>| -> Option<f64> {
        let means = groups.iter().zip(&sums).map(|((sign, values), sum)| {
            let left_out = without.and_then(|item| values.get(item));
            let left = values.len() - usize::from(left_out.is_some());
            (left > 0).then(|| sign * (sum - left_out.unwrap_or(&0.0)) / left as f64)
        });
        means.sum()
    };
    let mean = signed(None)?;
    let mut items: Vec<&I> = groups.iter().flat_map(|(_, values)| values.keys()).collect();
    items.sort_unstable();
    items.dedup();
    let left_out: Option<Vec<f64>> = items.iter().map(|item| signed(Some(item))).collect();
    let alone = Estimate::alone(mean, Support::Line, 1, items.len());
    let source = left_out.and_then(|left_out| ErrorSource::jackknife(&left_out));
    Some(source.map_or(alone, |source| alone.around([mean; 2], source, Method::Items)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn group(values: &[(u32, f64)]) -> BTreeMap<u32, f64> {
        values.iter().copied().collect()
    }

    #[test]
    fn paired_groups_have_the_interval_of_their_differences() {
        let (a, b) = (group(&[(0, 3.0), (1, 5.0), (2, 4.5)]), group(&[(0, 1.0), (1, 2.5), (2, 3.5)]));
        let found = combined(&[(1.0, &a), (-1.0, &b)]).unwrap();
        let wanted = Estimate::over_items(&[2.0, 2.5, 1.0], Support::Line).unwrap();
        assert!((found.mean - wanted.mean).abs() < 1e-12 && (found.low - wanted.low).abs() < 1e-9);
        assert_eq!(found.n_items, 3);
    }

    #[test]
    fn one_group_has_the_interval_of_its_mean() {
        let a = group(&[(0, 3.0), (1, 5.0), (2, 4.5), (9, -1.0)]);
        let found = combined(&[(1.0, &a)]).unwrap();
        let wanted = Estimate::over_items(&[3.0, 5.0, 4.5, -1.0], Support::Line).unwrap();
        assert!((found.high - wanted.high).abs() < 1e-9);
    }

    #[test]
    fn unpaired_groups_add_their_variances() {
        let a: BTreeMap<u32, f64> = (0..400).map(|at| (at, f64::from(at % 7))).collect();
        let b: BTreeMap<u32, f64> = (400..800).map(|at| (at, f64::from(at % 5))).collect();
        let width = |found: Option<Estimate>| found.map(|it| (it.high - it.low) / 2.0).unwrap();
        let both = width(combined(&[(1.0, &a), (-1.0, &b)]));
        let wanted = width(combined(&[(1.0, &a)])).hypot(width(combined(&[(1.0, &b)])));
        assert!((both / wanted - 1.0).abs() < 0.01, "{both} {wanted}");
    }

    #[test]
    fn an_empty_group_has_no_mean_and_one_item_no_interval() {
        assert!(combined(&[(1.0, &group(&[(0, 1.0)])), (1.0, &group(&[]))]).is_none());
        assert!(!combined(&[(1.0, &group(&[(0, 1.0)]))]).unwrap().has_interval());
    }
}
