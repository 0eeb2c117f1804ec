//! A straight line, or plane, through points.

/// The features of a point, and what they should give.
type FittedPoint = (Vec<f64>, f64);

/// The coefficients of `y ≈ c₀ + c₁ x₁ + c₂ x₂ + …` with the least squares, the constant first: `[1 + features]`. A feature that is constant, or that others
/// give, gets 0. `None` without points.
pub(crate) fn least_squares(points: &[FittedPoint]) -> Option<Vec<f64>> {
    let width = points.first()?.0.len();
    let count = points.len() as f64;
    let mean = |value: &dyn Fn(&FittedPoint) -> f64| points.iter().map(value).sum::<f64>() / count;
    let means: Vec<f64> = (0..width).map(|at| mean(&|point| point.0[at])).collect();
    let mean_y = mean(&|point| point.1);
    // Normal equations of deviations from the means, with the right side as the last column.
    let mut rows: Vec<Vec<f64>> = (0..width)
        .map(|row| {
            let product =
                |column: usize| mean(&|point| (point.0[row] - means[row]) * (point.0[column] - means[column]));
            let right = mean(&|point| (point.0[row] - means[row]) * (point.1 - mean_y));
            (0..width).map(product).chain([right]).collect()
        })
        .collect();
    let spread: Vec<f64> = (0..width).map(|at| rows[at][at]).collect();
    for at in 0..width {
        let known = rows[at][at] > 1e-9 * spread[at].max(f64::MIN_POSITIVE);
        let pivot = rows[at].clone();
        for (other, row) in rows.iter_mut().enumerate() {
            if other == at {
                let divisor = pivot[at];
                row.iter_mut().for_each(|value| *value = if known { *value / divisor } else { 0.0 });
            } else if known {
                let times = row[at] / pivot[at];
                row.iter_mut().zip(&pivot).for_each(|(value, pivot)| *value -= times * pivot);
            }
        }
    }
    let slopes: Vec<f64> = rows.iter().map(|row| row[width]).collect();
    let constant = mean_y - slopes.iter().zip(&means).map(|(slope, mean)| slope * mean).sum::<f64>();
    Some([constant].into_iter().chain(slopes).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(found: &[f64], wanted: &[f64]) {
        assert!(found.iter().zip(wanted).all(|(a, b)| (a - b).abs() < 1e-9), "{found:?} {wanted:?}");
    }

    #[test]
    fn a_plane_is_found_again() {
        let points: Vec<(Vec<f64>, f64)> = (0..9)
            .map(|at| {
                let x = vec![f64::from(at % 3), f64::from(at * at % 7)];
                let y = 2.0 + 3.0 * x[0] - 0.5 * x[1];
                (x, y)
            })
            .collect();
        close(&least_squares(&points).unwrap(), &[2.0, 3.0, -0.5]);
    }

    #[test]
    fn what_does_not_differ_says_nothing() {
        let points = [(vec![1.0, 4.0], 1.0), (vec![2.0, 4.0], 3.0), (vec![3.0, 4.0], 5.0)];
        close(&least_squares(&points).unwrap(), &[-1.0, 2.0, 0.0]);
        let twice = [(vec![1.0, 2.0], 1.0), (vec![2.0, 4.0], 3.0), (vec![4.0, 8.0], 7.0)];
        close(&least_squares(&twice).unwrap(), &[-1.0, 2.0, 0.0]);
        close(&least_squares(&[(vec![7.0], 2.5)]).unwrap(), &[2.5, 0.0]);
        assert_eq!(least_squares(&[]), None);
    }
}
