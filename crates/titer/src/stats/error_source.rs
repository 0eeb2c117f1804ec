//! Where an estimate's error comes from: seeds, items, prompts, each with the spread of its values.

use super::{
    Support,
    spread::{mean, variance},
    student::{quantile, upper_quantile, upper_tail},
};

/// One source of an estimate's error.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ErrorSource {
    /// Standard error, on the scale of the estimate's support.
    pub error: f64,
    /// Standard errors in half the width of a 95 % interval: Student's t, larger than 1.96 by how few values the error is from.
    pub quantile: f64,
}

/// The standard error of the mean of some values, and where on the scale that mean may lie before any error: from the
/// lower to the higher of two ways to take it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct MeanOnScale {
    pub centres: [f64; 2],
    pub source: ErrorSource,
}

impl MeanOnScale {
    /// Of the mean of at least two values; `None` where all are equal up to rounding, since nothing then says how far others may lie.
    pub(super) fn of(values: &[f64], support: Support) -> Option<Self> {
        Self::of_counted(values, values, support)
    }

    /// The same of values that may lie at an end of their support because so few were counted: on the scale `within` stands for them, the same values
    /// as far from the ends as their counts say.
    pub(super) fn of_counted(values: &[f64], within: &[f64], support: Support) -> Option<Self> {
        if values.len() < 2 || are_equal(values) {
            return None;
        }
        let at = support.to_scale(mean(values));
        let (centre, error) = match support {
            Support::Line => (at, (variance(values) / values.len() as f64).sqrt()),
            Support::Rate => {
                let (centre, error) = mean_rate(within);
                // Where few were counted, the log-odds of none and of one lie nearer than the counts differ by chance.
                let counted = (variance(values) / values.len() as f64).sqrt() * support.slope(mean(values));
                (centre, if values == within { error } else { error.max(counted) })
            }
            Support::Signed => (at, mean_signed(values)),
        };
        let source = ErrorSource { error, quantile: quantile(values.len() as f64 - 1.0) };
        error.is_finite().then_some(Self { centres: [centre.min(at), centre.max(at)], source })
    }
}

impl ErrorSource {
    /// Of a statistic that was computed without one of its units, each in turn, on the support's scale: the jackknife's error,
    /// `√((n − 1)/n · Σ (θ₋ᵢ − mean θ₋)²)`. `None` with fewer than two, where one of them is not finite, and where all are equal
    /// up to rounding.
    pub(crate) fn jackknife(left_out: &[f64]) -> Option<Self> {
        let known = left_out.len() > 1 && left_out.iter().all(|value| value.is_finite());
        if !known || are_equal(left_out) {
            return None;
        }
        let (n, centre) = (left_out.len() as f64, mean(left_out));
        let squares: f64 = left_out.iter().map(|value| (value - centre).powi(2)).sum();
        Some(Self { error: ((n - 1.0) / n * squares).sqrt(), quantile: quantile(n - 1.0) })
    }

    /// Half the width of a 95 % interval with this error.
    pub fn half_width(self) -> f64 {
        self.quantile * self.error
    }

    /// Half the width of an interval with this error that is one of `count`, all of which hold together in 95 % (Bonferroni).
    pub(super) fn half_width_among(self, count: usize) -> f64 {
        upper_quantile(self.quantile, 0.025 / count as f64) * self.error
    }

    /// The upper tail of Student's t for a bound this far beyond the end of a 95 % interval, on the same scale.
    pub(super) fn tail(self, beyond: f64) -> f64 {
        upper_tail(self.quantile, self.quantile + beyond / self.error)
    }

    /// Both together: variances add, and so do the squares of the half-widths of the intervals (Graybill and Wang 1980). Degrees of
    /// freedom after Satterthwaite are too many where one source has two values that happen to be close.
    pub fn and(self, other: Self) -> Self {
        let error = self.error.hypot(other.error);
        Self { error, quantile: self.half_width().hypot(other.half_width()) / error }
    }
}

/// Whether values are equal, up to what the rounding of f32 or of sums leaves: a spread of that size says of a device, not of how far others may lie.
fn are_equal(values: &[f64]) -> bool {
    const ROUNDING: f64 = 1e-7;
    const NOTHING: f64 = 1e-14;
    let (low, high) =
        values.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), &value| (low.min(value), high.max(value)));
    high - low <= (ROUNDING * low.abs().max(high.abs())).max(NOTHING)
}

/// Log-odds of the mean of rates whose log-odds are normal, `x̄ / √(1 + π s² / 8)`, and its standard error. The spread `s`
/// counts twice: as noise of `x̄`, and because a wider spread moves the mean of the rates itself, which at small spreads is at most half of the change in
/// `s²` (the correction for the mean of a log-normal, Zhou and Gao 1997).
fn mean_rate(rates: &[f64]) -> (f64, f64) {
    let log_odds: Vec<f64> = rates.iter().map(|rate| Support::Rate.to_scale(*rate)).collect();
    let (n, centre, spread) = (rates.len() as f64, mean(&log_odds), variance(&log_odds));
    let shrink = 1.0 + std::f64::consts::PI / 8.0 * spread;
    let by_spread = (centre.abs() * std::f64::consts::PI / 16.0 * shrink.powf(-1.5)).min(0.5);
    let noise = spread / n / shrink;
    (centre / shrink.sqrt(), (noise + by_spread.powi(2) * 2.0 * spread * spread / (n - 1.0)).sqrt())
}

/// Standard error on the scale of artanh, with the same second term as rates have: `artanh`'s inverse bends by `−2 d`.
fn mean_signed(values: &[f64]) -> f64 {
    let (n, centre) = (values.len() as f64, mean(values));
    let spread = variance(values) * Support::Signed.slope(centre).powi(2);
    (spread / n + centre * centre * 2.0 * spread * spread / (n - 1.0)).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_values_have_no_spread_to_tell_an_error_from() {
        assert_eq!(MeanOnScale::of(&[0.5; 4], Support::Rate), None);
        assert_eq!(MeanOnScale::of(&[1.0], Support::Line), None);
        assert_eq!(ErrorSource::jackknife(&[0.3, 0.3]), None);
        // What a GPU rounds one way here and another way there is no spread.
        assert_eq!(MeanOnScale::of(&[0.5, 0.5 + 3e-9, 0.5 - 1e-9], Support::Rate), None);
        assert_eq!(MeanOnScale::of(&[3e-16, -2e-16, 0.0], Support::Line), None);
        assert!(MeanOnScale::of(&[1e-6, 2e-6], Support::Line).is_some());
        assert_eq!(ErrorSource::jackknife(&[0.3, f64::NAN, 0.1]), None);
    }

    #[test]
    fn the_jackknife_of_a_mean_is_its_standard_error() {
        let values = [1.0, 2.0, 4.0, 8.5];
        let without = |at: usize| {
            let kept: Vec<f64> = values.iter().enumerate().filter(|(other, _)| *other != at).map(|(_, v)| *v).collect();
            mean(&kept)
        };
        let found = ErrorSource::jackknife(&[0, 1, 2, 3].map(without)).unwrap();
        let wanted = MeanOnScale::of(&values, Support::Line).unwrap().source;
        assert!((found.error - wanted.error).abs() < 1e-12 && found.quantile == wanted.quantile);
    }

    #[test]
    fn sources_add_and_the_larger_one_owns_the_quantile() {
        let (seeds, items) = (ErrorSource { error: 3.0, quantile: 12.7 }, ErrorSource { error: 4.0, quantile: 2.0 });
        let both = seeds.and(items);
        assert!((both.error - 5.0).abs() < 1e-12 && (both.half_width() - 38.1f64.hypot(8.0)).abs() < 1e-9);
        let small = ErrorSource { error: 1e-9, quantile: 12.7 };
        assert!((small.and(items).quantile - 2.0).abs() < 1e-9);
    }

    #[test]
    fn saturated_rates_are_not_certain() {
        // Margins of hundreds of nats: every rate is 0 or 1, and one in ten is the other way.
        let rates: Vec<f64> = (0..10).map(|at| logistic_of(if at == 0 { -300.0 } else { 200.0 })).collect();
        let found = MeanOnScale::of(&rates, Support::Rate).unwrap();
        assert!(found.source.error > 0.5, "{found:?}");
    }

    #[test]
    fn a_count_of_none_is_as_far_from_nothing_as_it_was_counted_from() {
        // 0, 1, 2, 1 and 2 replies of 200.
        let counts = [0.0, 1.0, 2.0, 1.0, 2.0];
        let (values, within) = (counts.map(|count| count / 200.0), counts.map(|count| (count + 0.5) / 201.0));
        let found = MeanOnScale::of_counted(&values, &within, Support::Rate).unwrap();
        let high = logistic_of(found.centres[1] + found.source.half_width());
        assert!(high < 0.03 && high > 0.006, "{found:?} {high}");
        // All but so many: the mirror image.
        let [rest, rest_within] = [values, within].map(|rates| rates.map(|rate| 1.0 - rate));
        let mirrored = MeanOnScale::of_counted(&rest, &rest_within, Support::Rate).unwrap();
        assert!((mirrored.centres[0] + found.centres[1]).abs() < 1e-9, "{mirrored:?} {found:?}");
        assert!((mirrored.source.error - found.source.error).abs() < 1e-9, "{mirrored:?} {found:?}");
    }

    fn logistic_of(x: f64) -> f64 {
        crate::stats::logistic(x)
    }
}
