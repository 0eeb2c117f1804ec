//! How far two judges agree beyond chance.

use std::collections::BTreeMap;

use super::{ErrorSource, Estimate, Method, Support};

/// What two judges say of one item, and what the item belongs together with.
#[derive(Clone, Copy, Debug)]
pub struct Verdicts<'a> {
    /// Items with one name are drawn together, such as replies to one request.
    pub cluster: &'a str,
    /// Whether each of them says yes.
    pub yes: [bool; 2],
}

/// Cohen's κ (1960), `(p_o − p_e) / (1 − p_e)`: the share of items on which two judges agree, less the share that would agree by chance, of what
/// chance leaves. Its 95 % interval is on the scale of artanh, with the jackknife's error over clusters. `None` where there is no item, or both say the same of all, so that
/// chance leaves nothing.
pub fn kappa(items: &[Verdicts<'_>]) -> Option<Estimate> {
    let mut clusters: BTreeMap<&str, [f64; 4]> = BTreeMap::new();
    for item in items {
        let counts = clusters.entry(item.cluster).or_default();
        counts[usize::from(item.yes[0]) * 2 + usize::from(item.yes[1])] += 1.0;
    }
    let mut all = [0.0; 4];
    for counts in clusters.values() {
        all.iter_mut().zip(counts).for_each(|(sum, count)| *sum += count);
    }
    let value = of_counts(all)?;
    let without = |counts: &[f64; 4]| {
        let mut left = all;
        left.iter_mut().zip(counts).for_each(|(sum, count)| *sum -= count);
        of_counts(left)
    };
    let alone = Estimate::alone(value, Support::Signed, 1, items.len());
    // Where leaving a cluster out leaves nothing to agree on, nothing can be told of the error.
    let left_out: Option<Vec<f64>> = clusters.values().map(without).collect();
    let source = left_out.and_then(|left_out| ErrorSource::jackknife(&Support::Signed.places_around(value, &left_out)));
    let place = Support::Signed.to_scale(value);
    Some(source.map_or(alone, |source| alone.around([place; 2], source, Method::Items)))
}

/// κ of how often both say no, the second alone says yes, the first alone does, and both do.
fn of_counts([neither, second, first, both]: [f64; 4]) -> Option<f64> {
    let n = neither + second + first + both;
    let (yes, other_yes) = ((first + both) / n, (second + both) / n);
    let chance = yes * other_yes + (1.0 - yes) * (1.0 - other_yes);
    let agreed = (neither + both) / n;
    (n > 0.0 && chance < 1.0).then(|| (agreed - chance) / (1.0 - chance))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn items(counts: [usize; 4]) -> Vec<[bool; 2]> {
        let of = |at: usize| std::iter::repeat_n([at / 2 == 1, at % 2 == 1], counts[at]);
        (0..4).flat_map(of).collect()
    }

    fn estimate(counts: [usize; 4]) -> Option<Estimate> {
        let names: Vec<String> = (0..counts.iter().sum()).map(|at: usize| at.to_string()).collect();
        let items = items(counts).into_iter().zip(&names).map(|(yes, cluster)| Verdicts { cluster, yes });
        kappa(&items.collect::<Vec<_>>())
    }

    #[test]
    fn known_values() {
        // Cohen's example of 50 grants: 20 both yes, 15 both no, 5 and 10 apart.
        let found = estimate([15, 10, 5, 20]).unwrap();
        assert!((found.mean - 0.4).abs() < 1e-12, "{found:?}");
        // The large-sample standard error of Fleiss, Cohen and Everitt (1969) is .126 here.
        let half = found.half_width() / 1.96;
        assert!(found.has_interval() && (half - 0.126).abs() < 0.02, "{found:?}");
        assert!((estimate([10, 0, 0, 10]).unwrap().mean - 1.0).abs() < 1e-12);
        assert!((estimate([0, 10, 10, 0]).unwrap().mean + 1.0).abs() < 1e-12);
        assert!(estimate([5, 5, 5, 5]).unwrap().mean.abs() < 1e-12);
    }

    #[test]
    fn the_interval_holds_kappa() {
        // tanh(artanh .92 ± 1.984 · .291), the jackknife's error on that scale with t(.975, 99).
        let found = estimate([48, 2, 2, 48]).unwrap();
        assert!((found.mean - 0.92).abs() < 1e-12, "{found:?}");
        assert!((found.low - 0.766_54).abs() < 1e-4 && (found.high - 0.974_07).abs() < 1e-4, "{found:?}");
        // One reply of a hundred on which they are apart tells as much as two do.
        let [one, two] = [[50, 1, 0, 49], [49, 1, 1, 49]].map(|counts| estimate(counts).unwrap());
        assert!(one.low > 0.8 && one.low > two.low && one.high < 1.0, "{one:?} {two:?}");
        for counts in (0..4).map(|at| [40 + at, 3 * at, 1 + at, 9 * at]).chain([[2, 30, 40, 3], [90, 1, 1, 2]]) {
            let Some(found) = estimate(counts).filter(Estimate::has_interval) else { continue };
            assert!(found.low <= found.mean && found.mean <= found.high && found.high <= 1.0, "{counts:?} {found:?}");
        }
    }

    #[test]
    fn where_chance_leaves_nothing_there_is_none_and_clusters_count_once() {
        assert!(estimate([10, 0, 0, 0]).is_none() && estimate([0; 4]).is_none());
        let one: Vec<Verdicts<'_>> =
            items([15, 10, 5, 20]).into_iter().map(|yes| Verdicts { cluster: "a", yes }).collect();
        assert!(!kappa(&one).unwrap().has_interval());
    }
}
