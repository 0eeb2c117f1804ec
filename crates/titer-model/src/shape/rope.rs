//! The angles of rotary positions: `position · frequency`, the frequencies as a model stretches them.

use crate::real::Real;

/// How rotary frequencies are stretched for contexts longer than those of pretraining.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum RopeScaling {
    /// Not at all.
    #[default]
    Plain,
    /// All divided by the factor (arXiv 2306.15595).
    Linear {
        /// The divisor.
        factor: f64,
    },
    /// As in Llama 3.1: frequencies with fewer than `low` turns in `original` tokens are divided by the factor, those
    /// with more than `high` turns are left alone, and in between the two are mixed in proportion.
    Llama3 {
        /// The divisor.
        factor: f64,
        /// Turns up to which frequencies are divided.
        low: f64,
        /// Turns from which they are left alone.
        high: f64,
        /// Tokens of the context in pretraining.
        original: f64,
    },
}

impl RopeScaling {
    /// What becomes of a frequency, in radians per token.
    pub fn apply(self, frequency: f64) -> f64 {
        match self {
            Self::Plain => frequency,
            Self::Linear { factor } => frequency / factor,
            Self::Llama3 { factor, low, high, original } => {
                let turns = original * frequency / std::f64::consts::TAU;
                let kept = ((turns - low) / (high - low)).clamp(0.0, 1.0);
                (1.0 - kept) * frequency / factor + kept * frequency
            }
        }
    }
}

/// `[positions, width/2 cosines then width/2 sines]` of the rotary angles `position · frequency`, the frequencies
/// `theta^(−2i/width)` scaled.
pub(crate) fn rope_table<T: Real>(positions: usize, width: usize, theta: f64, scaling: RopeScaling) -> Vec<T> {
    let frequency = |at| scaling.apply(theta.powf(-2.0 * at as f64 / width as f64));
    let frequencies: Vec<f64> = (0..width / 2).map(frequency).collect();
    let mut table = Vec::with_capacity(positions * width);
    for position in 0..positions {
        let angles = || frequencies.iter().map(|frequency| position as f64 * frequency);
        table.extend(angles().map(|angle| T::of(angle.cos())));
        table.extend(angles().map(|angle| T::of(angle.sin())));
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frequencies_stretch_by_their_turns() {
        let scaling = RopeScaling::Llama3 { factor: 8.0, low: 1.0, high: 4.0, original: 100.0 };
        let frequency = |turns: f64| turns * std::f64::consts::TAU / 100.0;
        let kept = |turns: f64| scaling.apply(frequency(turns)) / frequency(turns);
        assert!((kept(0.5) - 0.125).abs() < 1e-12);
        assert!((kept(2.5) - 0.5 * 1.125).abs() < 1e-12);
        assert!((kept(5.0) - 1.0).abs() < 1e-12);
        assert_eq!(RopeScaling::Plain.apply(0.3), 0.3);
        assert_eq!(RopeScaling::Linear { factor: 4.0 }.apply(2.0), 0.5);
    }
}
