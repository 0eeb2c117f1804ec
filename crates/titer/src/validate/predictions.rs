//! Predictors of an outcome, each setting's predictions by what the other settings say.

use std::collections::BTreeMap;

use crate::stats::least_squares;

/// A predictor: a number of every arm, several together, or a rule with one constant.
#[derive(Clone, Debug)]
pub(super) struct OutcomePredictor {
    /// What the table calls it.
    pub name: String,
    /// How it predicts.
    pub kind: PredictorKind,
}

/// How a predictor predicts.
#[derive(Clone, Debug)]
pub(super) enum PredictorKind {
    /// These numbers of each arm, `[features][arms]`, by a straight line with the least squares: its slope is that within settings, whose levels may differ.
    Line(Vec<Vec<Option<f64>>>),
    /// The published k-rule (arXiv 2510.05024): training leaves `k` times what the prompt did not elicit, so suppression is `T* − k (T* − T(base, prompt))`;
    /// `T*` and `T(base, prompt)` of each arm.
    KRule {
        /// The trait after training without a prompt.
        target: Vec<f64>,
        /// The trait that the prompt elicits before training.
        elicited: Vec<Option<f64>>,
    },
}

impl OutcomePredictor {
    /// The predictor by itself, where it is one number: what it is before anything is fitted.
    pub(super) fn raw(&self, arm: usize) -> Option<f64> {
        match &self.kind {
            PredictorKind::Line(features) if features.len() == 1 => features[0][arm],
            _ => None,
        }
    }

    /// The prediction for an arm by these others; `None` where a number is missing or nothing can be fitted.
    fn predict(&self, arm: usize, others: &[usize], settings: &[usize], outcome: &[Option<f64>]) -> Option<f64> {
        match &self.kind {
            PredictorKind::Line(features) => {
                let features_of =
                    |arm: usize| features.iter().map(|feature| feature[arm]).collect::<Option<Vec<f64>>>();
                let known: Vec<(usize, FittedArm)> = others
                    .iter()
                    .filter_map(|&other| Some((settings[other], (features_of(other)?, outcome[other]?))))
                    .collect();
                let (values, coefficients) = (features_of(arm)?, least_squares(&on_one_level(&known))?);
                Some(
                    coefficients[0]
                        + values.iter().zip(&coefficients[1..]).map(|(value, slope)| value * slope).sum::<f64>(),
                )
            }
            PredictorKind::KRule { target, elicited } => {
                let left = |arm: usize| Some(target[arm] - elicited[arm]?);
                let sums = others.iter().filter_map(|&other| {
                    let left = left(other)?;
                    Some((left * (target[other] - outcome[other]?), left * left))
                });
                let (product, square) = sums
                    .fold((0.0, 0.0), |(products, squares), (product, square)| (products + product, squares + square));
                (square > 0.0).then_some(())?;
                Some(target[arm] - product / square * left(arm)?)
            }
        }
    }

    /// The prediction for every arm by the arms of the other settings, `[arms]`.
    pub(super) fn held_out(&self, settings: &[usize], outcome: &[Option<f64>]) -> Vec<Option<f64>> {
        let predict = |arm: usize| {
            let others: Vec<usize> = (0..settings.len()).filter(|other| settings[*other] != settings[arm]).collect();
            self.predict(arm, &others, settings, outcome)
        };
        (0..settings.len()).map(predict).collect()
    }
}

/// What should give an outcome of an arm, and it.
type FittedArm = (Vec<f64>, f64);

/// What is known of arms by their settings, each setting's moved so that its means are those of all.
fn on_one_level(known: &[(usize, FittedArm)]) -> Vec<FittedArm> {
    let numbers = |(features, outcome): &FittedArm| features.iter().copied().chain([*outcome]).collect::<Vec<f64>>();
    let mut settings: BTreeMap<usize, (Vec<f64>, f64)> = BTreeMap::new();
    let mut all = (Vec::new(), 0.0);
    for (setting, arm) in known {
        for (sums, count) in [settings.entry(*setting).or_default(), &mut all] {
            let row = numbers(arm);
            sums.resize(row.len(), 0.0);
            sums.iter_mut().zip(row).for_each(|(sum, number)| *sum += number);
            *count += 1.0;
        }
    }
    let moved = |(setting, arm): &(usize, FittedArm)| {
        let (own, count) = &settings[setting];
        let by = all.0.iter().zip(own).map(|(all_sum, own_sum)| all_sum / all.1 - own_sum / count);
        let mut row: Vec<f64> = numbers(arm).into_iter().zip(by).map(|(number, by)| number + by).collect();
        let outcome = row.pop().unwrap_or(f64::NAN);
        (row, outcome)
    };
    known.iter().map(moved).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_setting_is_predicted_by_the_others_alone() {
        // In the first two settings the outcome is twice the number; the third says the opposite and must not count for itself.
        let settings = [0, 0, 1, 1, 2, 2];
        let number = [1.0, 2.0, 3.0, 4.0, 1.0, 2.0].map(Some);
        let outcome = [2.0, 4.0, 6.0, 8.0, -2.0, -4.0].map(Some);
        let predictor = OutcomePredictor { name: String::new(), kind: PredictorKind::Line(vec![number.to_vec()]) };
        let found = predictor.held_out(&settings, &outcome);
        assert!((found[4].unwrap() - 2.0).abs() < 1e-9 && (found[5].unwrap() - 4.0).abs() < 1e-9, "{found:?}");
    }

    #[test]
    fn settings_of_other_levels_do_not_turn_the_slope() {
        // Within each setting the outcome rises with the number; a setting of larger numbers has lower outcomes.
        let settings = [0, 0, 1, 1, 2, 2];
        let number = [1.0, 2.0, 11.0, 12.0, 21.0, 22.0].map(Some);
        let outcome = [20.0, 21.0, 10.0, 11.0, 0.0, 1.0].map(Some);
        let predictor = OutcomePredictor { name: String::new(), kind: PredictorKind::Line(vec![number.to_vec()]) };
        let found = predictor.held_out(&settings, &outcome);
        assert!((found[5].unwrap() - found[4].unwrap() - 1.0).abs() < 1e-9, "{found:?}");
    }

    #[test]
    fn the_k_rule_is_the_published_one() {
        // Half of what was not elicited is left: suppression .9 − .5 (.9 − T).
        let elicited = [0.1, 0.5, 0.9, 0.3].map(Some);
        let outcome: Vec<Option<f64>> = elicited.iter().map(|t| t.map(|t| 0.9 - 0.5 * (0.9 - t))).collect();
        let kind = PredictorKind::KRule { target: vec![0.9; 4], elicited: elicited.to_vec() };
        let found = OutcomePredictor { name: String::new(), kind }.held_out(&[0, 0, 1, 1], &outcome);
        for (found, wanted) in found.iter().zip(&outcome) {
            assert!((found.unwrap() - wanted.unwrap()).abs() < 1e-12);
        }
    }
}
