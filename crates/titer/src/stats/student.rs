//! Student's t distribution.

use statrs::distribution::{ContinuousCDF, StudentsT};

/// Above so many degrees of freedom the distribution no longer changes in what is shown, and takes long to compute.
const NORMAL: f64 = 1e4;

fn student(freedom: f64) -> StudentsT {
    let freedom = freedom.min(NORMAL);
    StudentsT::new(0.0, 1.0, freedom).expect("at least two values leave a degree of freedom")
}

/// Half the width of a 95 % t-interval in standard errors.
pub(crate) fn quantile(freedom: f64) -> f64 {
    student(freedom).inverse_cdf(0.975)
}

/// The distribution that has this quantile.
fn with_quantile(quantile_of_it: f64) -> StudentsT {
    // The quantile falls as the freedom rises.
    let (mut low, mut high) = (1.0, NORMAL);
    for _ in 0..40 {
        let middle = f64::sqrt(low * high);
        if student(middle).cdf(quantile_of_it) < 0.975 { low = middle } else { high = middle }
    }
    student(high)
}

/// The share above this many standard errors, of the distribution that has this quantile.
pub(super) fn upper_tail(quantile_of_it: f64, errors: f64) -> f64 {
    1.0 - with_quantile(quantile_of_it).cdf(errors)
}

/// The standard errors above which this share lies, of the distribution that has this quantile.
pub(super) fn upper_quantile(quantile_of_it: f64, share: f64) -> f64 {
    with_quantile(quantile_of_it).inverse_cdf(1.0 - share)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_the_published_ones() {
        for (freedom, published) in
            [(1.0, 12.706_205), (2.0, 4.302_653), (3.0, 3.182_446), (9.0, 2.262_157), (30.0, 2.042_272)]
        {
            assert!((quantile(freedom) - published).abs() < 1e-5, "{freedom}: {}", quantile(freedom));
            assert!((upper_tail(published, published) - 0.025).abs() < 1e-6);
            let one = 1.0 - student(freedom).cdf(1.0);
            assert!((upper_tail(published, 1.0) - one).abs() < 1e-6);
            assert!((upper_quantile(published, one) - 1.0).abs() < 1e-5);
        }
    }
}
