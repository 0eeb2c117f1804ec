//! How numbers lie: their mean, and how far they are from it.

/// Mean and standard deviation of numbers, in their unit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ItemSpread {
    /// The mean.
    pub mean: f64,
    /// The standard deviation, with one degree of freedom less than there are numbers; not a number where there is one.
    pub deviation: f64,
    /// How many there are.
    pub n: usize,
}

impl ItemSpread {
    /// Of the numbers that are finite, as in a [`super::Sample`]; `None` where none is.
    pub fn of(values: impl IntoIterator<Item = f64>) -> Option<Self> {
        let values: Vec<f64> = values.into_iter().filter(|value| value.is_finite()).collect();
        (!values.is_empty()).then(|| Self { mean: mean(&values), deviation: variance(&values).sqrt(), n: values.len() })
    }
}

pub(super) fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

pub(super) fn variance(values: &[f64]) -> f64 {
    let (mean, freedom) = (mean(values), values.len() as f64 - 1.0);
    values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / freedom
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_values() {
        let found = ItemSpread::of([2.0, 4.0, f64::NAN, 4.0, 4.0, 5.0, 5.0, 7.0, 9.0]).unwrap();
        assert_eq!((found.mean, found.n), (5.0, 8));
        assert!((found.deviation - (32.0f64 / 7.0).sqrt()).abs() < 1e-12);
        assert!(ItemSpread::of([1.5]).unwrap().deviation.is_nan());
        assert_eq!(ItemSpread::of([f64::INFINITY]), None);
    }
}
