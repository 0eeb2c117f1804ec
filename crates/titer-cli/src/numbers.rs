//! Numbers as people read them: as many digits as their error leaves.

use titer::stats::Estimate;

/// A mean with half of its 95 % interval, to two digits of that, such as `35.8 ± 3.6`.
pub(crate) fn with_half_width(estimate: Estimate) -> String {
    if estimate.has_interval() {
        let half = estimate.half_width();
        let digits = decimals(half);
        format!("{} ± {half:.digits$}", written(estimate.mean, digits))
    } else {
        written(estimate.mean, 2)
    }
}

/// A mean with the ends of its 95 % interval, such as `0.95 [0.94, 0.96]`.
pub(crate) fn with_ends(estimate: Estimate) -> String {
    if estimate.has_interval() {
        let [mean, low, high] = [estimate.mean, estimate.low, estimate.high].map(|number| written(number, 2));
        format!("{mean} [{low}, {high}]")
    } else {
        written(estimate.mean, 2)
    }
}

/// The same with three decimals, such as `0.947 [0.941, 0.962]`.
pub(crate) fn with_ends_to_thousandths(estimate: Estimate) -> String {
    if estimate.has_interval() {
        format!("{:.3} [{:.3}, {:.3}]", estimate.mean, estimate.low, estimate.high)
    } else {
        format!("{:.3}", estimate.mean)
    }
}

/// A mean alone.
pub(crate) fn mean_alone(estimate: Estimate) -> String {
    written(estimate.mean, 2)
}

/// A number with so many decimals; what is 0 with these has no sign.
pub(crate) fn written(number: f64, decimals: usize) -> String {
    let text = format!("{number:.decimals$}");
    match text.strip_prefix('-') {
        Some(rest) if rest.trim_start_matches(['0', '.']).is_empty() => rest.to_owned(),
        _ => text,
    }
}

/// What is written of a number, or a dash where there is none.
pub(crate) fn or_dash(estimate: Option<Estimate>, written: fn(Estimate) -> String) -> String {
    estimate.map_or_else(|| "–".to_owned(), written)
}

/// A time as one says it.
pub(crate) fn duration(seconds: f64) -> String {
    match seconds {
        ..0.1 => format!("{:.1} ms", 1000.0 * seconds),
        0.1..10.0 => format!("{seconds:.1} s"),
        10.0..100.0 => format!("{seconds:.0} s"),
        100.0..6000.0 => format!("{:.0} min", seconds / 60.0),
        _ => format!("{:.1} h", seconds / 3600.0),
    }
}

/// Decimals that show two digits of an error: none from 10 on, four at most.
fn decimals(error: f64) -> usize {
    if error > 0.0 && error.is_finite() { (1.0 - error.log10().floor()).clamp(0.0, 4.0) as usize } else { 2 }
}

#[cfg(test)]
mod tests {
    use titer::stats::Support;

    use super::*;

    #[test]
    fn where_there_is_no_interval_none_is_written() {
        let alone = Estimate::alone(0.25, titer::stats::Support::Rate, 1, 1);
        let written = [with_half_width, with_ends, with_ends_to_thousandths, mean_alone].map(|write| write(alone));
        assert_eq!(written, ["0.25", "0.25", "0.250", "0.25"]);
    }

    #[test]
    fn a_time_is_said_in_the_unit_that_fits() {
        let times = [0.0059, 1.0, 44.4, 150.0, 7200.0].map(duration);
        assert_eq!(times, ["5.9 ms", "1.0 s", "44 s", "2 min", "2.0 h"]);
    }

    #[test]
    fn nothing_has_no_sign() {
        let cases = [(-0.001, 2), (-0.006, 2), (-0.0, 0), (0.4, 0), (-0.4, 0), (-10.0, 1), (f64::NAN, 2)];
        let shown = cases.map(|(number, decimals)| written(number, decimals));
        assert_eq!(shown, ["0.00", "-0.01", "0", "0", "0", "-10.0", "NaN"]);
        let tiny = Estimate::over_items(&[-0.02, 0.015, -0.001], Support::Line).unwrap();
        assert!(mean_alone(tiny) == "0.00" && with_ends(tiny).starts_with("0.00 [-0.0"), "{}", with_ends(tiny));
    }

    #[test]
    fn an_error_says_how_many_digits_tell() {
        let cases = [(120.0, 0), (35.0, 0), (3.6, 1), (0.99, 2), (0.053, 3), (0.000_16, 4), (0.0, 2), (f64::NAN, 2)];
        for (error, digits) in cases {
            assert_eq!(decimals(error), digits, "{error}");
        }
    }
}
