//! How well each predictor goes with each outcome, and which one wins.

use std::collections::BTreeMap;

use super::{ExternalArm, OutcomePredictor, PredictorKind};
use crate::{
    screen::{PREDICTORS, Placed, TOGETHER},
    stats::{Correlation, CorrelationPoint, ErrorSource, Estimate, Method, Support},
};

/// How well a predictor goes with an outcome.
#[derive(Clone, Debug)]
pub struct PredictorResult {
    /// Its name.
    pub name: String,
    /// Whether it is a column of the user's table.
    pub from_table: bool,
    /// Mean over settings of the rank correlation within each, with an interval over settings and prompts.
    pub within: Option<Estimate>,
    /// Mean over settings of the rank correlation within each with what the other settings predict of it: levels of settings differ, and prompts are compared
    /// within one. An interval over settings, of which that takes three, and prompts.
    pub held_out: Option<Estimate>,
    /// The winner's correlation less this one's, with an interval over settings and prompts; `None` for the winner itself.
    pub behind: Option<Estimate>,
}

/// The predictors of one outcome, the best first.
#[derive(Clone, Debug)]
pub struct OutcomeResult {
    /// What the outcome is called.
    pub name: &'static str,
    /// Arms that have it.
    pub arms: usize,
    /// Every predictor.
    pub predictors: Vec<PredictorResult>,
    /// Mean over settings of the rank correlation in each of the predictor that is best in the others: what picking one is worth.
    pub picked: Option<Estimate>,
}

/// Arms with what was screened of their prompts.
struct Compared<'a> {
    arms: &'a [ExternalArm],
    settings: Vec<usize>,
    prompts: Vec<usize>,
}

/// An outcome of an arm; `None` where the table does not say.
type Outcome = fn(&ExternalArm) -> Option<f64>;

/// Every predictor against every outcome that the table has; `placed` is what the screening says of each arm's prompt, `[arms]`.
pub fn compare(arms: &[ExternalArm], placed: &[Option<Placed>]) -> Vec<OutcomeResult> {
    let index = |key: fn(&ExternalArm) -> &str| {
        let mut known: Vec<&str> = Vec::new();
        let place = |arm| {
            let name = key(arm);
            known.iter().position(|other| *other == name).unwrap_or_else(|| {
                known.push(name);
                known.len() - 1
            })
        };
        arms.iter().map(place).collect::<Vec<usize>>()
    };
    let compared = Compared { arms, settings: index(|arm| &arm.setting), prompts: index(|arm| &arm.prompt) };
    let kept = arms.iter().any(|arm| arm.kept.is_some());
    let outcomes: [(&'static str, Outcome); 3] = [
        ("suppression", |arm| Some(arm.suppression)),
        ("kept trait", |arm| arm.kept),
        ("selectivity: suppression and kept trait together", |arm| Some(arm.suppression + arm.kept?)),
    ];
    let predictors = predictors(arms, placed);
    let shown = if kept { &outcomes[..] } else { &outcomes[..1] };
    // The rule speaks of suppression alone.
    let of_any: Vec<_> = predictors
        .iter()
        .filter(|(predictor, _)| !matches!(predictor.kind, PredictorKind::KRule { .. }))
        .cloned()
        .collect();
    let outcome = |(at, (name, value)): (usize, &(&'static str, Outcome))| {
        let of_it = if at == 0 { &predictors } else { &of_any };
        compared.outcome(name, of_it, &arms.iter().map(value).collect::<Vec<_>>())
    };
    shown.iter().enumerate().map(outcome).collect()
}

/// titer's predictors where prompts were screened, then the user's own.
fn predictors(arms: &[ExternalArm], placed: &[Option<Placed>]) -> Vec<(OutcomePredictor, bool)> {
    let mut all = Vec::new();
    let column = |value: &dyn Fn(&Placed) -> Option<Estimate>| -> Vec<Option<f64>> {
        placed.iter().map(|placed| Some(value(placed.as_ref()?)?.mean)).collect()
    };
    let mut add = |name: &str, kind| all.push((OutcomePredictor { name: name.to_owned(), kind }, false));
    if placed.iter().any(Option::is_some) {
        add("titer's forecast of suppression", PredictorKind::Line(vec![column(&TOGETHER.value)]));
        add("titer's forecast of cost", PredictorKind::Line(vec![column(&|placed| placed.cost)]));
        add("titer's forecasts together", PredictorKind::Line(vec![column(&|placed| placed.selectivity)]));
        for predictor in PREDICTORS.iter().filter(|predictor| predictor.name != "cost") {
            let values = column(&predictor.value);
            if values.iter().any(Option::is_some) {
                add(predictor.name, PredictorKind::Line(vec![values]));
            }
        }
        let elicited = column(&|placed| placed.rate);
        let lift = column(&|placed| placed.lift);
        add("elicitation and lift, fitted", PredictorKind::Line(vec![elicited.clone(), lift]));
        add("k-rule", PredictorKind::KRule { target: arms.iter().map(|arm| arm.target).collect(), elicited });
    }
    let mut names: Vec<&String> = arms.iter().flat_map(|arm| arm.predictors.keys()).collect();
    names.sort_unstable();
    names.dedup();
    for name in names {
        let values = arms.iter().map(|arm| arm.predictors.get(name).copied()).collect();
        all.push((OutcomePredictor { name: name.clone(), kind: PredictorKind::Line(vec![values]) }, true));
    }
    all
}

/// A predictor's numbers of every arm.
struct Numbers {
    /// To hold against the outcome within a setting.
    within: Vec<Option<f64>>,
    /// To hold against it over all.
    held_out: Vec<Option<f64>>,
}

impl Compared<'_> {
    fn outcome(
        &self,
        name: &'static str,
        predictors: &[(OutcomePredictor, bool)],
        outcome: &[Option<f64>],
    ) -> OutcomeResult {
        let several = self.settings.iter().any(|setting| *setting != 0);
        let numbers = |(predictor, _): &(OutcomePredictor, bool)| {
            let held_out =
                if several { predictor.held_out(&self.settings, outcome) } else { vec![None; self.settings.len()] };
            let within = (0..self.arms.len()).map(|arm| predictor.raw(arm).or(held_out[arm])).collect();
            Numbers { within, held_out }
        };
        let numbers: Vec<Numbers> = predictors.iter().map(numbers).collect();
        let mut results: Vec<(usize, PredictorResult)> = predictors
            .iter()
            .zip(&numbers)
            .map(|((predictor, from_table), numbers)| PredictorResult {
                name: predictor.name.clone(),
                from_table: *from_table,
                within: Correlation::Spearman.within_seeds_over_units(&self.points(&numbers.within, outcome)),
                held_out: self.held_out(&numbers.held_out, outcome),
                behind: None,
            })
            .enumerate()
            .filter(|(_, result)| result.within.is_some())
            .collect();
        // What can be told from no correlation first: two prompts a setting are enough for one of 1. Then what was held out; a correlation within settings says
        // nothing of its sign elsewhere.
        let is_told = |result: &PredictorResult| match (result.held_out, result.within) {
            (Some(held_out), _) if held_out.has_interval() => held_out.low > 0.0,
            (None, Some(within)) if within.has_interval() => within.low > 0.0 || within.high < 0.0,
            _ => false,
        };
        let size = |estimate: Option<Estimate>| estimate.map_or(f64::NEG_INFINITY, |within| within.mean.abs());
        let strength = |result: &PredictorResult| {
            (result.held_out.map_or(f64::NEG_INFINITY, |held_out| held_out.mean), size(result.within))
        };
        results.sort_by(|(_, a), (_, b)| {
            let ((held_a, within_a), (held_b, within_b)) = (strength(a), strength(b));
            let told = is_told(b).cmp(&is_told(a));
            told.then(held_b.total_cmp(&held_a)).then(within_b.total_cmp(&within_a))
        });
        if let Some(winner) = results.first().map(|(at, _)| *at) {
            for (at, result) in results.iter_mut().skip(1) {
                result.behind = self.behind(&numbers[winner], &numbers[*at], outcome, several);
            }
        }
        OutcomeResult {
            name,
            arms: outcome.iter().flatten().count(),
            picked: self.picked(&numbers, outcome).filter(|_| several),
            predictors: results.into_iter().map(|(_, result)| result).collect(),
        }
    }

    /// Points by setting.
    fn points(&self, numbers: &[Option<f64>], outcome: &[Option<f64>]) -> Vec<Vec<CorrelationPoint>> {
        let mut settings: BTreeMap<usize, Vec<CorrelationPoint>> = BTreeMap::new();
        for (arm, (x, y)) in numbers.iter().zip(outcome).enumerate() {
            if let (Some(x), Some(y)) = (*x, *y) {
                settings.entry(self.settings[arm]).or_default().push(CorrelationPoint {
                    unit: self.prompts[arm],
                    x,
                    y,
                });
            }
        }
        settings.into_values().collect()
    }

    fn held_out(&self, numbers: &[Option<f64>], outcome: &[Option<f64>]) -> Option<Estimate> {
        let found = Correlation::Spearman.within_seeds_over_units(&self.points(numbers, outcome))?;
        // Two settings that are predicted by each other say one thing twice.
        let enough = found.n_seeds > 2;
        Some(if enough { found } else { Estimate::alone(found.mean, found.support, found.n_seeds, found.n_items) })
    }

    /// The mean over settings of the rank correlation within each, over the arms that are kept.
    fn within(&self, numbers: &[Option<f64>], outcome: &[Option<f64>], keeps: &dyn Fn(usize) -> bool) -> f64 {
        let kept: Vec<Option<f64>> = numbers.iter().enumerate().map(|(arm, x)| x.filter(|_| keeps(arm))).collect();
        let found = Correlation::Spearman.within_seeds(&self.points(&kept, outcome));
        found.map_or(f64::NAN, |found| found.mean)
    }

    /// The winner's correlation less another one's, on arms that have both.
    fn behind(&self, winner: &Numbers, other: &Numbers, outcome: &[Option<f64>], several: bool) -> Option<Estimate> {
        let numbers_of = |numbers: &Numbers| if several { numbers.held_out.clone() } else { numbers.within.clone() };
        let (first, second) = (numbers_of(winner), numbers_of(other));
        let both: Vec<Option<f64>> = (0..self.arms.len())
            .map(|arm| outcome[arm].filter(|_| first[arm].is_some() && second[arm].is_some()))
            .collect();
        let difference = |keeps: &dyn Fn(usize) -> bool| {
            let value = |numbers: &[Option<f64>]| self.within(numbers, &both, keeps);
            let size = |value: f64| if several { value } else { value.abs() };
            size(value(&first)) - size(value(&second))
        };
        let mean = Some(difference(&|_| true)).filter(|mean| mean.is_finite())?;
        let alone = Estimate::alone(mean, Support::Line, 1, both.iter().flatten().count());
        let prompts = over(&self.prompts, &|prompt| difference(&|arm| self.prompts[arm] != prompt));
        let settings =
            over(&self.settings, &|setting| difference(&|arm| self.settings[arm] != setting)).filter(|_| several);
        let source = match (prompts, settings) {
            (Some(prompts), Some(settings)) => Some(prompts.and(settings)),
            (prompts, settings) => prompts.or(settings),
        };
        Some(source.map_or(alone, |source| alone.around([mean; 2], source, Method::Items)))
    }

    /// Within each setting, the correlation of the predictor that is best in the others.
    fn picked(&self, numbers: &[Numbers], outcome: &[Option<f64>]) -> Option<Estimate> {
        let settings = self.settings.iter().max()? + 1;
        let within = |numbers: &Numbers, setting: usize| {
            let points = (0..self.arms.len())
                .filter(|arm| self.settings[*arm] == setting)
                .filter_map(|arm| Some((numbers.within[arm]?, outcome[arm]?)));
            let (x, y): (Vec<f64>, Vec<f64>) = points.unzip();
            Some(Correlation::Spearman.of(&x, &y)).filter(|value| value.is_finite())
        };
        let table: Vec<Vec<Option<f64>>> =
            numbers.iter().map(|numbers| (0..settings).map(|setting| within(numbers, setting)).collect()).collect();
        let of_setting = |setting: usize| {
            let others = |row: &Vec<Option<f64>>| {
                let known: Vec<f64> =
                    (0..settings).filter(|other| *other != setting).filter_map(|other| row[other]).collect();
                (!known.is_empty()).then(|| known.iter().sum::<f64>() / known.len() as f64)
            };
            let known = table.iter().filter_map(|row| Some((others(row)?, row[setting]?)));
            let (elsewhere, left_out) = known.max_by(|a, b| a.0.abs().total_cmp(&b.0.abs()))?;
            Some(left_out * elsewhere.signum())
        };
        let picks: Vec<f64> = (0..settings).filter_map(of_setting).collect();
        Estimate::over_seeds(&picks, Support::Signed)
    }
}

/// The jackknife's error of leaving out each value of a label in turn; those without which there is no number say nothing.
fn over(labels: &[usize], without: &dyn Fn(usize) -> f64) -> Option<ErrorSource> {
    let count = labels.iter().max().map_or(0, |most| most + 1);
    ErrorSource::jackknife(&(0..count).map(without).filter(|value| value.is_finite()).collect::<Vec<f64>>())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arm(setting: &str, prompt: usize, suppression: f64, predictors: &[(&str, f64)]) -> ExternalArm {
        ExternalArm {
            line: 0,
            prompt: prompt.to_string(),
            setting: setting.to_owned(),
            turn: None,
            suppression,
            kept: None,
            target: 1.0,
            predictors: predictors.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect(),
        }
    }

    /// Four settings of twelve prompts: `good` follows the outcome but for noise, `wrong` is only noise.
    fn arms() -> Vec<ExternalArm> {
        let noise = |at: usize| ((at * 7919 + 13) % 101) as f64 / 101.0 - 0.5;
        let of = |at: usize| {
            let (setting, prompt) = (at / 12, at % 12);
            let suppression = prompt as f64 / 12.0 + 0.3 * noise(at);
            let good = prompt as f64 + 1.5 * noise(at + 500);
            arm(&setting.to_string(), prompt, suppression, &[("good", -good), ("wrong", noise(at + 999))])
        };
        (0..48).map(of).collect()
    }

    #[test]
    fn the_predictor_that_predicts_wins_whatever_its_sign() {
        let arms = arms();
        let found = compare(&arms, &vec![None; arms.len()]);
        assert_eq!(found.len(), 1, "there is no kept trait");
        let [first, second] = found[0].predictors.as_slice() else { panic!("two predictors: {found:?}") };
        assert_eq!((first.name.as_str(), first.from_table, first.behind.is_none()), ("good", true, true));
        let (within, held_out) = (first.within.unwrap(), first.held_out.unwrap());
        assert!(within.mean < -0.8 && held_out.mean > 0.8 && held_out.low > 0.5, "{within:?} {held_out:?}");
        assert!(second.behind.unwrap().low > 0.0, "{second:?}");
        assert!(found[0].picked.unwrap().mean > 0.8);
    }

    #[test]
    fn settings_of_other_levels_are_each_compared_within() {
        // In every setting the outcome goes with the number exactly, but settings lie two apart and their numbers do not.
        let of = |at: usize| {
            let (setting, prompt) = (at / 10, at % 10);
            let outcome = 2.0 * setting as f64 + 0.1 * prompt as f64;
            let noise = ((at * at * 53 + 11 * at) % 101) as f64;
            let mut arm = arm(&setting.to_string(), prompt, outcome, &[("good", prompt as f64), ("noise", noise)]);
            if at < 3 {
                arm.predictors.remove("noise");
            }
            arm
        };
        let arms: Vec<ExternalArm> = (0..40).map(of).collect();
        let found = compare(&arms, &vec![None; arms.len()]);
        let [first, second] = found[0].predictors.as_slice() else { panic!("two predictors: {found:?}") };
        let held_out = first.held_out.unwrap();
        assert!(first.name == "good" && held_out.mean > 0.999 && held_out.low > 0.9, "{first:?}");
        let behind = second.behind.unwrap();
        assert!(behind.low > 0.0 && behind.n_items == 37, "{behind:?}");
    }

    #[test]
    fn a_column_of_two_prompts_a_setting_does_not_win_by_their_order() {
        let with_few = |(at, mut arm): (usize, ExternalArm)| {
            if at % 12 < 2 {
                arm.predictors.insert("few".to_owned(), arm.suppression);
            }
            arm
        };
        let arms: Vec<ExternalArm> = arms().into_iter().enumerate().map(with_few).collect();
        let found = compare(&arms, &vec![None; arms.len()]);
        let few = found[0].predictors.iter().find(|result| result.name == "few").unwrap();
        assert!(few.within.unwrap().mean > found[0].predictors[0].within.unwrap().mean.abs(), "{few:?}");
        assert_eq!(found[0].predictors[0].name, "good");
    }

    #[test]
    fn one_setting_has_no_held_out_arms_and_two_no_interval_over_settings() {
        let one: Vec<ExternalArm> = arms().into_iter().take(12).collect();
        let found = compare(&one, &vec![None; 12]);
        let first = &found[0].predictors[0];
        assert!(first.name == "good" && first.held_out.is_none() && first.within.unwrap().has_interval());
        assert!(found[0].picked.is_none());
        let two: Vec<ExternalArm> = arms().into_iter().take(24).collect();
        assert!(!compare(&two, &vec![None; 24])[0].predictors[0].held_out.unwrap().has_interval());
    }
}
