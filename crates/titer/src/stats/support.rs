//! Where a number can lie, and the scale on which nothing bounds it.

use super::logistic;

/// Where a number can lie. Intervals are computed on a scale without ends, so that they stay where the number can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Support {
    /// Anywhere, such as nats; the scale is the number itself.
    Line,
    /// Between 0 and 1: a rate. The scale is log-odds.
    Rate,
    /// Between −1 and 1: a difference of rates, a correlation. The scale is artanh.
    Signed,
}

impl Support {
    /// A number on the scale. What a 64-bit number cannot tell from an end of the support, at which it is coarser, is as far from it as it can tell,
    /// and so is what lies as near to the other end: 0 and 1 mirror each other. Not a number for none.
    pub(crate) fn to_scale(self, value: f64) -> f64 {
        // `f64::max` would make a number of what is none.
        let above = |rest: f64| if rest.is_nan() { rest } else { rest.max(f64::EPSILON / 2.0) };
        match self {
            Self::Line => value,
            Self::Rate => (above(value) / above(1.0 - value)).ln(),
            Self::Signed => (above(1.0 + value) / above(1.0 - value)).ln() / 2.0,
        }
    }

    /// The places on the scale of a statistic's values without a unit each, for a jackknife around `value`. What has a sign is 1 without the only unit that disagrees,
    /// which lies as far out as numbers go; so none is taken to be nearer to an end than a share `1/e` of the statistic's own distance from it.
    pub(crate) fn places_around(self, value: f64, left_out: &[f64]) -> Vec<f64> {
        let off_ends = |left: f64| match self {
            Self::Signed => {
                let [low, high] = [1.0 + value, 1.0 - value].map(|rest| rest / std::f64::consts::E);
                left.max(low - 1.0).min(1.0 - high)
            }
            Self::Line | Self::Rate => left,
        };
        left_out.iter().map(|left| if left.is_nan() { *left } else { self.to_scale(off_ends(*left)) }).collect()
    }

    /// Back from the scale.
    pub fn from_scale(self, place: f64) -> f64 {
        match self {
            Self::Line => place,
            Self::Rate => logistic(place),
            Self::Signed => place.tanh(),
        }
    }

    /// How far the scale moves for each unit of the number.
    pub fn slope(self, value: f64) -> f64 {
        match self {
            Self::Line => 1.0,
            Self::Rate => 1.0 / (value * (1.0 - value)),
            Self::Signed => 1.0 / (1.0 - value * value),
        }
    }

    /// The support of a difference of two such numbers.
    pub(crate) fn of_difference(self) -> Self {
        if self == Self::Rate { Self::Signed } else { Self::Line }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scales_go_there_and_back_and_have_the_slope_that_they_say() {
        for (support, values) in [
            (Support::Line, [-3.0, 0.5, 9.0]),
            (Support::Rate, [1e-6, 0.3, 0.999]),
            (Support::Signed, [-0.9, 0.0, 0.99]),
        ] {
            for value in values {
                let there = support.to_scale(value);
                assert!((support.from_scale(there) - value).abs() < 1e-9, "{support:?} {value}");
                let moved = support.to_scale(value + 1e-8) - there;
                assert!((moved / 1e-8 / support.slope(value) - 1.0).abs() < 1e-2, "{support:?} {value}");
            }
        }
    }

    #[test]
    fn one_unit_that_disagrees_is_not_all_that_is_known() {
        let places = Support::Signed.places_around(0.98, &[1.0, 0.999_999, 0.985, 0.5, f64::NAN]);
        let value = Support::Signed.to_scale(0.98);
        assert!((places[0] - value - 0.5).abs() < 0.01 && places[1] == places[0], "an end is no cliff: {places:?}");
        assert_eq!(places[2..4], [0.985, 0.5].map(|left| Support::Signed.to_scale(left)));
        assert!(places[4].is_nan());
        let mirrored = Support::Signed.places_around(-0.98, &[-1.0]);
        assert!((mirrored[0] + places[0]).abs() < 1e-12);
        // Nowhere else: a rate may truly be that small.
        assert_eq!(Support::Rate.places_around(0.5, &[1e-12]), [Support::Rate.to_scale(1e-12)]);
    }

    #[test]
    fn what_is_no_number_has_no_place() {
        for support in [Support::Line, Support::Rate, Support::Signed] {
            assert!(support.to_scale(f64::NAN).is_nan(), "{support:?}");
        }
    }

    #[test]
    fn ends_are_as_far_as_numbers_can_tell() {
        assert!(Support::Rate.to_scale(1.0) > 36.0 && Support::Rate.to_scale(1.0).is_finite());
        assert_eq!(Support::Rate.to_scale(0.0), -Support::Rate.to_scale(1.0));
        assert!((Support::Rate.to_scale(1e-9) + 1e9_f64.ln()).abs() < 1e-6, "a rate can truly be that small");
        assert!(Support::Signed.to_scale(-1.0).is_finite() && Support::Signed.from_scale(99.0) == 1.0);
    }
}
