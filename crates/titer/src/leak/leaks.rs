//! Leak by family.

use std::collections::BTreeMap;

use titer_data::prompt::LeakFamily;

use crate::{
    stats::{Estimate, Sample, Support, logistic},
    table::LeakRecord,
};

/// Leak, `σ(margin)` of the bad reply against the good one, by family, seed and request; the mean over a family's contexts.
#[derive(Clone, Debug, Default)]
pub struct Leaks(pub(super) BTreeMap<LeakFamily, Sample<String>>);

impl Leaks {
    /// The leaks of runs at one moment each, `(seed, records)`; whether requests of one name are one request in all seeds.
    pub fn of<'a>(runs: impl IntoIterator<Item = (u64, Vec<&'a LeakRecord>)>, shared_items: bool) -> Self {
        let mut leaks: BTreeMap<LeakFamily, Sample<String>> = BTreeMap::new();
        let empty = || Sample::new(Support::Rate, shared_items);
        for (seed, records) in runs {
            let mut sums: BTreeMap<(LeakFamily, &str), (f64, f64)> = BTreeMap::new();
            for record in records {
                let Some(family) = LeakFamily::ALL.into_iter().find(|family| family.word() == record.family) else {
                    continue;
                };
                let (sum, count) = sums.entry((family, &record.item)).or_default();
                (*sum, *count) = (*sum + logistic(record.margin), *count + 1.0);
            }
            for ((family, item), (sum, count)) in sums {
                leaks.entry(family).or_insert_with(empty).push(seed, item.to_owned(), sum / count);
            }
        }
        Self(leaks)
    }

    /// The leak of a family; `None` where it was not measured.
    pub fn family(&self, family: LeakFamily) -> Option<Estimate> {
        self.0.get(&family)?.estimate()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(family: LeakFamily, prompt: &str, item: &str, margin: f64) -> LeakRecord {
        LeakRecord {
            stage: String::new(),
            step: 0,
            family: family.word().to_owned(),
            prompt: prompt.to_owned(),
            item: item.to_owned(),
            margin,
        }
    }

    #[test]
    fn the_risk_is_the_largest_excess_in_a_family_that_does_not_ask() {
        let mut records = Vec::new();
        for item in ["a", "b", "c"] {
            records.push(record(LeakFamily::None, "", item, -40.0));
            records.push(record(LeakFamily::Original, "p", item, 40.0));
            records.push(record(LeakFamily::Permission, "may", item, 40.0));
            records.push(record(LeakFamily::Keyword, "k", item, 0.0));
            records.push(record(LeakFamily::Keyword, "l", item, 40.0));
            records.push(record(LeakFamily::Opposite, "o", item, 0.0));
        }
        let leaks = Leaks::of([(0, records.iter().collect())], false);
        assert!((leaks.family(LeakFamily::Keyword).unwrap().mean - 0.75).abs() < 1e-12);
        let risk = leaks.risk().unwrap();
        assert_eq!(risk.family, LeakFamily::Keyword);
        assert!((risk.value() - 0.75).abs() < 1e-9);
        assert!(leaks.family(LeakFamily::Negated).is_none());
        assert!(Leaks::of([(0, records[1..2].iter().collect())], false).risk().is_none());
    }
}
