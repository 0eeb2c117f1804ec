//! Which coordinates can be treated as one: those whose second moments have the same proportions under all kinds of rows.
//!
//! Coordinates are described by the logarithms of what each kind puts into their second moment, and cut in two again and
//! again, along the description that differs most where it matters most. No draw, no start to choose: the same
//! gradients give the same buckets.

/// Descriptions of coordinates and how much each matters.
#[derive(Debug)]
pub(super) struct Coordinates {
    /// Descriptions, `[coordinates][features]`
    pub features: Vec<f32>,
    /// How many there are of each.
    pub width: usize,
    /// What a coordinate counts for, `[coordinates]`
    pub weights: Vec<f32>,
}

/// Some coordinates, and how much they differ.
struct Leaf {
    members: Vec<u32>,
    /// Weighted sum of squared deviations of the feature that differs most.
    spread: f64,
    feature: usize,
    mean: f64,
}

impl Coordinates {
    /// The bucket of every coordinate, at most `count` of them.
    pub(super) fn cut(&self, count: usize) -> Vec<u16> {
        let mut leaves = vec![self.leaf((0..self.weights.len() as u32).collect())];
        while leaves.len() < count {
            let widest = (0..leaves.len()).max_by(|&a, &b| leaves[a].spread.total_cmp(&leaves[b].spread));
            let Some(at) = widest.filter(|&at| leaves[at].spread > 0.0) else { break };
            let Leaf { members, feature, mean, .. } = leaves.swap_remove(at);
            let (low, high): (Vec<u32>, Vec<u32>) =
                members.into_iter().partition(|&member| f64::from(self.feature(member, feature)) < mean);
            if low.is_empty() || high.is_empty() {
                // Alike but for rounding.
                let members = if low.is_empty() { high } else { low };
                leaves.push(Leaf { members, spread: 0.0, feature, mean });
                continue;
            }
            leaves.extend([self.leaf(low), self.leaf(high)]);
        }
        let mut buckets = vec![0; self.weights.len()];
        for (bucket, leaf) in leaves.iter().enumerate() {
            leaf.members.iter().for_each(|&member| buckets[member as usize] = bucket as u16);
        }
        buckets
    }

    fn feature(&self, member: u32, feature: usize) -> f32 {
        self.features[member as usize * self.width + feature]
    }

    fn leaf(&self, members: Vec<u32>) -> Leaf {
        let (mut weight, mut sums, mut squares) = (0.0, vec![0.0; self.width], vec![0.0; self.width]);
        for &member in &members {
            let share = f64::from(self.weights[member as usize]);
            weight += share;
            for feature in 0..self.width {
                let value = f64::from(self.feature(member, feature));
                sums[feature] += share * value;
                squares[feature] += share * value * value;
            }
        }
        let spread = |feature: usize| {
            if weight > 0.0 { squares[feature] - sums[feature] * sums[feature] / weight } else { 0.0 }
        };
        let feature = (0..self.width).max_by(|&a, &b| spread(a).total_cmp(&spread(b))).unwrap_or(0);
        let mean = if weight > 0.0 { sums[feature] / weight } else { 0.0 };
        Leaf { spread: spread(feature).max(0.0), members, feature, mean }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn coordinates_that_are_alike_share_a_bucket_and_others_do_not() {
        let features: Vec<f32> = (0..90).flat_map(|c| [(c % 3) as f32, (c % 2) as f32 * 10.0]).collect();
        let buckets = Coordinates { features, width: 2, weights: vec![1.0; 90] }.cut(20);
        for a in 0..90 {
            for b in 0..90 {
                assert_eq!(buckets[a] == buckets[b], a % 6 == b % 6, "{a} {b}");
            }
        }
    }

    #[test]
    fn what_matters_more_is_cut_first() {
        let features = vec![0.0, 1.0, 10.0, 11.0];
        let buckets = Coordinates { features, width: 1, weights: vec![100.0, 100.0, 0.1, 0.1] }.cut(2);
        assert_ne!(buckets[0], buckets[1]);
        let buckets =
            Coordinates { features: vec![0.0, 1.0, 3.0, 3.5], width: 1, weights: vec![1.0, 1.0, 0.0, 0.0] }.cut(2);
        assert_ne!(buckets[0], buckets[1]);
    }
}
