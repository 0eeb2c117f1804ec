//! How well predictions agree with what was measured.

/// Pearson's correlation; not a number where either side is constant.
pub fn pearson(predicted: &[f64], measured: &[f64]) -> f64 {
    let (covariance, predicted_square, measured_square) = moments(predicted, measured);
    covariance / (predicted_square * measured_square).sqrt()
}

/// Spearman's rank correlation, ties at their mean rank; not a number where either side is constant.
pub fn spearman(predicted: &[f64], measured: &[f64]) -> f64 {
    pearson(&ranks(predicted), &ranks(measured))
}

/// Slope of the least-squares line of `measured` over `predicted`, with an intercept: 1 where they agree in size.
pub fn slope(predicted: &[f64], measured: &[f64]) -> f64 {
    let (covariance, variance, _) = moments(predicted, measured);
    covariance / variance
}

/// The median; not a number where there is nothing. Of an even count, the mean of the middle two.
pub fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    match (sorted.len(), sorted.len() / 2) {
        (0, _) => f64::NAN,
        (count, middle) if count % 2 == 1 => sorted[middle],
        (_, middle) => f64::midpoint(sorted[middle - 1], sorted[middle]),
    }
}

/// Rank of every value, from 0; equal values share the mean of their ranks.
fn ranks(values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|&a, &b| values[a].total_cmp(&values[b]));
    let mut ranks = vec![0.0; values.len()];
    let mut start = 0;
    for equal in order.chunk_by(|&a, &b| values[a] == values[b]) {
        let mean = start as f64 + (equal.len() - 1) as f64 / 2.0;
        equal.iter().for_each(|&at| ranks[at] = mean);
        start += equal.len();
    }
    ranks
}

/// Sums of products of deviations from the mean: (xy, xx, yy).
fn moments(x: &[f64], y: &[f64]) -> (f64, f64, f64) {
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
    let (mean_x, mean_y) = (mean(x), mean(y));
    x.iter().zip(y).fold((0.0, 0.0, 0.0), |(xy, xx, yy), (x, y)| {
        let (dx, dy) = (x - mean_x, y - mean_y);
        (xy + dx * dy, xx + dx * dx, yy + dy * dy)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_values() {
        let x = [1.0, 2.0, 3.0, 4.0, 5.0];
        assert!((spearman(&x, &[2.0, 1.0, 4.0, 3.0, 5.0]) - 0.8).abs() < 1e-12);
        assert!((spearman(&x, &[1.0, 4.0, 9.0, 16.0, 25.0]) - 1.0).abs() < 1e-12);
        // scipy.stats.spearmanr([1, 2, 2, 4], [1, 3, 2, 4]): ties share a rank
        assert!((spearman(&[1.0, 2.0, 2.0, 4.0], &[1.0, 3.0, 2.0, 4.0]) - 0.948_683_298).abs() < 1e-9);
        assert!(spearman(&[1.0, 1.0], &[1.0, 2.0]).is_nan());
        assert!((slope(&x, &[3.0, 5.0, 7.0, 9.0, 11.0]) - 2.0).abs() < 1e-12);
        assert_eq!((median(&[3.0, 1.0, 2.0]), median(&[4.0, 1.0])), (2.0, 2.5));
    }
}
