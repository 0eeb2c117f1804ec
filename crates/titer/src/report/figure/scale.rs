//! Axes: from a number to a place between 0 and 1, and the ticks that explain it.

use super::room::places;

/// Share of the width before the first and after the last number of a logarithmic axis.
const MARGIN: f64 = 0.03;
/// The place of a 0 that stands apart.
const ZERO: f64 = 0.055;
/// Where a logarithmic axis begins if 0 has a place of its own before it.
const AFTER_ZERO: f64 = 0.19;

/// Letters that have room beside each other under a panel.
const ROOM: usize = 40;

/// Whether names have room beside each other on an axis, each in the middle of its slot.
pub(crate) fn names_fit(names: &[String]) -> bool {
    names.iter().map(|name| places(name) + 1).max().unwrap_or(0) * names.len() <= ROOM
}

/// One axis of a figure.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Scale {
    kind: Kind,
    /// Where the ticks are, in the unit of the axis, with their labels.
    pub ticks: Vec<(f64, String)>,
}

#[derive(Clone, Debug, PartialEq)]
enum Kind {
    Linear { low: f64, high: f64 },
    Log { zero: bool, low: f64, high: f64 },
    LogOdds { low: f64, high: f64 },
    Slots(Vec<String>),
}

impl Scale {
    /// A linear axis from 0 to 1 with ticks at the quarters.
    pub(crate) fn unit() -> Self {
        let ticks = [(0.0, "0"), (0.25, ""), (0.5, "0.5"), (0.75, ""), (1.0, "1")];
        let ticks = ticks.map(|(at, label)| (at, label.to_owned())).into();
        Self { kind: Kind::Linear { low: 0.0, high: 1.0 }, ticks }
    }

    /// An axis of rates by their log-odds, as far as these rates reach, at most from .0001 to .9999. It ends at ticks.
    pub(crate) fn log_odds(rates: impl IntoIterator<Item = f64>) -> Self {
        const TICKS: [&str; 11] =
            ["0.0001", "0.001", "0.01", "0.1", "0.25", "0.5", "0.75", "0.9", "0.99", "0.999", "0.9999"];
        let ticks = TICKS.map(|label| (label.parse::<f64>().expect("it is a number"), label));
        let rates: Vec<f64> = rates.into_iter().filter(|rate| rate.is_finite()).collect();
        let lowest = rates.iter().copied().fold(0.5, f64::min);
        let highest = rates.iter().copied().fold(0.5, f64::max);
        let low = ticks.iter().map(|(at, _)| *at).rfind(|at| *at <= lowest.min(0.1)).unwrap_or(ticks[0].0);
        let high = ticks.iter().map(|(at, _)| *at).find(|at| *at >= highest.max(0.9)).unwrap_or(ticks[10].0);
        let within = ticks.iter().filter(|(at, _)| (low..=high).contains(at));
        // The quarters are too near to one half to be named beside it.
        let named = |at: f64, label: &str| if [0.25, 0.75].contains(&at) { String::new() } else { label.to_owned() };
        let ticks = within.map(|&(at, label)| (at, named(at, label))).collect();
        Self { kind: Kind::LogOdds { low: log_odds(low), high: log_odds(high) }, ticks }
    }

    /// A linear axis that holds these numbers and ends at round ones. Numbers that are not finite are left out.
    pub(crate) fn around(numbers: impl IntoIterator<Item = f64>, label: impl Fn(f64) -> String) -> Self {
        let (mut low, mut high) = (f64::INFINITY, f64::NEG_INFINITY);
        for number in numbers.into_iter().filter(|number| number.is_finite()) {
            (low, high) = (low.min(number), high.max(number));
        }
        if low > high {
            (low, high) = (0.0, 1.0);
        }
        if high - low < 1e-9 {
            (low, high) = (low - 0.5, high + 0.5);
        }
        let step = round_step((high - low) / 5.0);
        let (first, last) = ((low / step + 1e-9).floor(), (high / step - 1e-9).ceil());
        let places: Vec<f64> = (first as i64..=last as i64).map(|tick| tick as f64 * step).collect();
        let labels: Vec<String> = places.iter().map(|at| label(*at)).collect();
        // Far from 0 and close together, so many digits as a label has may be the same on every tick.
        let decimals = (-step.log10().floor()).max(0.0) as usize;
        let fine = |at: &f64| format!("{at:.decimals$}").replace('-', "−");
        let are_apart = labels.windows(2).all(|pair| pair[0] != pair[1] || pair[0].is_empty());
        let labels = if are_apart { labels } else { places.iter().map(fine).collect() };
        let ticks = places.into_iter().zip(labels).collect();
        Self { kind: Kind::Linear { low: first * step, high: last * step }, ticks }
    }

    /// An axis for amounts: logarithmic where they span more than a factor of 20, with 0 in a place of its own.
    /// Ticks are at amounts, as many as have room, the ends first.
    pub(crate) fn amounts(numbers: &[f64], label: impl Fn(f64) -> String) -> Self {
        let positive = || numbers.iter().copied().filter(|number| *number > 0.0);
        let (low, high) = (positive().fold(f64::INFINITY, f64::min), positive().fold(0.0, f64::max));
        let negative = numbers.iter().any(|number| *number < 0.0);
        if negative || low.is_infinite() || high / low <= 20.0 {
            return Self::around(numbers.iter().copied(), label);
        }
        let kind = Kind::Log { zero: numbers.contains(&0.0), low, high };
        let mut axis = Self { kind, ticks: Vec::new() };
        let mut inner: Vec<f64> = positive().collect();
        // Powers of ten explain a logarithmic axis best, so they are asked first.
        inner.sort_by(|left, right| roundness(*left).total_cmp(&roundness(*right)).then(right.total_cmp(left)));
        let mut places: Vec<f64> = Vec::new();
        for number in [0.0, high, low].into_iter().chain(inner) {
            let (wanted, place) = (numbers.contains(&number), axis.place(number));
            if wanted && places.iter().all(|other| (other - place).abs() > 0.125) {
                places.push(place);
                axis.ticks.push((number, label(number)));
            }
        }
        let unlabelled = numbers.iter().filter(|number| axis.ticks.iter().all(|(at, _)| at != *number));
        let unlabelled: Vec<_> = unlabelled.map(|number| (*number, String::new())).collect();
        axis.ticks.extend(unlabelled);
        axis.ticks.sort_by(|left, right| left.0.total_cmp(&right.0));
        axis
    }

    /// An axis for names: the first is at 0, the next at 1. Names that have no room are numbered, from 1.
    pub(crate) fn slots(names: &[String]) -> Self {
        let fit = names_fit(names);
        let number = |at: usize| {
            if names.len() <= 12 || at == 1 || at.is_multiple_of(5) { at.to_string() } else { String::new() }
        };
        let label = |(at, name): (usize, &String)| (at as f64, if fit { name.clone() } else { number(at + 1) });
        Self { ticks: names.iter().enumerate().map(label).collect(), kind: Kind::Slots(names.to_vec()) }
    }

    /// What is at a place on an axis for names.
    pub(crate) fn name(&self, at: f64) -> Option<&str> {
        match &self.kind {
            Kind::Slots(names) => names.get(at as usize).map(String::as_str),
            _ => None,
        }
    }

    /// The place of a number, from 0 at the beginning of the axis to 1 at its end; outside, the nearer end.
    pub(crate) fn place(&self, number: f64) -> f64 {
        self.unbounded(number).clamp(0.0, 1.0)
    }

    /// Whether a number lies before the axis begins, and whether behind where it ends.
    pub(crate) fn misses(&self, number: f64) -> [bool; 2] {
        let place = self.unbounded(number);
        [place < -1e-6, place > 1.0 + 1e-6]
    }

    fn unbounded(&self, number: f64) -> f64 {
        match &self.kind {
            Kind::Linear { low, high } => (number - low) / (high - low),
            Kind::LogOdds { low, high } => (log_odds(number) - low) / (high - low),
            Kind::Slots(names) => (number + 0.5) / names.len() as f64,
            Kind::Log { zero: true, .. } if number <= 0.0 => ZERO,
            Kind::Log { zero, low, high } => {
                let begin = if *zero { AFTER_ZERO } else { MARGIN };
                begin + (1.0 - MARGIN - begin) * (number / low).ln() / (high / low).ln()
            }
        }
    }

    /// Whether 0 has a place of its own, so that no line may join it to the next number.
    pub(crate) fn sets_zero_apart(&self) -> bool {
        matches!(self.kind, Kind::Log { zero: true, .. })
    }

    /// Where the gap between 0 and the other numbers is, as a place.
    pub(crate) fn gap(&self) -> Option<f64> {
        self.sets_zero_apart().then_some((ZERO + AFTER_ZERO) / 2.0)
    }

    /// Whether lines between numbers mean anything.
    pub(crate) fn is_continuous(&self) -> bool {
        !matches!(self.kind, Kind::Slots(_))
    }
}

/// `ln(p / (1 − p))`, infinite at 0 and 1.
fn log_odds(rate: f64) -> f64 {
    (rate / (1.0 - rate)).ln()
}

/// The smallest of 1, 2, 5 times a power of ten that is not below `raw`.
fn round_step(raw: f64) -> f64 {
    let power = 10f64.powf(raw.log10().floor());
    [1.0, 2.0, 5.0, 10.0].into_iter().map(|step| step * power).find(|step| *step >= raw * (1.0 - 1e-9)).unwrap_or(raw)
}

/// How far a number is from a power of ten, in decades.
fn roundness(number: f64) -> f64 {
    let decades = number.log10();
    (decades - decades.round()).abs()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::format::plain;

    #[test]
    fn linear_axes_end_at_round_numbers() {
        let axis = Scale::around([-2.7, 3.1, f64::NAN], plain);
        let labels: Vec<_> = axis.ticks.iter().map(|(_, label)| label.as_str()).collect();
        assert_eq!(labels, ["−4", "−2", "0", "2", "4"]);
        assert_eq!([axis.place(-4.0), axis.place(0.0), axis.place(9.0)], [0.0, 0.5, 1.0]);
        let narrow = Scale::around([-157.82, -157.79], plain);
        let labels: Vec<_> = narrow.ticks.iter().map(|(_, label)| label.as_str()).collect();
        assert_eq!(labels, ["−157.82", "−157.81", "−157.80", "−157.79"]);
        assert!((Scale::around([2.0], plain).place(2.0) - 0.5).abs() < 1e-12);
        let exact = Scale::around([0.0, 100.0], plain);
        assert_eq!([exact.place(0.0), exact.place(100.0)], [0.0, 1.0]);
    }

    #[test]
    fn a_dose_axis_keeps_zero_apart_and_its_decades_even() {
        let axis = Scale::amounts(&[0.0, 0.01, 0.1, 0.5, 1.0], plain);
        assert!(axis.sets_zero_apart() && axis.place(0.0) < axis.gap().unwrap());
        assert!(axis.gap().unwrap() < axis.place(0.01));
        let decade = axis.place(0.1) - axis.place(0.01);
        assert!((axis.place(1.0) - axis.place(0.1) - decade).abs() < 1e-12);
        let ticks: Vec<_> = axis.ticks.iter().map(|(_, label)| label.as_str()).collect();
        assert_eq!(ticks, ["0", "0.01", "0.1", "", "1"]);
    }

    #[test]
    fn log_odds_tell_rates_near_the_ends_apart() {
        let axis = Scale::log_odds([0.004, 0.97]);
        let labels: Vec<_> = axis.ticks.iter().map(|(_, label)| label.as_str()).collect();
        assert_eq!(labels, ["0.001", "0.01", "0.1", "", "0.5", "", "0.9", "0.99"]);
        let ends = [axis.place(0.0), axis.place(0.001), axis.place(0.99), axis.place(1.0)];
        assert_eq!(ends, [0.0, 0.0, 1.0, 1.0]);
        assert_eq!(
            [0.0, 0.001, 0.99, 1.0].map(|rate| axis.misses(rate)),
            [[true, false], [false; 2], [false; 2], [false, true]]
        );
        assert!(axis.place(0.97) - axis.place(0.9) > 1.5 * (Scale::unit().place(0.97) - Scale::unit().place(0.9)));
        assert_eq!(Scale::log_odds([]).ticks.len(), 5, "a tenth to nine tenths at the least");
    }

    #[test]
    fn close_amounts_share_a_linear_axis() {
        assert!(!Scale::amounts(&[0.0, 0.1, 0.5, 1.0], plain).sets_zero_apart());
        assert!(!Scale::slots(&["a".to_owned()]).is_continuous());
    }

    #[test]
    fn names_without_room_are_numbered() {
        let short = ["a", "b"].map(str::to_owned);
        assert_eq!(Scale::slots(&short).ticks, [(0.0, "a".to_owned()), (1.0, "b".to_owned())]);
        let long: Vec<String> = (0..14).map(|at| format!("prompt {at}")).collect();
        let axis = Scale::slots(&long);
        let labels: Vec<_> =
            axis.ticks.iter().map(|(_, label)| label.as_str()).filter(|label| !label.is_empty()).collect();
        assert_eq!((labels, axis.name(13.0)), (vec!["1", "5", "10"], Some("prompt 13")));
        assert!(names_fit(&["prompt of one".to_owned(), "another".to_owned()]));
        assert!(!names_fit(&["漢字の長い名前、とても".to_owned(), "二".to_owned()]), "they are twice as wide");
    }
}
