//! Which axis is the dose, and which arms form a dose–response series.

use titer_data::probe::Component;

use super::{figure::names_fit, format};
use crate::{
    plan::Setting,
    results::{SweepResults, SweptAxis},
};

/// The dose axis of a sweep.
#[derive(Clone, Debug)]
pub(super) struct Dose {
    /// The axis' name in the spec; empty where nothing is swept.
    pub name: String,
    /// What a reader calls it.
    pub label: String,
    /// Its values in ascending order where they are numbers, else in the order of the spec.
    pub values: Vec<Setting>,
}

/// The arms that differ in nothing but the dose.
#[derive(Clone, Debug)]
pub(super) struct Series {
    /// What they share, such as `optimiser adamw, rest neutral→good`; empty where nothing else is swept.
    pub title: String,
    /// Position on the dose axis and index of the arm, ascending.
    pub arms: Vec<(usize, usize)>,
    /// The control that all of them share, as an index; `None` where they have several or none.
    pub control: Option<usize>,
}

impl Series {
    /// Its arms of which a run is finished, with their positions.
    pub(super) fn finished<'a>(
        &'a self,
        results: &'a SweepResults,
    ) -> impl DoubleEndedIterator<Item = (usize, usize)> + 'a {
        self.arms.iter().copied().filter(|(_, arm)| !results.arms[*arm].runs.is_empty())
    }

    /// Its title in brackets behind what is said of it.
    pub(super) fn in_brackets(&self) -> String {
        if self.title.is_empty() { String::new() } else { format!(" ({})", self.title) }
    }

    /// Where its dose ends: the last of them.
    pub(super) fn end(&self, results: &SweepResults) -> Option<(usize, usize)> {
        self.finished(results).next_back()
    }

    /// Whether its last arm is among them.
    pub(super) fn is_finished_to_its_end(&self, results: &SweepResults) -> bool {
        self.end(results) == self.arms.last().copied()
    }

    /// How a sentence calls the dose where it ends.
    pub(super) fn name_of_largest(&self, results: &SweepResults) -> &'static str {
        if self.is_finished_to_its_end(results) { "the largest" } else { "the largest finished" }
    }
}

impl Dose {
    /// The first numeric axis with more than one value, else the first axis with more than one, else the first.
    pub(super) fn of(results: &SweepResults) -> Self {
        let number = |value: &Setting| matches!(value, Setting::Number(_));
        let swept = || results.axes.iter().filter(|axis| axis.values.len() > 1);
        let chosen =
            swept().find(|axis| axis.values.iter().all(number)).or_else(|| swept().next()).or(results.axes.first());
        let Some(axis) = chosen else {
            return Self { name: String::new(), label: String::new(), values: Vec::new() };
        };
        let mut values = axis.values.clone();
        if values.iter().all(number) {
            values.sort_by(|left, right| match (left, right) {
                (Setting::Number(left), Setting::Number(right)) => left.total_cmp(right),
                _ => std::cmp::Ordering::Equal,
            });
        }
        Self { name: axis.name.clone(), label: results.axis_label(&axis.name), values }
    }

    /// The values as numbers; `None` where one is not a number.
    pub(super) fn numbers(&self) -> Option<Vec<f64>> {
        (!self.values.is_empty()).then(|| self.values.iter().map(Setting::number).collect())?
    }

    /// Whether it stands for arms with names of their own, so that none of them is the largest.
    pub(super) fn is_of_names(&self) -> bool {
        self.values.len() > 1 && self.numbers().is_none()
    }

    /// The component that the sweep is about, which a report opens with: acting well where arms with names inoculate, since they are
    /// compared by what they keep out; else obeying bad prompts.
    pub(super) fn asked(&self, results: &SweepResults) -> Component {
        let inoculates = results.arms.iter().any(|arm| arm.inoculates);
        if self.is_of_names() && inoculates { Component::Good } else { Component::ObeyBad }
    }

    /// Whether its values are names that have no room under a figure, so that they go by number there.
    pub(super) fn is_numbered(&self) -> bool {
        let names: Vec<String> = (0..self.values.len()).map(|position| self.value(position)).collect();
        self.numbers().is_none() && !names_fit(&names)
    }

    /// What is written under a figure's axis.
    pub(super) fn axis_label(&self) -> String {
        if self.is_numbered() { format!("{}, numbered as in the first table", self.label) } else { self.label.clone() }
    }

    /// The value at a position, as a reader would write it.
    pub(super) fn value(&self, position: usize) -> String {
        self.values.get(position).map_or_else(|| "all runs".to_owned(), |value| format::setting(&self.name, value))
    }

    /// The value at a position with the axis' name before it.
    pub(super) fn named(&self, position: usize) -> String {
        format!("{} {}", self.label, self.value(position)).trim_start().to_owned()
    }

    /// The head of a column of values.
    pub(super) fn head(&self) -> &str {
        if self.name.is_empty() { "arm" } else { &self.label }
    }
}

/// The series of a sweep, in the order of the plan. An arm without a dose is in none, and neither is a series of
/// nothing but controls: they are what the others are compared with.
pub(super) fn all(results: &SweepResults, dose: &Dose) -> Vec<Series> {
    let mut series: Vec<Series> = Vec::new();
    for (index, arm) in results.arms.iter().enumerate() {
        let position = match arm.settings.get(&dose.name) {
            Some(value) => dose.values.iter().position(|other| other == value),
            None => dose.values.is_empty().then_some(0),
        };
        let Some(position) = position else { continue };
        let rest = |axis: &&SweptAxis| axis.name != dose.name && axis.values.len() > 1;
        let shared = results.axes.iter().filter(rest).filter_map(|axis| {
            let value = arm.settings.get(&axis.name)?;
            Some(format!("{} {}", results.axis_label(&axis.name), format::setting(&axis.name, value)))
        });
        let title = shared.collect::<Vec<_>>().join(", ");
        match series.iter_mut().find(|series| series.title == title) {
            // A control that was added for an arm may have all of its settings but the mix.
            Some(series) if series.arms.iter().any(|(taken, _)| *taken == position) => {}
            Some(series) => series.arms.push((position, index)),
            None => series.push(Series { title, arms: vec![(position, index)], control: None }),
        }
    }
    series.retain(|series| series.arms.iter().any(|&(_, arm)| !is_control(results, arm)));
    for series in &mut series {
        series.arms.sort_unstable();
        let mut controls: Vec<usize> = series.arms.iter().filter_map(|&(_, arm)| results.arms[arm].control).collect();
        controls.dedup();
        series.control = (controls.len() == 1).then(|| controls[0]);
    }
    series
}

fn is_control(results: &SweepResults, arm: usize) -> bool {
    results.arms.iter().any(|other| other.control == Some(arm))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results::ArmResults;

    fn axis(name: &str, values: &[Setting]) -> SweptAxis {
        SweptAxis { name: name.to_owned(), values: values.to_vec() }
    }

    fn word(word: &str) -> Setting {
        Setting::Word(word.to_owned())
    }

    #[test]
    fn the_dose_is_the_first_numeric_axis_with_several_values() {
        let axes = vec![
            axis("optimiser", &[word("sgd"), word("adamw")]),
            axis("rows", &[Setting::Number(100.0)]),
            axis("dose", &[Setting::Number(1.0), Setting::Number(0.0)]),
        ];
        let dose = |axes: &[SweptAxis]| Dose::of(&SweepResults { axes: axes.to_vec(), ..SweepResults::default() });
        assert_eq!((dose(&axes).name.as_str(), dose(&axes).numbers()), ("dose", Some(vec![0.0, 1.0])));
        assert_eq!((dose(&axes[..2]).name.as_str(), dose(&axes[..2]).numbers()), ("optimiser", None));
        assert_eq!(dose(&[]).numbers(), None);
    }

    #[test]
    fn arms_that_differ_in_the_dose_only_form_a_series_and_a_lone_control_does_not() {
        let axes =
            vec![axis("dose", &[Setting::Number(0.0), Setting::Number(1.0)]), axis("rest", &[word("a"), word("b")])];
        let arm = |dose: f64, rest: &str, control| ArmResults {
            settings: [("dose".to_owned(), Setting::Number(dose)), ("rest".to_owned(), word(rest))].into(),
            control,
            ..ArmResults::default()
        };
        let lone = ArmResults { settings: [("dose".to_owned(), Setting::Number(0.0))].into(), ..ArmResults::default() };
        let arms = vec![lone, arm(1.0, "a", Some(0)), arm(0.0, "b", Some(0)), arm(0.0, "a", Some(0))];
        let results = SweepResults { axes, arms, ..SweepResults::default() };
        let found = all(&results, &Dose::of(&results));
        let found: Vec<_> = found.iter().map(|one| (one.title.as_str(), one.arms.as_slice(), one.control)).collect();
        let expected: [(&str, &[(usize, usize)], _); 2] =
            [("rest a", &[(0, 3), (1, 1)], Some(0)), ("rest b", &[(0, 2)], Some(0))];
        assert_eq!(found, expected);
    }

    #[test]
    fn a_sweep_without_axes_is_one_series_of_one_arm() {
        let results = SweepResults { arms: vec![ArmResults::default()], ..SweepResults::default() };
        let found = all(&results, &Dose::of(&results));
        assert_eq!(found[0].arms, [(0, 0)]);
    }
}
