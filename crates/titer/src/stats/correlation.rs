//! Correlations over points that come in clusters, with intervals that know it.

use std::collections::BTreeSet;

use super::{ErrorSource, Estimate, Method, Support, error_source::MeanOnScale, pearson, spearman, spread::mean};

/// Which correlation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Correlation {
    /// Of ranks.
    Spearman,
    /// Of values.
    Pearson,
}

/// A point of a correlation: the unit that it belongs to, such as an arm, and its two numbers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CorrelationPoint {
    /// The unit, the same in every seed.
    pub unit: usize,
    /// One number.
    pub x: f64,
    /// The other.
    pub y: f64,
}

/// The points of one seed.
type SeedPoints = Vec<CorrelationPoint>;

impl Correlation {
    /// The correlation; not a number where either side is constant.
    pub fn of(self, x: &[f64], y: &[f64]) -> f64 {
        match self {
            Self::Spearman => spearman(x, y),
            Self::Pearson => pearson(x, y),
        }
    }

    fn of_points<'a>(self, points: impl Iterator<Item = &'a CorrelationPoint>) -> f64 {
        let (x, y): (Vec<f64>, Vec<f64>) = points.map(|point| (point.x, point.y)).unzip();
        self.of(&x, &y)
    }

    /// The correlation of all points together, with an interval over seeds on the scale of artanh: the standard error is the
    /// jackknife's, which leaves out a seed at a time, and the interval reaches from the lower to the higher of the value and of
    /// the one that the jackknife corrects for bias. `None` where there is no correlation. No interval with fewer than three
    /// seeds, because leaving one of two out says only how these two differ.
    pub fn pooled(self, seeds: &[SeedPoints]) -> Option<Estimate> {
        let seeds: Vec<&SeedPoints> = seeds.iter().filter(|points| !points.is_empty()).collect();
        let value = |without: Option<usize>| {
            let kept = seeds.iter().enumerate().filter(|(at, _)| Some(*at) != without);
            self.of_points(kept.flat_map(|(_, points)| points.iter()))
        };
        let all = Some(value(None)).filter(|all| all.is_finite())?;
        let alone = Estimate::alone(all, Support::Signed, seeds.len(), seeds.iter().map(|points| points.len()).sum());
        if seeds.len() < 3 {
            return Some(alone);
        }
        let left_out: Vec<f64> = (0..seeds.len()).map(|seed| value(Some(seed))).collect();
        let places = Support::Signed.places_around(all, &left_out);
        let Some(source) = ErrorSource::jackknife(&places) else { return Some(alone) };
        let (count, all) = (seeds.len() as f64, Support::Signed.to_scale(all));
        let corrected = count * all - (count - 1.0) * mean(&places);
        Some(alone.around([all.min(corrected), all.max(corrected)], source, Method::Seeds))
    }

    /// The mean over seeds of the correlation within each, with an interval over seeds on the scale of artanh. Seeds whose points have no correlation
    /// do not count; `None` where none has one. Equal rank correlations are as uncertain as if one seed had the next possible value.
    pub fn within_seeds(self, seeds: &[SeedPoints]) -> Option<Estimate> {
        let correlations: Vec<(f64, f64)> = seeds
            .iter()
            .map(|points| (self.of_points(points.iter()), self.step(points.len())))
            .filter(|(value, _)| value.is_finite())
            .collect();
        let values: Vec<f64> = correlations.iter().map(|(value, _)| *value).collect();
        let mean_value = Some(mean(&values)).filter(|_| !values.is_empty())?;
        let mut apart = values.clone();
        if apart.iter().all(|value| *value == apart[0]) {
            apart[0] -= correlations[0].1.copysign(apart[0]);
        }
        let alone = Estimate::alone(mean_value, Support::Signed, values.len(), seeds.iter().map(Vec::len).sum());
        Some(MeanOnScale::of(&apart, Support::Line).map_or(alone, |MeanOnScale { centres: [centre, _], source }| {
            let error = source.error * Support::Signed.slope(centre);
            let estimate =
                alone.around([Support::Signed.to_scale(centre); 2], ErrorSource { error, ..source }, Method::Seeds);
            // Where all are 1, nothing lies above.
            Estimate { low: estimate.low.min(mean_value), high: estimate.high.max(mean_value), ..estimate }
        }))
    }

    /// How far the next possible value is for so many points without ties: two neighbours in the ranks change places. 0 for values, which have no steps.
    fn step(self, points: usize) -> f64 {
        let n = points as f64;
        if self == Self::Spearman { 12.0 / (n * (n * n - 1.0)) } else { 0.0 }
    }

    /// The same where the units are a sample too, such as prompts: the error of leaving out a unit in all seeds is added.
    pub fn within_seeds_over_units(self, seeds: &[SeedPoints]) -> Option<Estimate> {
        let estimate = self.within_seeds(seeds)?;
        let units: BTreeSet<usize> = seeds.iter().flatten().map(|point| point.unit).collect();
        let without = |unit: &usize| {
            let kept = |points: &SeedPoints| points.iter().filter(|point| point.unit != *unit).copied().collect();
            let rest = self.within_seeds(&seeds.iter().map(kept).collect::<Vec<SeedPoints>>());
            rest.map_or(f64::NAN, |rest| rest.mean)
        };
        let left_out: Vec<f64> = units.iter().map(without).collect();
        let source = ErrorSource::jackknife(&Support::Signed.places_around(estimate.mean, &left_out));
        Some(estimate.and_over_items(source))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn points(points: &[(f64, f64)]) -> SeedPoints {
        points.iter().enumerate().map(|(unit, &(x, y))| CorrelationPoint { unit, x, y }).collect()
    }

    #[test]
    fn what_has_no_correlation_or_no_interval_says_so() {
        assert_eq!(Correlation::Pearson.pooled(&[points(&[(1.0, 2.0), (1.0, 3.0)])]), None);
        let seed = points(&[(1.0, 2.0), (2.0, 3.0), (3.0, 1.0)]);
        let one = Correlation::Pearson.pooled(std::slice::from_ref(&seed)).unwrap();
        assert!((one.mean + 0.5).abs() < 1e-9 && !one.has_interval());
        // Two seeds: an interval would be as wide as these two happen to differ.
        let other = points(&[(1.0, 2.0), (2.0, 2.5), (3.0, 1.0)]);
        let two = Correlation::Pearson.pooled(&[seed.clone(), other]).unwrap();
        assert!(!two.has_interval() && two.method == Method::Single);
        let equal = Correlation::Pearson.pooled(&vec![seed; 3]).unwrap();
        assert!(!equal.has_interval(), "equal seeds say nothing about others: {equal:?}");
    }

    #[test]
    fn equal_rank_correlations_are_not_certain() {
        let seed = points(&[(1.0, 1.0), (2.0, 2.0), (3.0, 3.0), (4.0, 4.0)]);
        let found = Correlation::Spearman.within_seeds(&vec![seed.clone(); 5]).unwrap();
        assert!(found.mean == 1.0 && found.high == 1.0 && found.low < 0.9 && found.low > 0.4, "{found:?}");
        assert!(!Correlation::Pearson.within_seeds(&vec![seed; 5]).unwrap().has_interval());
    }

    #[test]
    fn one_pair_that_is_swapped_does_not_take_all_that_is_known() {
        let ranks = |swaps: usize| {
            let mut y: Vec<f64> = (0..10).map(f64::from).collect();
            (0..swaps).for_each(|at| y.swap(3 * at, 3 * at + 1));
            points(&y.iter().enumerate().map(|(x, y)| (x as f64, *y)).collect::<Vec<_>>())
        };
        // Without one of the two that are swapped all correlations are 1.
        let over_units = |swaps: [usize; 4]| Correlation::Spearman.within_seeds_over_units(&swaps.map(ranks)).unwrap();
        let lows = [[0; 4], [1, 0, 0, 0], [1, 1, 0, 0], [1, 1, 1, 1], [2, 2, 2, 1]].map(|swaps| over_units(swaps).low);
        assert!(lows.iter().all(|low| *low > 0.4), "{lows:?}");
        let pooled = |swaps: [usize; 5]| Correlation::Spearman.pooled(&swaps.map(ranks)).unwrap().low;
        let lows = [[1, 0, 0, 0, 0], [3, 0, 0, 0, 0], [1, 1, 1, 0, 0]].map(pooled);
        assert!(lows.iter().all(|low| *low > 0.4), "{lows:?}");
    }

    #[test]
    fn few_units_make_the_interval_wider_than_seeds_do() {
        let seed = |shift: f64| points(&[(1.0, 1.0 + shift), (2.0, 2.5), (3.0, 2.0), (4.0, 4.0 - shift), (5.0, 1.4)]);
        let seeds = [seed(0.0), seed(0.1), seed(0.7), seed(1.2)];
        let [alone, both] =
            [Correlation::Spearman.within_seeds(&seeds), Correlation::Spearman.within_seeds_over_units(&seeds)]
                .map(Option::unwrap);
        assert!(both.mean == alone.mean && both.low < alone.low && both.high > alone.high);
    }
}
