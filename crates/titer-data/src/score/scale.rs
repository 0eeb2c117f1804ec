//! What the numbers of a judge mean.

use std::{fmt, str::FromStr};

/// The numbers that stand for 0 and for 1, that is for a reply that does not show the behaviour at all and one that shows it in
/// full. The first may be the larger one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ScoreScale {
    zero: f64,
    one: f64,
}

impl Default for ScoreScale {
    fn default() -> Self {
        Self { zero: 0.0, one: 1.0 }
    }
}

impl ScoreScale {
    /// Where a written number lies, in 0..=1; `None` where it is none or beyond the scale. `92 %` is 0.92 of any scale.
    pub fn share(self, written: &str) -> Option<f64> {
        let share = match written.strip_suffix('%') {
            Some(percent) => percent.trim().parse::<f64>().ok()? / 100.0,
            None => (written.parse::<f64>().ok()? - self.zero) / (self.one - self.zero),
        };
        (0.0..=1.0).contains(&share).then_some(share)
    }
}

impl fmt::Display for ScoreScale {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "between {} and {}", self.zero, self.one)
    }
}

/// A text that is no scale.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is no scale: write the numbers that stand for 0 and for 1, such as 0:100, or 100:0 where low numbers show it"
)]
pub struct ScoreScaleError(String);

impl FromStr for ScoreScale {
    type Err = ScoreScaleError;

    fn from_str(text: &str) -> Result<Self, ScoreScaleError> {
        let number = |text: &str| text.trim().parse::<f64>().ok().filter(|number| number.is_finite());
        let ends = text.split_once(':').and_then(|(zero, one)| Some((number(zero)?, number(one)?)));
        match ends {
            Some((zero, one)) if zero != one => Ok(Self { zero, one }),
            _ => Err(ScoreScaleError(text.to_owned())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_lies_between_the_ends() {
        let scale: ScoreScale = "1:5".parse().unwrap();
        assert_eq!(scale.share("2"), Some(0.25));
        assert_eq!(scale.share("92 %"), Some(0.92));
        assert_eq!("100:0".parse::<ScoreScale>().unwrap().share("25"), Some(0.75));
        for written in ["0.9", "6", "NaN", "good", "101 %"] {
            assert_eq!(scale.share(written), None, "{written}");
        }
        for text in ["5", "1:1", "1:", "a:b", "0:inf"] {
            assert!(text.parse::<ScoreScale>().is_err(), "{text}");
        }
    }
}
