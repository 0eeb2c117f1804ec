//! Where a value should lie, and whether it does.

use std::fmt;

use crate::stats::Estimate;

/// Where a value should lie.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Bound {
    /// `> x` or `>= x`
    Above(f64),
    /// `< x` or `<= x`
    Below(f64),
    /// `within d of x`
    Within {
        /// How far it may be.
        distance: f64,
        /// From what.
        centre: f64,
    },
}

/// What the runs say about a claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// The whole interval is where it should be.
    Holds,
    /// The whole interval is where it should not be.
    DoesNotHold,
    /// The interval is on both sides, or there is none.
    Undecided,
    /// No run has the quantities.
    NotMeasured,
}

impl Bound {
    /// Reads `> 0`, `< 0.1` or `within 0.2 of 2`; the error says what is wrong. Equality decides nothing about an interval, so
    /// `>=` is `>`.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let words: Vec<&str> = text.split_whitespace().collect();
        let number = |word: &str| word.replace('−', "-").parse::<f64>().ok().filter(|number| number.is_finite());
        let bound = match words.as_slice() {
            [">" | ">=" | "≥", bound] => number(bound).map(Self::Above),
            ["<" | "<=" | "≤", bound] => number(bound).map(Self::Below),
            ["within", distance, "of", centre] => number(distance)
                .filter(|distance| *distance > 0.0)
                .zip(number(centre))
                .map(|(distance, centre)| Self::Within { distance, centre }),
            _ => None,
        };
        bound.ok_or_else(|| format!("`{text}` is no bound"))
    }

    /// The verdict on a value, by its whole interval.
    pub fn judge(self, value: &Estimate) -> Verdict {
        let (inside, outside) = match self {
            Self::Above(bound) => (value.low > bound, value.high <= bound),
            Self::Below(bound) => (value.high < bound, value.low >= bound),
            Self::Within { distance, centre } => {
                let (low, high) = (centre - distance, centre + distance);
                (value.low > low && value.high < high, value.high <= low || value.low >= high)
            }
        };
        match (inside, outside) {
            (true, _) => Verdict::Holds,
            (_, true) => Verdict::DoesNotHold,
            _ => Verdict::Undecided,
        }
    }
}

impl Bound {
    /// How likely a value this far inside would be if the truth lay at the bound: below .025 exactly where the claim holds. `None`
    /// where there is no interval.
    pub(crate) fn p_value(self, value: &Estimate) -> Option<f64> {
        match self {
            Self::Above(bound) => value.p_above(bound),
            Self::Below(bound) => value.p_below(bound),
            Self::Within { distance, centre } => {
                Some(value.p_above(centre - distance)?.max(value.p_below(centre + distance)?))
            }
        }
    }
}

impl Verdict {
    /// Every verdict, in the order in which they are counted.
    pub const ALL: [Self; 4] = [Self::Holds, Self::DoesNotHold, Self::Undecided, Self::NotMeasured];
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Holds => "holds",
            Self::DoesNotHold => "does not hold",
            Self::Undecided => "undecided",
            Self::NotMeasured => "not measured",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::Support;

    fn judged(bound: &str, low: f64, high: f64) -> Verdict {
        let alone = Estimate::alone(f64::midpoint(low, high), Support::Line, 3, 3);
        Bound::parse(bound).unwrap().judge(&Estimate { low, high, ..alone })
    }

    #[test]
    fn a_verdict_needs_the_whole_interval() {
        use Verdict::{DoesNotHold, Holds, Undecided};
        let above = |low, high| judged("> 0", low, high);
        assert_eq!([above(0.1, 2.0), above(-2.0, -0.1), above(-0.1, 2.0)], [Holds, DoesNotHold, Undecided]);
        let below = |low, high| judged("< 0.1", low, high);
        assert_eq!([below(0.01, 0.09), below(0.2, 0.3), below(0.0, 0.2)], [Holds, DoesNotHold, Undecided]);
        let within = |low, high| judged("within 0.2 of 2", low, high);
        assert_eq!([within(1.9, 2.1), within(2.3, 2.4), within(0.0, 1.7)], [Holds, DoesNotHold, DoesNotHold]);
        assert_eq!([within(1.9, 2.3), above(f64::NAN, f64::NAN)], [Undecided; 2]);
    }

    #[test]
    fn a_claim_holds_exactly_where_its_p_is_below_a_fortieth() {
        let value = Estimate::over_seeds(&[0.2, 0.5, 0.4], Support::Rate).unwrap();
        for bound in ["> 0.1", "> 0.15", "> 0.3", "< 0.9", "< 0.55", "within 0.3 of 0.4", "within 0.05 of 0.4"] {
            let bound = Bound::parse(bound).unwrap();
            let holds = bound.judge(&value) == Verdict::Holds;
            assert_eq!(bound.p_value(&value).unwrap() < 0.025, holds, "{bound:?} {value:?}");
        }
        assert_eq!(Bound::Above(0.0).p_value(&Estimate::alone(1.0, Support::Line, 1, 1)), None);
    }

    #[test]
    fn bounds_are_read_with_their_words() {
        assert_eq!(Bound::parse("≥ −2"), Ok(Bound::Above(-2.0)));
        for wrong in ["0", "> much", "within 0 of 2", "within 1", "> inf"] {
            assert!(Bound::parse(wrong).is_err(), "{wrong}");
        }
    }
}
