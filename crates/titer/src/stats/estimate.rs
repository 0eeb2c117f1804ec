//! A mean and its 95 % interval.

use std::fmt;

use super::{ErrorSource, Support, error_source::MeanOnScale, spread::mean};

/// What an interval's spread is taken over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// Student's t over the means of seeds: the interval speaks of other seeds.
    Seeds,
    /// Student's t over items: the interval speaks of other items, not of other seeds.
    Items,
    /// Student's t with the errors of both added, where all seeds measure the same items.
    SeedsAndItems,
    /// One number, or equal ones: there is no interval.
    Single,
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Seeds => "t over seeds",
            Self::Items => "t over items",
            Self::SeedsAndItems => "t over seeds and items",
            Self::Single => "no interval",
        })
    }
}

/// A mean with its 95 % interval, in the unit of what was averaged.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Estimate {
    /// The mean of the seeds' means.
    pub mean: f64,
    /// Lower end of the interval; not a number where there is none.
    pub low: f64,
    /// Upper end of the interval; not a number where there is none.
    pub high: f64,
    /// Seeds behind it.
    pub n_seeds: usize,
    /// Items behind it: over all seeds, or counted once where seeds share them.
    pub n_items: usize,
    /// What the interval is taken over.
    pub method: Method,
    /// Where it can lie.
    pub support: Support,
    /// The error behind the interval, on the support's scale; `None` where there is no interval.
    pub source: Option<ErrorSource>,
}

impl Estimate {
    /// The mean of values that are each the only one of their seed; `None` where there are none.
    pub fn over_seeds(values: &[f64], support: Support) -> Option<Self> {
        Self::over(values, values, support, Method::Seeds, values.len(), values.len())
    }

    /// The same of values some of which may lie at an end of their support, with `within` for them as far from it as their counts say.
    pub(crate) fn over_counted_seeds(values: &[f64], within: &[f64], support: Support) -> Option<Self> {
        Self::over(values, within, support, Method::Seeds, values.len(), values.len())
    }

    /// The mean of items of one seed, or of none; `None` where there are no items.
    pub fn over_items(values: &[f64], support: Support) -> Option<Self> {
        Self::over(values, values, support, Method::Items, 1, values.len())
    }

    fn over(
        values: &[f64],
        within: &[f64],
        support: Support,
        method: Method,
        n_seeds: usize,
        n_items: usize,
    ) -> Option<Self> {
        let alone = Self::alone(mean(values), support, n_seeds, n_items);
        let on_scale = MeanOnScale::of_counted(values, within, support);
        (!values.is_empty())
            .then(|| on_scale.map_or(alone, |MeanOnScale { centres, source }| alone.around(centres, source, method)))
    }

    /// From the items of each seed, `[seeds][items]`, and the same `within` their support. Seeds count equally, however many items they have, because a
    /// seed owns its base model, its data and its items. Seeds without items do not count; `None` where no seed has any.
    pub(crate) fn of_seeds(seeds: &[Vec<f64>], within: &[Vec<f64>], support: Support) -> Option<Self> {
        let kept =
            |seeds: &[Vec<f64>]| -> Vec<Vec<f64>> { seeds.iter().filter(|items| !items.is_empty()).cloned().collect() };
        let (seeds, within) = (kept(seeds), kept(within));
        match (seeds.as_slice(), within.as_slice()) {
            ([items], [within]) => Self::over(items, within, support, Method::Items, 1, items.len()),
            _ => {
                let [means, within] = [&seeds, &within].map(|seeds| seeds.iter().map(|items| mean(items)).collect());
                let means: Vec<f64> = means;
                let n_items = seeds.iter().map(Vec::len).sum();
                Self::over(&means, &within, support, Method::Seeds, means.len(), n_items)
            }
        }
    }

    /// From the means of seeds and the means of the items that all of them measure, each with the same `within` their support: other seeds and other items
    /// would both give other numbers. Seeds that agree to the last bit are one model, measured again. `None` where there are no numbers.
    pub(crate) fn of_seeds_and_items(
        [seeds, seeds_within]: [&[f64]; 2],
        [items, items_within]: [&[f64]; 2],
        support: Support,
    ) -> Option<Self> {
        let over_items = Self::over(items, items_within, support, Method::Items, 1, items.len())?;
        let estimate = Self { mean: mean(seeds), n_seeds: seeds.len(), ..over_items };
        Some(match MeanOnScale::of_counted(seeds, seeds_within, support) {
            None => estimate,
            Some(MeanOnScale { source, centres }) if estimate.source.is_none() => {
                estimate.around(centres, source, Method::Seeds)
            }
            Some(MeanOnScale { source, .. }) => estimate.also_over(source),
        })
    }

    /// A number without an interval.
    pub fn alone(mean: f64, support: Support, n_seeds: usize, n_items: usize) -> Self {
        let none = f64::NAN;
        Self { mean, low: none, high: none, n_seeds, n_items, method: Method::Single, support, source: None }
    }

    /// The same with the interval from the lower of two centres less the error to the higher one and the error, on the support's scale.
    pub fn around(self, [lower, higher]: [f64; 2], source: ErrorSource, method: Method) -> Self {
        let spread = source.half_width();
        let [low, high] = [lower - spread, higher + spread].map(|end| self.support.from_scale(end));
        Self { low, high, method, source: Some(source), ..self }
    }

    /// The same with the error over items added to that over seeds, or alone where the seeds have none.
    pub(crate) fn and_over_items(self, items: Option<ErrorSource>) -> Self {
        match (items, self.source) {
            (None, _) => self,
            (Some(items), None) => self.around([self.support.to_scale(self.mean); 2], items, Method::Items),
            (Some(items), Some(_)) => self.also_over(items),
        }
    }

    /// The same with the error of another source added to that of its interval.
    fn also_over(self, other: ErrorSource) -> Self {
        let Some(source) = self.source else { return self };
        let spread = source.half_width();
        let [low, high] = [self.low, self.high].map(|end| self.support.to_scale(end));
        self.around([low + spread, high - spread], source.and(other), Method::SeedsAndItems)
    }

    /// The ends of its interval as one of `count` intervals that all hold together in 95 %; `None` where it has none.
    pub(crate) fn ends_among(&self, count: usize) -> Option<[f64; 2]> {
        let source = self.source?;
        let wider = source.half_width_among(count) - source.half_width();
        let end = |end: f64, by: f64| self.support.from_scale(self.support.to_scale(end) + by);
        Some([end(self.low, -wider), end(self.high, wider)])
    }

    /// Whether there is an interval at all.
    pub fn has_interval(&self) -> bool {
        self.source.is_some()
    }

    /// Half the width of the interval; not a number where there is none.
    pub fn half_width(&self) -> f64 {
        (self.high - self.low) / 2.0
    }

    /// How likely a number this far above `bound` would be if the truth lay at the bound: below .025 exactly where the whole interval is above
    /// it. `None` where there is no interval.
    pub fn p_above(&self, bound: f64) -> Option<f64> {
        let at = |end: f64| self.support.to_scale(end);
        self.source.map(|source| source.tail(at(self.low) - at(bound)))
    }

    /// The same for a number below `bound`.
    pub(crate) fn p_below(&self, bound: f64) -> Option<f64> {
        let at = |end: f64| self.support.to_scale(end);
        self.source.map(|source| source.tail(at(bound) - at(self.high)))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn close(left: f64, right: f64) {
        assert!((left - right).abs() < 1e-6 * right.abs().max(1.0), "{left} is not {right}");
    }

    fn of(seeds: &[&[f64]]) -> Option<Estimate> {
        let seeds: Vec<Vec<f64>> = seeds.iter().map(|items| items.to_vec()).collect();
        Estimate::of_seeds(&seeds, &seeds, Support::Line)
    }

    #[test]
    fn an_interval_among_others_is_as_wide_as_all_of_them_need() {
        let estimate = of(&[&[1.0], &[2.0], &[3.0]]).unwrap();
        let [low, high] = estimate.ends_among(1).unwrap();
        close(low, estimate.low);
        close(high, estimate.high);
        // t with 2 degrees of freedom above which .0025 lie: 14.089.
        close(estimate.ends_among(10).unwrap()[1], 2.0 + 14.089_046 / 3f64.sqrt());
        assert_eq!(of(&[&[1.0]]).unwrap().ends_among(2), None);
    }

    #[test]
    fn seeds_count_equally_and_own_the_interval() {
        let estimate = of(&[&[1.0, 1.0, 1.0, 1.0], &[2.0], &[3.0, 3.0]]).unwrap();
        close(estimate.mean, 2.0);
        close(estimate.high, 2.0 + 4.302_652_73 / 3f64.sqrt());
        close(estimate.low, 2.0 - 4.302_652_73 / 3f64.sqrt());
        assert_eq!((estimate.n_seeds, estimate.n_items, estimate.method), (3, 7, Method::Seeds));
    }

    #[test]
    fn one_seed_falls_back_to_items_and_one_item_to_nothing() {
        let estimate = of(&[&[0.0, 2.0], &[]]).unwrap();
        close(estimate.high, 1.0 + 12.706_204_7);
        assert_eq!((estimate.n_seeds, estimate.method), (1, Method::Items));
        let estimate = of(&[&[0.5]]).unwrap();
        assert!(!estimate.has_interval() && estimate.low.is_nan());
        assert_eq!(of(&[&[]]), None);
    }

    #[test]
    fn rates_and_differences_stay_where_they_can_be_and_hold_their_mean() {
        let rates = Estimate::over_seeds(&[0.9, 0.999], Support::Rate).unwrap();
        assert!(rates.low > 0.0 && rates.high < 1.0 && rates.low < rates.mean && rates.mean < rates.high, "{rates:?}");
        let differences = Estimate::over_seeds(&[0.7, 0.94], Support::Signed).unwrap();
        assert!(differences.low > -1.0 && differences.high < 1.0 && differences.mean < differences.high);
    }

    #[test]
    fn items_that_seeds_share_are_counted_once_and_own_their_part_of_the_error() {
        // Items differ by hundreds, seeds hardly: the interval speaks of other items.
        let (seeds, items) = ([357.0, 357.01], [900.0, -400.0, 700.0, 228.02]);
        let found = Estimate::of_seeds_and_items([&seeds; 2], [&items; 2], Support::Line).unwrap();
        assert!(found.half_width() > 500.0 && found.n_items == 4 && found.method == Method::SeedsAndItems, "{found:?}");
        // The same model measured twice.
        let untrained = Estimate::of_seeds_and_items([&[357.0, 357.0]; 2], [&items; 2], Support::Line).unwrap();
        assert_eq!(untrained.method, Method::Items);
        close(untrained.half_width(), Estimate::over_items(&items, Support::Line).unwrap().half_width());
    }

    #[test]
    fn a_bound_at_the_end_of_the_interval_has_a_p_of_a_fortieth() {
        for (values, support) in
            [([1.0, 2.0, 4.0], Support::Line), ([0.9, 0.97, 0.99], Support::Rate), ([0.2, 0.5, 0.3], Support::Signed)]
        {
            let found = Estimate::over_seeds(&values, support).unwrap();
            close(found.p_above(found.low).unwrap(), 0.025);
            close(found.p_below(found.high).unwrap(), 0.025);
            assert!(found.p_above(found.mean).unwrap() > 0.4);
        }
        assert_eq!(Estimate::over_seeds(&[1.0], Support::Line).unwrap().p_above(0.0), None);
    }

    #[test]
    fn a_second_source_widens_the_interval() {
        let found = Estimate::over_seeds(&[0.5, 0.6, 0.8], Support::Signed).unwrap();
        let source = found.source.unwrap();
        let wider = found.also_over(ErrorSource { error: source.error, quantile: 1.96 });
        assert!(wider.low < found.low && wider.high > found.high);
        close(wider.source.unwrap().error, source.error * 2f64.sqrt());
    }

    proptest! {
        #[test]
        fn shifting_the_items_shifts_the_interval(
            seeds in prop::collection::vec(prop::collection::vec(-5.0..5.0f64, 2..6), 1..5),
            by in -9.0..9.0f64,
        ) {
            let shifted: Vec<Vec<f64>> =
                seeds.iter().map(|items| items.iter().map(|item| item + by).collect()).collect();
            let [before, after] = [seeds, shifted].map(|seeds| Estimate::of_seeds(&seeds, &seeds, Support::Line).unwrap());
            prop_assert!((after.low - before.low - by).abs() < 1e-8);
            prop_assert!((after.high - before.high - by).abs() < 1e-8);
        }
    }
}
