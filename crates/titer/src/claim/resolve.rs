//! From the claims of a spec to claims about its plan: names, moments and arms looked up, every error with its line.

use std::sync::Arc;

use titer_data::nearest::nearest;
use toml::{Table, Value};

use super::{Bound, Claim, ClaimProblem, Formula, Over, Scope, State, Vocabulary, What};
use crate::{
    plan::{Arm, SweepPlan, show},
    spec::{ClaimFields, Spec, SpecError},
    stats::Correlation,
};

/// The claims of a spec whose plan this is.
///
/// # Errors
/// The first one that names what is not there.
pub fn resolve(spec: &Spec, plan: &SweepPlan) -> Result<Vec<Claim>, SpecError> {
    let vocabulary = Arc::new(vocabulary(plan));
    let claim = |(index, fields): (usize, &ClaimFields)| {
        let resolver = Resolver { spec, plan, vocabulary: &vocabulary, index, fields };
        resolver.claim()
    };
    spec.claims.iter().enumerate().map(claim).collect()
}

/// What claims about a plan may name.
fn vocabulary(plan: &SweepPlan) -> Vocabulary {
    let number = |value: &Value| value.is_float() || value.is_integer();
    let numbers = plan.axes.iter().filter(|(_, values)| values.iter().all(number));
    let steps = plan.arms.iter().map(|arm| arm.stages.iter().map(|stage| stage.steps).sum());
    Vocabulary {
        probes: plan.probe_names(),
        stages: plan.arms[0].stages.iter().map(|stage| stage.name.clone()).collect(),
        numbers: numbers.map(|(name, _)| name.clone()).collect(),
        pressed: !plan.pressure.is_never(),
        screened: plan.screen,
        steps: steps.max().unwrap_or_default(),
    }
}

struct Resolver<'a> {
    spec: &'a Spec,
    plan: &'a SweepPlan,
    vocabulary: &'a Arc<Vocabulary>,
    index: usize,
    fields: &'a ClaimFields,
}

impl Resolver<'_> {
    fn claim(&self) -> Result<Claim, SpecError> {
        let bound = Bound::parse(&self.fields.bound)
            .map_err(|problem| self.error(&["bound"], problem, "write \"> 0\", \"< 0.1\" or \"within 0.2 of 2\""))?;
        let at = match &self.fields.at {
            None => Ok(State::End),
            Some(Value::String(words)) => self.vocabulary.state(words),
            Some(Value::Integer(step)) => self.vocabulary.step(*step),
            Some(other) => {
                Err(ClaimProblem::new(format!("{other} is no moment"), "write at = \"end\" or a number of steps"))
            }
        };
        let at = at.map_err(|problem| self.blame(&["at"], problem))?;
        let formula = |field: &str, text: &str| {
            Formula::parse(text, &at, self.vocabulary).map_err(|problem| self.blame(&[field], problem))
        };
        let value = formula("value", &self.fields.value)?;
        let with = self.fields.with.as_deref().map(|text| formula("with", text)).transpose()?;
        let scope = self.scope(&value, with)?;
        self.has_screenings(&value, &scope)?;
        Ok(Claim { hash: self.fields.hash(), text: self.fields.text.clone(), at, value, bound, scope })
    }

    fn scope(&self, value: &Formula, with: Option<Formula>) -> Result<Scope, SpecError> {
        let fields = self.fields;
        let Some(with) = with else {
            let only_with = [("correlation", fields.correlation.is_some()), ("over", fields.over.is_some())];
            if let Some((field, _)) = only_with.into_iter().find(|(_, given)| *given) {
                return Err(self.error(
                    &[field],
                    format!("`{field}` belongs to a correlation"),
                    "name the other side as `with`",
                ));
            }
            let untrained = value.quantities().iter().all(|quantity| quantity.at == State::Base);
            return if untrained && fields.arms.is_none() && fields.against.is_none() {
                Ok(Scope::Untrained)
            } else {
                self.partners().map(Scope::Arms)
            };
        };
        if fields.against.is_some() {
            let problem = "a correlation is over arms, not against one";
            return Err(self.error(&["against"], problem, "leave out `against` or `with`"));
        }
        let method = self.word(
            "correlation",
            fields.correlation.as_deref(),
            Correlation::Spearman,
            &[("spearman", Correlation::Spearman), ("pearson", Correlation::Pearson)],
        )?;
        let over = self.word(
            "over",
            fields.over.as_deref(),
            Over::EachSeed,
            &[("each seed", Over::EachSeed), ("pooled", Over::Pooled)],
        )?;
        Ok(Scope::Correlation { with, method, over, arms: self.arms()? })
    }

    /// Where a claim is about screenings, one of its arms must have a prompt to screen, as far as can be told without the user's own rows.
    fn has_screenings(&self, value: &Formula, scope: &Scope) -> Result<(), SpecError> {
        let reads =
            |formula: &Formula| formula.quantities().iter().any(|quantity| matches!(quantity.what, What::Screened(_)));
        let (arms, asks): (Vec<usize>, bool) = match scope {
            Scope::Untrained => return Ok(()),
            Scope::Arms(arms) => (arms.iter().map(|(arm, _)| *arm).collect(), reads(value)),
            Scope::Correlation { with, arms, .. } => (arms.clone(), reads(value) || reads(with)),
        };
        let is_unread = self.plan.data.is_some() && self.plan.own_probes.is_none();
        let is_screened = |arm: &usize| self.plan.screened_prompt(&self.plan.arms[*arm]).is_some();
        if !asks || is_unread || arms.iter().any(is_screened) {
            return Ok(());
        }
        let problem = "none of the claim's arms trains `bad→bad` rows under one prompt, so none is screened";
        Err(self.error(&["value"], problem, "name arms whose `bad→bad` rows are under one prompt"))
    }

    fn word<T: Copy>(&self, field: &str, word: Option<&str>, default: T, known: &[(&str, T)]) -> Result<T, SpecError> {
        let Some(word) = word else { return Ok(default) };
        let choice = known.iter().find(|(name, _)| *name == word).map(|(_, value)| *value);
        choice.ok_or_else(|| {
            self.blame(&[field], ClaimProblem::unknown(field, word, known.iter().map(|(word, _)| *word)))
        })
    }

    /// The claim's arms, each with the one that it is compared with.
    fn partners(&self) -> Result<Vec<(usize, Option<usize>)>, SpecError> {
        let arms = self.arms()?;
        let Some(against) = &self.fields.against else { return Ok(arms.into_iter().map(|arm| (arm, None)).collect()) };
        let partner = |arm: usize| -> Option<usize> {
            let candidate = match against {
                Value::Table(other) => self.with_settings(arm, other),
                _ => Some(self.plan.arms[arm].control),
            };
            candidate.filter(|other| *other != arm)
        };
        match against {
            Value::Table(other) => self.check_settings("against", other)?,
            Value::String(word) if word == "control" => {}
            other => {
                let remedy =
                    "write against = \"control\", or settings of axes such as { \"train.mix.bad→good\" = 0.0 }";
                return Err(self.error(&["against"], format!("{other} is no arm"), remedy));
            }
        }
        let pairs: Vec<_> = arms.into_iter().filter_map(|arm| Some((arm, Some(partner(arm)?)))).collect();
        if pairs.is_empty() {
            let problem = "none of the claim's arms has another arm with these settings";
            return Err(self.error(&["against"], problem, "`titer check` without the claim lists the arms"));
        }
        Ok(pairs)
    }

    /// The arms that a claim is about: those of the grid that have all settings of `arms`; without it, all of the grid that are no
    /// control. Controls of inoculation, which titer adds, are controls too.
    fn arms(&self) -> Result<Vec<usize>, SpecError> {
        let arms = || self.plan.arms.iter().enumerate();
        let selected: Vec<usize> = match &self.fields.arms {
            None => arms().take(self.grid()).filter(|(at, arm)| arm.control != *at).map(|(at, _)| at).collect(),
            Some(Value::String(word)) if word == "all" => arms().map(|(at, _)| at).collect(),
            Some(Value::Table(wanted)) => {
                self.check_settings("arms", wanted)?;
                let has = |arm: &Arm| wanted.iter().all(|(name, value)| self.has(arm, name, value));
                arms().take(self.grid()).filter(|(_, arm)| has(arm)).map(|(at, _)| at).collect()
            }
            Some(other) => {
                let remedy =
                    "write arms = \"all\", or settings of axes such as { \"train.mix.bad→good\" = [0.1, 1.0] }";
                return Err(self.error(&["arms"], format!("{other} names no arms"), remedy));
            }
        };
        if selected.is_empty() {
            let remedy = "arms = \"all\" takes controls too; `titer check` without the claim lists the arms";
            return Err(self.error(&["arms"], "the claim is about no arm", remedy));
        }
        Ok(selected)
    }

    /// Whether an arm has this value, or one of these, on an axis.
    fn has(&self, arm: &Arm, axis: &str, wanted: &Value) -> bool {
        let axis = self.axis(axis).map(|(name, _)| name.as_str());
        let setting = arm.settings.iter().find(|(name, _)| Some(name.as_str()) == axis);
        setting.is_some_and(|(_, value)| values(wanted).iter().any(|wanted| same(wanted, value)))
    }

    /// The arm with the settings of another one but for these.
    fn with_settings(&self, arm: usize, other: &Table) -> Option<usize> {
        let named = |name: &str| other.iter().find(|(axis, _)| self.axis(axis).is_some_and(|(axis, _)| axis == name));
        let agrees = |candidate: &Arm| {
            candidate.settings.iter().all(|(name, value)| match named(name) {
                Some((_, wanted)) => same(wanted, value),
                None => self.plan.arms[arm].settings.iter().any(|(axis, set)| axis == name && set == value),
            })
        };
        self.plan.arms.iter().take(self.grid()).position(agrees)
    }

    /// How many arms the axes make; controls that titer added come after them.
    fn grid(&self) -> usize {
        self.plan.axes.iter().map(|(_, values)| values.len()).product()
    }

    /// An axis by its name or by the end of it, which is that of no other: see [`Self::check_settings`].
    fn axis(&self, name: &str) -> Option<&(String, Vec<Value>)> {
        let name = name.replace("->", "→");
        let ends = |axis: &&(String, Vec<Value>)| axis.0.ends_with(&format!(".{name}"));
        let axes = || self.plan.axes.iter();
        axes().find(|(axis, _)| *axis == name).or_else(|| axes().find(ends))
    }

    /// The axes whose names end so; none where one is called so.
    fn ending(&self, name: &str) -> Vec<&str> {
        let name = name.replace("->", "→");
        let axes = || self.plan.axes.iter().map(|(axis, _)| axis.as_str());
        if axes().any(|axis| axis == name) {
            return Vec::new();
        }
        axes().filter(|axis| axis.ends_with(&format!(".{name}"))).collect()
    }

    /// Whether axes and values exist.
    fn check_settings(&self, field: &str, settings: &Table) -> Result<(), SpecError> {
        for (name, wanted) in settings {
            if let [first, second, ..] = self.ending(name)[..] {
                let problem = format!("`{name}` is the end of several axes, such as `{first}` and `{second}`");
                return Err(self.error(&[field, name], problem, "write the whole name of one"));
            }
            let Some((_, known)) = self.axis(name) else {
                let axes = || self.plan.axes.iter().map(|(name, _)| name.as_str());
                let end = |axis: &'_ str| axis.rsplit('.').next().is_some_and(|end| nearest(name, [end]).is_some());
                let problem = match axes().find(|axis| end(axis)) {
                    Some(near) => ClaimProblem::unknown("axis", name, [near]).suggesting(near),
                    None => ClaimProblem::unknown("axis", name, axes()),
                };
                return Err(self.blame(&[field, name], problem));
            };
            for wanted in values(wanted) {
                if !known.iter().any(|value| same(wanted, value)) {
                    let known: Vec<String> = known.iter().map(show).collect();
                    let problem = ClaimProblem::unknown(
                        &format!("value of `{name}`"),
                        &show(wanted),
                        known.iter().map(String::as_str),
                    );
                    return Err(self.blame(&[field, name], problem));
                }
            }
        }
        Ok(())
    }

    fn blame(&self, field: &[&str], ClaimProblem { problem, remedy }: ClaimProblem) -> SpecError {
        self.error(field, problem, remedy)
    }

    fn error(&self, field: &[&str], problem: impl Into<String>, remedy: impl Into<String>) -> SpecError {
        self.spec.error(&[&["claim", &self.index.to_string()], field].concat(), problem, remedy)
    }
}

/// One value, or those of a list.
fn values(value: &Value) -> Vec<&Value> {
    match value {
        Value::Array(values) => values.iter().collect(),
        value => vec![value],
    }
}

/// Whether a value as a claim writes it is one of an axis: numbers by size, everything else by how it is shown.
fn same(wanted: &Value, shown: &Value) -> bool {
    let number = |value: &Value| value.as_float().or(value.as_integer().map(|number| number as f64));
    match (number(wanted), number(shown)) {
        (Some(wanted), Some(shown)) => wanted == shown,
        _ => show(wanted).replace("->", "→") == show(shown).replace("->", "→"),
    }
}
