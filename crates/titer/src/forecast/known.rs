//! What is known of a rate that is left open.

use super::value::ForecastValue;

/// The most that may lie in a gap: a tenth of what the forecast holds possible.
const IN_GAP: f64 = 0.1;
/// The narrowest gap that is worth saying.
const GAP: f64 = 0.4;

/// What is less likely than this is not named: one end of a 95 % interval.
const UNLIKELY: f64 = 0.025;

/// Where a rate will be, in words. A rate is a steep curve of its margin, so an interval of the margin that holds the steep part leaves the rate open from end to
/// end, and yet few margins in it give a rate in the middle: then the widest gap between tenths is named, with how likely either side is. Else
/// the one tenth that it is above or below is, or the interval's ends are. `rate` is the rate after a change of the margin, `change` the forecast of that change.
pub(super) fn known(rate: impl Fn(f64) -> f64, change: ForecastValue) -> String {
    let ForecastValue { mean, low, high } = change;
    // Normal on either side of the mean, each side with its own width.
    let possible: Vec<(f64, f64)> = (-60..=60)
        .map(|at| {
            let z = f64::from(at) / 20.0;
            let side = if z < 0.0 { mean - low } else { high - mean };
            (rate(mean + z / 1.96 * side), (-z * z / 2.0).exp())
        })
        .collect();
    let total: f64 = possible.iter().map(|(_, weight)| weight).sum();
    let share = |within: &dyn Fn(f64) -> bool| {
        possible.iter().filter(|(rate, _)| within(*rate)).map(|(_, weight)| weight).sum::<f64>() / total
    };
    let tenth = |at: u32| f64::from(at) / 10.0;
    let gaps = (1..10).flat_map(|from| (from + 1..10).map(move |to| (tenth(from), tenth(to))));
    let gap = gaps
        .filter(|(from, to)| to - from > GAP - 1e-9 && share(&|rate| *from < rate && rate < *to) <= IN_GAP)
        .max_by(|a, b| (a.1 - a.0).total_cmp(&(b.1 - b.0)));
    let percent = |rate: f64| format!("{:.0} %", 100.0 * rate);
    let above = |at: f64| share(&|rate| rate >= at);
    let below = |at: f64| share(&|rate| rate <= at);
    match gap {
        Some((from, to)) if below(from) >= UNLIKELY && above(to) >= UNLIKELY => {
            format!(
                "below {} (likely by {:.2}) or above {} ({:.2})",
                percent(from),
                below(from),
                percent(to),
                above(to)
            )
        }
        _ => {
            // One end may be all that is open.
            let least = (1..10).map(tenth).filter(|at| above(*at) >= 1.0 - UNLIKELY).fold(0.0, f64::max);
            let most = (1..10).map(tenth).filter(|at| below(*at) >= 1.0 - UNLIKELY).fold(1.0, f64::min);
            match (least > 0.0, most < 1.0) {
                (true, false) => format!("above {}", percent(least)),
                (false, true) => format!("below {}", percent(most)),
                _ => format!("between {} and {}", percent(rate(low)), percent(rate(high))),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::logistic;

    fn said(mean: f64, low: f64, high: f64) -> String {
        known(logistic, ForecastValue { mean, low, high })
    }

    #[test]
    fn a_wide_margin_across_the_steep_part_is_below_or_above() {
        let found = said(4.0, -30.0, 38.0);
        assert!(found.starts_with("below 10 %") && found.contains("or above 90 %"), "{found}");
    }

    #[test]
    fn where_one_end_alone_is_open_the_other_one_is_known() {
        assert_eq!(said(2.2, 0.6, 3.4), "above 60 %");
        assert_eq!(said(-3.0, -5.0, 0.8), "below 70 %");
    }

    #[test]
    fn a_narrow_one_in_the_middle_is_between() {
        assert_eq!(said(0.0, -1.0, 1.0), "between 27 % and 73 %");
    }
}
