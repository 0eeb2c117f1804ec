//! The angles of rotary positions: `position · frequency`, the frequencies as a model stretches them.

use std::f64::consts::TAU;

use crate::real::Real;

/// How rotary frequencies are stretched for contexts longer than those of pretraining.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum RopeScaling {
    /// Not at all.
    #[default]
    Plain,
    /// All divided by the factor (arXiv 2306.15595).
    Linear {
        /// The divisor.
        factor: f64,
    },
    /// By a base that grows with rows longer than the model's positions, of which titer computes none.
    Dynamic {
        /// How far.
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
    /// The same with the mixture in proportion to the frequency's place in the row, and queries and keys scaled (arXiv 2309.00071).
    Yarn {
        /// The divisor.
        factor: f64,
        /// Turns up to which frequencies are divided.
        low: f64,
        /// Turns from which they are left alone.
        high: f64,
        /// Tokens of the context in pretraining.
        original: f64,
        /// Whether the places of `low` and `high` are whole ones.
        truncate: bool,
        /// Factor on rotated queries and keys.
        attention: f64,
    },
    /// Each frequency divided by a number of its own (arXiv 2402.13753). Rows longer than `original` have other divisors, and titer
    /// computes none.
    LongRope {
        /// The divisors, `[width/2]`.
        short: Vec<f64>,
        /// Those of longer rows.
        long: Vec<f64>,
        /// Tokens of the context in pretraining.
        original: usize,
        /// Factor on rotated queries and keys.
        attention: f64,
    },
}

impl RopeScaling {
    /// The frequencies of a head, in radians per token, `[width/2]`: `theta^(−2i/width)`, stretched.
    pub fn frequencies(&self, theta: f64, width: usize) -> Vec<f64> {
        let plain = (0..width / 2).map(|at| theta.powf(-2.0 * at as f64 / width as f64));
        match self {
            Self::Plain | Self::Dynamic { .. } => plain.collect(),
            Self::Linear { factor } => plain.map(|frequency| frequency / factor).collect(),
            Self::Llama3 { factor, low, high, original } => {
                let stretched = |frequency: f64| {
                    let turns = original * frequency / TAU;
                    mixed(frequency, *factor, ((turns - low) / (high - low)).clamp(0.0, 1.0))
                };
                plain.map(stretched).collect()
            }
            Self::Yarn { factor, low, high, original, truncate, .. } => {
                // The place of the frequency with so many turns; the higher frequencies come first.
                let place = |turns: f64| width as f64 * (original / (turns * TAU)).ln() / (2.0 * theta.ln());
                let (first, last) = (place(*high), place(*low));
                let (first, last) = if *truncate { (first.floor(), last.ceil()) } else { (first, last) };
                let (first, last) = (first.max(0.0), last.min(width as f64 - 1.0));
                let span = if first == last { 1e-3 } else { last - first };
                let stretched = |(at, frequency): (usize, f64)| {
                    mixed(frequency, *factor, 1.0 - ((at as f64 - first) / span).clamp(0.0, 1.0))
                };
                plain.enumerate().map(stretched).collect()
            }
            Self::LongRope { short, .. } => plain.zip(short).map(|(frequency, divisor)| frequency / divisor).collect(),
        }
    }

    /// Factor on rotated queries and keys.
    pub(crate) fn attention_factor(&self) -> f64 {
        match self {
            Self::Yarn { attention, .. } | Self::LongRope { attention, .. } => *attention,
            _ => 1.0,
        }
    }

    /// The longest row that these frequencies are for; `None` where they are for all.
    pub(crate) fn reach(&self) -> Option<usize> {
        match self {
            Self::LongRope { original, .. } => Some(*original),
            _ => None,
        }
    }
}

/// A frequency of which so much is `kept`, and the rest divided.
fn mixed(frequency: f64, factor: f64, kept: f64) -> f64 {
    (1.0 - kept) * frequency / factor + kept * frequency
}

/// `[positions, width/2 cosines then width/2 sines]` of the rotary angles `position · frequency`, times the factor on what is
/// rotated.
pub(crate) fn rope_table<T: Real>(positions: usize, width: usize, theta: f64, scaling: &RopeScaling) -> Vec<T> {
    let (frequencies, factor) = (scaling.frequencies(theta, width), scaling.attention_factor());
    let mut table = Vec::with_capacity(positions * width);
    for position in 0..positions {
        let angles = || frequencies.iter().map(|frequency| position as f64 * frequency);
        table.extend(angles().map(|angle| T::of(factor * angle.cos())));
        table.extend(angles().map(|angle| T::of(factor * angle.sin())));
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frequencies_stretch_by_their_turns() {
        let scaling = RopeScaling::Llama3 { factor: 8.0, low: 1.0, high: 4.0, original: 100.0 };
        let width = 64;
        let plain = RopeScaling::Plain.frequencies(50.0, width);
        let kept = |scaling: &RopeScaling| -> Vec<(f64, f64)> {
            let stretched = scaling.frequencies(50.0, width);
            plain.iter().zip(stretched).map(|(plain, stretched)| (100.0 * plain / TAU, stretched / plain)).collect()
        };
        for (turns, kept) in kept(&scaling) {
            let wanted = if turns < 1.0 {
                0.125
            } else if turns > 4.0 {
                1.0
            } else {
                0.125 + 0.875 * (turns - 1.0) / 3.0
            };
            assert!((kept - wanted).abs() < 1e-12, "{turns} turns: {kept}");
        }
        let linear = RopeScaling::Linear { factor: 4.0 }.frequencies(50.0, width);
        assert!(linear.iter().zip(&plain).all(|(linear, plain)| *linear == plain / 4.0));
        assert_eq!(RopeScaling::Dynamic { factor: 4.0 }.frequencies(50.0, width), plain);
        let yarn = |truncate| RopeScaling::Yarn {
            factor: 8.0,
            low: 1.0,
            high: 4.0,
            original: 100.0,
            truncate,
            attention: 1.0,
        };
        let exact = kept(&yarn(false));
        assert!(exact.iter().all(|(turns, kept)| *turns < 4.0 || (kept - 1.0).abs() < 1e-12), "{exact:?}");
        assert!(exact.iter().all(|(turns, kept)| *turns > 1.0 || (kept - 0.125).abs() < 1e-12), "{exact:?}");
        assert!(exact.iter().any(|(_, kept)| *kept > 0.2 && *kept < 0.9));
        assert_ne!(exact, kept(&yarn(true)));
    }

    #[test]
    fn a_table_holds_cosines_and_sines_times_the_factor() {
        let (short, long) = (vec![2.0, 4.0], vec![9.0, 9.0]);
        let scaling = RopeScaling::LongRope { short, long, original: 8, attention: 1.5 };
        let table: Vec<f64> = rope_table(3, 4, 100.0, &scaling);
        assert_eq!(&table[..4], [1.5, 1.5, 0.0, 0.0]);
        let angles = [2.0 / 2.0, 2.0 * 0.1 / 4.0_f64];
        assert_eq!(
            &table[8..],
            angles
                .map(|angle| 1.5 * angle.cos())
                .into_iter()
                .chain(angles.map(|angle| 1.5 * angle.sin()))
                .collect::<Vec<f64>>()
        );
        assert_eq!(scaling.reach(), Some(8));
    }
}
