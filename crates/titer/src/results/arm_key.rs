//! Which arms of two sweeps are the same.

use std::collections::BTreeMap;

use super::{ArmResults, SweepResults};
use crate::plan::Setting;

/// What makes an arm the same as one of another sweep: its value on every axis by the axis' whole name, numbers by size, and for arms that titer
/// added what they are for. An arm's name is for people: it leaves stages out, and says numbers as they were written.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ArmKey {
    /// Empty for an arm of the grid.
    role: String,
    settings: BTreeMap<String, String>,
    /// The arm that it was added for, where its settings do not tell it from others.
    of: Option<Box<ArmKey>>,
}

impl SweepResults {
    /// The keys of all arms, in their order.
    pub fn arm_keys(&self) -> Vec<ArmKey> {
        let plain: Vec<ArmKey> = (0..self.arms.len()).map(|at| self.plain_key(at)).collect();
        let key = |at: usize| {
            let alone = plain.iter().filter(|other| **other == plain[at]).count() == 1;
            let of = (!alone).then(|| self.added_for(at)).flatten().map(|of| Box::new(plain[of].clone()));
            ArmKey { of, ..plain[at].clone() }
        };
        (0..self.arms.len()).map(key).collect()
    }

    /// Whether titer added an arm to those that the axes make.
    pub fn is_added(&self, arm: usize) -> bool {
        arm >= self.axes.iter().map(|axis| axis.values.len()).product()
    }

    fn plain_key(&self, at: usize) -> ArmKey {
        let arm = &self.arms[at];
        let settings = arm.settings.iter().map(|(name, value)| (one_arrow(name), written(value))).collect();
        let role = match self.added_for(at) {
            None => String::new(),
            Some(of) => self.arms[of].role_of(at).unwrap_or("control").to_owned(),
        };
        ArmKey { role, settings, of: None }
    }

    /// The first arm that an added one is a control of.
    fn added_for(&self, at: usize) -> Option<usize> {
        let is_for = |arm: &ArmResults| arm.control == Some(at) || arm.role_of(at).is_some();
        self.arms.iter().position(is_for).filter(|_| self.is_added(at))
    }
}

impl ArmResults {
    /// Which of its controls of inoculation an arm is.
    fn role_of(&self, other: usize) -> Option<&str> {
        self.inoculation.iter().find(|(_, at)| **at == other).map(|(kind, _)| kind.as_str())
    }
}

fn one_arrow(text: &str) -> String {
    text.replace("->", "→")
}

/// A value so that equal ones are the same text.
fn written(value: &Setting) -> String {
    match value {
        // Of the two zeros, one.
        Setting::Number(number) => format!("{}", number + 0.0),
        Setting::Word(word) => format!("`{}`", one_arrow(word)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results::SweptAxis;

    /// A sweep of one axis with these values, and a control that titer added.
    fn sweep(axis: &str, values: &[Setting]) -> SweepResults {
        let arm = |value: &Setting| ArmResults {
            name: "the same name".to_owned(),
            settings: [(axis.to_owned(), value.clone())].into(),
            control: Some(values.len()),
            ..ArmResults::default()
        };
        let added = ArmResults { name: "the same name".to_owned(), ..ArmResults::default() };
        SweepResults {
            axes: vec![SweptAxis { name: axis.to_owned(), values: values.to_vec() }],
            arms: values.iter().map(arm).chain([added]).collect(),
            ..SweepResults::default()
        }
    }

    #[test]
    fn arms_are_the_same_where_whole_names_and_values_are() {
        let number = |values: [f64; 2]| values.map(Setting::Number);
        let keys = sweep("train.mix.bad→good", &number([0.0, 1.0])).arm_keys();
        assert_eq!(keys, sweep("train.mix.bad->good", &number([-0.0, 1.0])).arm_keys());
        let later = sweep("later.mix.bad→good", &number([0.0, 1.0])).arm_keys();
        assert!(keys[..2].iter().all(|key| !later.contains(key)), "another stage");
        assert_eq!(keys[2], later[2], "controls that no axis tells apart");
        let words = ["0", "1"].map(|word| Setting::Word(word.to_owned()));
        assert!(sweep("train.mix.bad→good", &words).arm_keys()[..2].iter().all(|key| !keys.contains(key)));
    }

    #[test]
    fn controls_that_their_settings_do_not_tell_apart_are_told_by_whose_they_are() {
        let mut sweep = sweep("train.batch", &[8.0, 16.0].map(Setting::Number));
        sweep.arms.push(ArmResults { name: "another".to_owned(), ..ArmResults::default() });
        sweep.arms[1].control = Some(3);
        let keys = sweep.arm_keys();
        assert!(
            keys[2] != keys[3] && keys[2].of.as_deref() == Some(&keys[0]) && sweep.is_added(3) && !sweep.is_added(1)
        );
    }
}
