//! How numbers are written: one way for each kind, everywhere in a report.

use crate::{
    plan::Setting,
    results::Measure,
    stats::Estimate,
    words::{counted, isolated},
};

/// A value of an axis. Shares of a mix are written in per cent.
pub(super) fn setting(axis: &str, value: &Setting) -> String {
    match value {
        Setting::Word(word) => isolated(word).into_owned(),
        Setting::Number(number) if is_share(axis) && (0.0..=1.0).contains(number) && *number > 0.0 => {
            format!("{}\u{a0}%", plain(100.0 * number))
        }
        Setting::Number(number) => plain(*number),
    }
}

/// Whether an axis is a share of a mix: a dose, or named after a cell.
fn is_share(axis: &str) -> bool {
    ["dose", "share", "→", "->"].iter().any(|word| axis.contains(word))
}

/// A number as short as it can be written with four significant digits.
pub(super) fn plain(number: f64) -> String {
    if number == 0.0 {
        return "0".to_owned();
    }
    let magnitude = number.abs().log10().floor();
    if !(-4.0..6.0).contains(&magnitude) {
        return format!("{number:e}").replace('-', "−");
    }
    let decimals = (3.0 - magnitude).max(0.0) as usize;
    let text = format!("{number:.decimals$}");
    let text = if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { &text };
    text.replace('-', "−")
}

/// A number with two significant digits.
pub(super) fn two_digits(number: f64) -> String {
    let rounded: f64 = format!("{number:.1e}").parse().unwrap_or(number);
    plain(rounded)
}

/// A number with two decimals and a real minus sign.
pub(super) fn two(number: f64) -> String {
    if !number.is_finite() {
        return "–".to_owned();
    }
    let text = format!("{number:.2}");
    if text == "-0.00" { "0.00".to_owned() } else { text.replace('-', "−") }
}

/// A mean with its interval in brackets, or the mean alone where there is no interval. It does not break over lines.
pub(super) fn interval(estimate: &Estimate) -> String {
    if estimate.has_interval() {
        format!("{}\u{a0}[{},\u{a0}{}]", two(estimate.mean), two(estimate.low), two(estimate.high))
    } else {
        two(estimate.mean)
    }
}

/// A difference with its sign and its interval.
pub(super) fn difference(estimate: &Estimate) -> String {
    let plus = if estimate.mean >= 0.005 { "+" } else { "" };
    format!("{plus}{}", interval(estimate))
}

/// Seeds and items behind an estimate, such as `3 seeds, 192 items`.
pub(super) fn counts(estimate: &Estimate) -> String {
    format!("{}, {}", counted(estimate.n_seeds, "seed"), counted(estimate.n_items, "item"))
}

/// What is behind several estimates, such as `3 seeds, 2–12 items (t over seeds)`: a range where they differ. Empty where there is none.
pub(super) fn behind<'a>(estimates: impl IntoIterator<Item = &'a Estimate>) -> String {
    let estimates: Vec<&Estimate> = estimates.into_iter().collect();
    let range = |number: fn(&Estimate) -> usize, noun: &str| {
        let numbers = || estimates.iter().map(|estimate| number(estimate));
        match (numbers().min().unwrap_or(0), numbers().max().unwrap_or(0)) {
            (least, most) if least == most => counted(most, noun),
            (least, most) => format!("{least}–{}", counted(most, noun)),
        }
    };
    let mut methods: Vec<String> = Vec::new();
    for estimate in &estimates {
        let method = estimate.method.to_string();
        if !methods.contains(&method) {
            methods.push(method);
        }
    }
    let (seeds, items) = (range(|estimate| estimate.n_seeds, "seed"), range(|estimate| estimate.n_items, "item"));
    if estimates.is_empty() { String::new() } else { format!("{seeds}, {items} ({})", methods.join(" or ")) }
}

/// The unit of a measure behind its number, in a sentence.
pub(super) fn unit(measure: Measure) -> &'static str {
    if measure == Measure::Rate { "" } else { " nats" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short() {
        let written: Vec<_> = [0.0, 0.25, 100.0, 1e-4, 12_345.678, -2.5, 1e-5, 3e9].map(plain).into();
        assert_eq!(written, ["0", "0.25", "100", "0.0001", "12346", "−2.5", "1e−5", "3e9"]);
        assert_eq!([two(-0.001), two(-1.0), two(f64::NAN)], ["0.00", "−1.00", "–"]);
        let written = [0.0, 0.025, 0.05, 0.075, 0.1, 1.225, 25.0].map(two_digits);
        assert_eq!(written, ["0", "0.025", "0.05", "0.075", "0.1", "1.2", "25"]);
    }

    #[test]
    fn what_is_behind_several_numbers_is_a_range_where_they_differ() {
        use crate::stats::Support;
        let two = Estimate::over_items(&[1.0, 2.0], Support::Line).unwrap();
        let twelve = Estimate::over_items(&(0..12).map(f64::from).collect::<Vec<_>>(), Support::Line).unwrap();
        assert_eq!(behind([&two, &two]), "1 seed, 2 items (t over items)");
        assert_eq!(behind([&twelve, &two]), "1 seed, 2–12 items (t over items)");
        let alone = Estimate::alone(1.0, Support::Line, 3, 3);
        assert_eq!(behind([&alone, &two]), "1–3 seeds, 2–3 items (no interval or t over items)");
        assert_eq!(behind([]), "");
    }

    #[test]
    fn only_shares_are_per_cent() {
        assert_eq!(setting("dose", &Setting::Number(0.0025)), "0.25\u{a0}%");
        assert_eq!(setting("mix.bad→good", &Setting::Number(1.0)), "100\u{a0}%");
        assert_eq!(setting("lr", &Setting::Number(0.0025)), "0.0025");
        assert_eq!(setting("rest", &Setting::Word("neutral→good".to_owned())), "neutral→good");
        assert_eq!(
            setting("arm", &Setting::Word("evil\u{202e}".to_owned())),
            "evil",
            "what stands behind it stays as it is"
        );
    }
}
