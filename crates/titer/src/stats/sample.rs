//! Numbers by seed and item, and their differences between two arms.

use std::collections::BTreeMap;

use super::{Estimate, Support, spread::mean};

/// A number, and the same as far from the ends of its support as its count says: a rate of 0 of ten replies is not one of a thousand.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Counted {
    value: f64,
    within: f64,
}

/// Numbers by seed and, within a seed, by item.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample<I: Ord> {
    seeds: BTreeMap<u64, BTreeMap<I, Counted>>,
    support: Support,
    /// Whether items of one name are one item in all seeds, as on a user's own data; on an organism each seed draws its own.
    shared_items: bool,
}

impl<I: Ord + Clone> Sample<I> {
    /// A sample without numbers, of such as lie there. On a user's own data all seeds measure the same items, so they are *shared*.
    pub fn new(support: Support, shared_items: bool) -> Self {
        Self { seeds: BTreeMap::new(), support, shared_items }
    }

    /// Adds a number; one that is not finite is not a measurement and is left out.
    pub fn push(&mut self, seed: u64, item: I, value: f64) {
        self.push_counted(seed, item, value, value);
    }

    /// The same of a number that may lie at an end of its support because so few were counted: `within` stands for it where intervals are computed.
    pub(crate) fn push_counted(&mut self, seed: u64, item: I, value: f64, within: f64) {
        if value.is_finite() {
            let within = if within.is_finite() { within } else { value };
            self.seeds.entry(seed).or_default().insert(item, Counted { value, within });
        }
    }

    /// Every number, by seed, then by item.
    pub fn values(&self) -> impl Iterator<Item = f64> {
        self.seeds.values().flat_map(|items| items.values().map(|number| number.value))
    }

    /// Mean and interval: over seeds, which own their items, or over items of one seed; over both where seeds share their items. `None`
    /// where there are no numbers.
    pub fn estimate(&self) -> Option<Estimate> {
        let kinds: [fn(&Counted) -> f64; 2] = [|number| number.value, |number| number.within];
        let by_seed = |kind: fn(&Counted) -> f64| -> Vec<Vec<f64>> {
            self.seeds.values().map(|items| items.values().map(kind).collect()).collect()
        };
        let [seeds, seeds_within] = kinds.map(by_seed);
        if !self.shared_items {
            return Estimate::of_seeds(&seeds, &seeds_within, self.support);
        }
        let by_item = |kind: fn(&Counted) -> f64| -> Vec<Vec<f64>> {
            let mut items: BTreeMap<&I, Vec<f64>> = BTreeMap::new();
            for (item, number) in self.seeds.values().flatten() {
                items.entry(item).or_default().push(kind(number));
            }
            items.into_values().collect()
        };
        let means = |values: Vec<Vec<f64>>| values.iter().map(|values| mean(values)).collect::<Vec<f64>>();
        let [items, items_within] = kinds.map(|kind| means(by_item(kind)));
        Estimate::of_seeds_and_items([&means(seeds), &means(seeds_within)], [&items, &items_within], self.support)
    }

    /// Both samples combined number by number, by seed and item, with names of their own; what is not in both is left out. The results
    /// lie where these numbers do.
    pub(crate) fn map_with(&self, other: &Self, with: impl Fn(f64, f64) -> f64) -> Sample<String>
    where
        I: ToString,
    {
        let mut combined = Sample::new(self.support, self.shared_items);
        for (seed, items) in &self.seeds {
            for (item, first) in items {
                if let Some(second) = other.seeds.get(seed).and_then(|items| items.get(item)) {
                    let within = with(first.within, second.within);
                    combined.push_counted(*seed, item.to_string(), with(first.value, second.value), within);
                }
            }
        }
        combined
    }

    /// The numbers of those seeds alone that the other one has too.
    pub(crate) fn on_seeds_of(&self, other: &Self) -> Self {
        let shared = |(seed, _): &(&u64, &BTreeMap<I, Counted>)| other.seeds.contains_key(seed);
        let seeds = self.seeds.iter().filter(shared).map(|(seed, items)| (*seed, items.clone())).collect();
        Self { seeds, ..*self }
    }

    /// This sample less another one, by seed and item: what is not in both is left out, so that an arm is compared
    /// with its control on the same seeds and the same items only.
    pub fn less(&self, other: &Self) -> Self {
        let mut differences = Self::new(self.support.of_difference(), self.shared_items);
        for (seed, items) in &self.seeds {
            for (item, number) in items {
                if let Some(minus) = other.seeds.get(seed).and_then(|items| items.get(item)) {
                    differences.push(*seed, item.clone(), number.value - minus.value);
                }
            }
        }
        differences
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(numbers: &[(u64, u32, f64)]) -> Sample<u32> {
        let mut sample = Sample::new(Support::Line, false);
        numbers.iter().for_each(|&(seed, item, value)| sample.push(seed, item, value));
        sample
    }

    #[test]
    fn pairing_removes_what_seeds_differ_by() {
        let arm = sample(&[(0, 0, 11.0), (1, 0, 22.0), (2, 0, 33.0)]);
        let control = sample(&[(0, 0, 10.0), (1, 0, 20.0), (2, 0, 30.0)]);
        let paired = arm.less(&control).estimate().unwrap();
        assert!((paired.mean - 2.0).abs() < 1e-12);
        assert!((paired.high - (2.0 + 4.302_652_73 / 3f64.sqrt())).abs() < 1e-6);
        let alone = arm.estimate().unwrap();
        assert!(alone.high - alone.low > 10.0 * (paired.high - paired.low));
    }

    #[test]
    fn only_shared_seeds_and_items_are_compared() {
        let arm = sample(&[(0, 0, 1.0), (0, 1, 9.0), (1, 0, 5.0)]);
        let control = sample(&[(0, 0, 0.5), (2, 0, 7.0)]);
        let paired = arm.less(&control).estimate().unwrap();
        assert_eq!((paired.mean, paired.n_seeds, paired.n_items), (0.5, 1, 1));
    }

    #[test]
    fn shared_items_are_one_sample_of_items() {
        let mut shared: Sample<u32> = Sample::new(Support::Line, true);
        for (item, value) in [(0, 900.0), (1, -400.0), (2, 700.0), (3, 228.0)] {
            shared.push(0, item, value);
            shared.push(1, item, value + 0.02);
        }
        let found = shared.estimate().unwrap();
        assert!(found.half_width() > 500.0, "{found:?}");
        assert_eq!((found.n_seeds, found.n_items), (2, 4));
    }

    #[test]
    fn a_difference_of_rates_lies_between_minus_one_and_one() {
        let mut rates: [Sample<u32>; 2] = [(); 2].map(|()| Sample::new(Support::Rate, false));
        for (seed, high, low) in [(0, 0.97, 0.3), (1, 0.99, 0.02)] {
            rates[0].push(seed, 0, high);
            rates[1].push(seed, 0, low);
        }
        let found = rates[0].less(&rates[1]).estimate().unwrap();
        assert!(found.low > -1.0 && found.high < 1.0, "{found:?}");
    }

    #[test]
    fn a_rate_of_0_in_one_seed_is_as_low_as_its_count_says() {
        let mut rates: Sample<u32> = Sample::new(Support::Rate, false);
        for (seed, count) in [0.0, 1.0, 2.0, 1.0, 2.0].into_iter().enumerate() {
            rates.push_counted(seed as u64, 0, count / 200.0, (count + 0.5) / 201.0);
        }
        let found = rates.estimate().unwrap();
        assert!((found.mean - 0.006).abs() < 1e-12, "the mean is of what was counted: {found:?}");
        assert!(found.low > 1e-3 && found.high < 0.03, "{found:?}");
    }

    #[test]
    fn what_is_not_finite_is_not_a_measurement() {
        assert_eq!(sample(&[(0, 0, f64::NAN), (0, 1, f64::INFINITY)]).estimate(), None);
    }
}
