//! Arithmetic over measured quantities, such as `rate('good') - rate('good', at='base')`.

use std::{
    collections::BTreeSet,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use minijinja::{
    Environment, Error, ErrorKind, UndefinedBehavior,
    value::{Kwargs, Value, ValueKind},
};
use titer_data::probe::Component;

use super::{ClaimProblem, Quantity, State, Vocabulary, WarningNumber, What};
use crate::{results::Measure, stats::Support};

/// An expression, its names checked.
#[derive(Clone, Debug)]
pub struct Formula {
    text: String,
    at: State,
    vocabulary: Arc<Vocabulary>,
    quantities: Vec<Quantity>,
}

/// Gives a quantity its number.
type Reader = Arc<dyn Fn(Quantity) -> f64 + Send + Sync>;

/// Characters of an expression at most: what it nests is bounded with it.
const LONGEST: usize = 4_000;

/// Words that Jinja knows and arithmetic does not: what they leave out would not be checked.
const NO_ARITHMETIC: [&str; 7] = ["if", "else", "and", "or", "not", "in", "is"];

/// Functions of numbers.
const MATHS: [&str; 6] = ["abs", "sqrt", "log", "exp", "min", "max"];

/// Functions that measure, with how they are written.
const MEASURING: [(&str, &str); 13] = [
    ("rate", "rate('good/seen/trained')"),
    ("margin", "margin('good/seen/trained')"),
    ("gap", "gap('obey_bad/seen/trained')"),
    ("other", "other('good/seen/trained')"),
    ("surprise", "surprise('bad→good')"),
    ("pressure", "pressure('bad→good', 'obey_bad')"),
    ("leak", "leak('new')"),
    ("headroom", "headroom('train')"),
    ("overlap", "overlap('train')"),
    ("start_surprise", "start_surprise('train')"),
    ("screened", "screened('narrowness')"),
    ("loss", "loss('train')"),
    ("setting", "setting('train.mix.bad→good')"),
];

impl Formula {
    /// Reads an expression whose quantities are read `at` this moment where they name no other.
    ///
    /// # Errors
    /// Where it is no arithmetic over known names.
    pub(super) fn parse(text: &str, at: &State, vocabulary: &Arc<Vocabulary>) -> Result<Self, ClaimProblem> {
        if text.len() > LONGEST {
            let problem = format!("an expression of {} characters", text.len());
            return Err(ClaimProblem::new(problem, format!("write it in {LONGEST} at most, or as several claims")));
        }
        if let Some(word) = words(text).into_iter().find(|word| NO_ARITHMETIC.contains(&word.as_str())) {
            let remedy = "use numbers, + - * / **, and functions such as rate('good')";
            return Err(ClaimProblem::new(format!("`{word}` is no arithmetic"), remedy));
        }
        let read = Arc::new(Mutex::new(Vec::new()));
        let reader = Arc::clone(&read);
        let mut formula =
            Self { text: text.to_owned(), at: at.clone(), vocabulary: Arc::clone(vocabulary), quantities: Vec::new() };
        formula.run(Arc::new(move |quantity| {
            reader.lock().unwrap_or_else(PoisonError::into_inner).push(quantity);
            1.0
        }))?;
        formula.quantities = std::mem::take(&mut *read.lock().unwrap_or_else(PoisonError::into_inner));
        if formula.quantities.is_empty() {
            return Err(ClaimProblem::new(
                "it measures nothing",
                format!("write something such as {}", MEASURING[0].1),
            ));
        }
        Ok(formula)
    }

    /// The expression as written.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// What it measures.
    pub(crate) fn quantities(&self) -> &[Quantity] {
        &self.quantities
    }

    /// Its value where `read` gives the quantities; `None` where one of them is not there or the value is not finite.
    pub fn value(&self, read: impl Fn(&Quantity) -> Option<f64>) -> Option<f64> {
        let numbers: Vec<f64> = self.quantities.iter().map(read).collect::<Option<_>>()?;
        // Without conditions, quantities are asked for in the order in which they were when the expression was read.
        let next = AtomicUsize::new(0);
        let number = move |_| numbers.get(next.fetch_add(1, Ordering::Relaxed)).copied().unwrap_or(f64::NAN);
        self.run(Arc::new(number)).ok().filter(|value| value.is_finite())
    }

    /// Where its values lie: between 0 and 1 or between −1 and 1 where it is so with every rate at either of its ends, as for a rate and for a
    /// difference of two, and the value is linear in each rate, so that none between the ends lies further out; else anywhere.
    pub fn support(&self) -> Support {
        let mut rates: Vec<&Quantity> = Vec::new();
        for quantity in &self.quantities {
            if !quantity.is_rate() {
                return Support::Line;
            }
            if !rates.contains(&quantity) {
                rates.push(quantity);
            }
        }
        if rates.len() > 6 || !(0..rates.len()).all(|rate| self.is_linear_in(rate, &rates)) {
            return Support::Line;
        }
        let mut ends =
            (0..1_usize << rates.len()).map(|corner| self.value_at(&rates, |at| ((corner >> at) & 1) as f64));
        ends.try_fold(Support::Rate, |support, value| match value {
            Some(value) if (0.0..=1.0).contains(&value) => Some(support),
            Some(value) if (-1.0..=1.0).contains(&value) => Some(Support::Signed),
            _ => None,
        })
        .unwrap_or(Support::Line)
    }

    /// Whether one rate alone moves the value along a line, the others being anywhere: tried at two places between the ends.
    fn is_linear_in(&self, rate: usize, rates: &[&Quantity]) -> bool {
        let value = |place: f64| {
            let elsewhere = |at: usize| 0.31 + 0.53 * at as f64 / rates.len() as f64;
            self.value_at(rates, |at| if at == rate { place } else { elsewhere(at) })
        };
        let (Some(start), Some(end)) = (value(0.0), value(1.0)) else { return false };
        let on_line = |place: f64, value: f64| (value - (start + place * (end - start))).abs() <= 1e-9;
        [0.3, 0.8].into_iter().all(|place| value(place).is_some_and(|value| on_line(place, value)))
    }

    /// The value with each of these rates at its place.
    fn value_at(&self, rates: &[&Quantity], place: impl Fn(usize) -> f64) -> Option<f64> {
        self.value(|quantity| rates.iter().position(|rate| *rate == quantity).map(&place))
    }

    fn run(&self, read: Reader) -> Result<f64, ClaimProblem> {
        let environment = self.environment(read);
        let expression = environment.compile_expression(&self.text).map_err(problem)?;
        let known: Vec<&str> = MEASURING.iter().map(|(name, _)| *name).chain(MATHS).collect();
        let names: BTreeSet<String> = expression.undeclared_variables(false).into_iter().collect();
        if let Some(name) = names.iter().find(|name| !known.contains(&name.as_str())) {
            let mut problem = ClaimProblem::unknown("function", name, known);
            problem.remedy += "; names of probes, cells and stages stand in quotes";
            return Err(problem);
        }
        let value = expression.eval(()).map_err(problem)?;
        let number = Some(&value).filter(|value| value.kind() == ValueKind::Number);
        number.and_then(|value| f64::try_from(value.clone()).ok()).ok_or_else(|| {
            ClaimProblem::new(
                format!("`{}` is no number", self.text),
                "write arithmetic; the comparison belongs into `bound`",
            )
        })
    }

    fn environment(&self, read: Reader) -> Environment<'static> {
        let mut environment = Environment::empty();
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        for (name, measure) in
            [("rate", Measure::Rate), ("margin", Measure::Margin), ("gap", Measure::Gap), ("other", Measure::Other)]
        {
            let split = move |words: &Vocabulary, [probe]: [&str; 1]| {
                let split = words.split(probe)?;
                if measure == Measure::Gap && split.component != Component::ObeyBad {
                    let remedy = "write gap('obey_bad/…'), or take the margin";
                    return Err(ClaimProblem::new(format!("`{probe}` has no gap, only obey_bad has one"), remedy));
                }
                Ok(What::Probe(measure, split))
            };
            self.add(&mut environment, name, &read, split);
        }
        self.add(&mut environment, "surprise", &read, |words, [cell]| Ok(What::Surprise(words.cell(cell)?)));
        self.add(&mut environment, "pressure", &read, |words, [cell, component]| {
            if !words.pressed {
                let remedy = "add a line such as pressure = \"every 25 steps\" to the spec";
                return Err(ClaimProblem::new("the runs take no pressures", remedy));
            }
            Ok(What::Pressure(words.cell(cell)?, words.component(component)?))
        });
        self.add(&mut environment, "leak", &read, |words, [domains]| {
            Ok(What::Leak(words.split(&format!("good/seen/{domains}"))?))
        });
        for (name, warning) in [
            ("headroom", WarningNumber::Headroom),
            ("overlap", WarningNumber::Overlap),
            ("start_surprise", WarningNumber::Surprise),
        ] {
            self.add(&mut environment, name, &read, move |words, [stage]| {
                Ok(What::WarningNumber(warning, words.stage(stage)?))
            });
        }
        self.add(&mut environment, "screened", &read, |words, [name]| Ok(What::Screened(words.predictor(name)?)));
        self.add(&mut environment, "loss", &read, |words, [stage]| Ok(What::Loss(words.stage(stage)?)));
        self.add(&mut environment, "setting", &read, |words, [axis]| {
            let known = || words.numbers.iter().map(String::as_str);
            let mut ends = known().filter(|name| name.ends_with(&format!(".{axis}")));
            let name = match (known().find(|name| *name == axis), ends.next(), ends.next()) {
                (None, Some(one), Some(other)) => {
                    let problem = format!("`{axis}` is the end of several axes, such as `{one}` and `{other}`");
                    return Err(ClaimProblem::new(problem, "write the whole name of one"));
                }
                (exact, end, _) => exact.or(end),
            };
            let name = name.ok_or_else(|| ClaimProblem::unknown("axis of numbers", axis, known()))?;
            Ok(What::Setting(name.to_owned()))
        });
        environment.add_function("abs", f64::abs);
        environment.add_function("sqrt", f64::sqrt);
        environment.add_function("log", f64::ln);
        environment.add_function("exp", f64::exp);
        environment.add_function("min", f64::min);
        environment.add_function("max", f64::max);
        environment
    }

    /// Adds a function of `N` names and a moment.
    fn add<const N: usize>(
        &self,
        environment: &mut Environment<'static>,
        name: &'static str,
        read: &Reader,
        what: impl Fn(&Vocabulary, [&str; N]) -> Result<What, ClaimProblem> + Send + Sync + 'static,
    ) {
        let (vocabulary, default, read) = (Arc::clone(&self.vocabulary), self.at.clone(), Arc::clone(read));
        let function = move |names: minijinja::value::Rest<minijinja::value::ValueOrKwargs>| -> Result<f64, Error> {
            let fail = |problem: ClaimProblem| Error::new(ErrorKind::InvalidOperation, "").with_source(problem);
            let written = MEASURING.iter().find(|(known, _)| *known == name).map_or("", |(_, written)| *written);
            let usage = || {
                ClaimProblem::new(
                    format!("`{name}` is not used so"),
                    format!("write {written}, at='end' or so beside it"),
                )
            };
            let mut values: Vec<Value> = names.0.into_iter().map(|value| value.into_value()).collect();
            let at = match values.last().cloned().and_then(|value| Kwargs::try_from(value).ok()) {
                Some(named) => {
                    values.pop();
                    let at: Option<Value> = named.get("at")?;
                    named.assert_all_used().map_err(|_| fail(usage()))?;
                    at
                }
                None => None,
            };
            let names: Option<Vec<&str>> = values.iter().map(Value::as_str).collect();
            let names: [&str; N] = names.and_then(|names| names.try_into().ok()).ok_or_else(|| fail(usage()))?;
            let at = match &at {
                None => Ok(default.clone()),
                Some(at) => match (at.as_str(), at.as_i64()) {
                    (Some(words), _) => vocabulary.state(words),
                    (_, Some(step)) => vocabulary.step(step),
                    _ => Err(usage()),
                },
            };
            let what = what(&vocabulary, names).map_err(fail)?;
            Ok(read(Quantity { what, at: at.map_err(fail)? }))
        };
        environment.add_function(name, function);
    }
}

/// The words of an expression outside its quotes.
fn words(text: &str) -> Vec<String> {
    let mut quote = None;
    let outside = |c: char| match (quote, c) {
        (None, '\'' | '"') => {
            quote = Some(c);
            ' '
        }
        (Some(open), c) if open == c => {
            quote = None;
            ' '
        }
        (Some(_), _) => ' ',
        (None, c) => c,
    };
    let outside: String = text.chars().map(outside).collect();
    outside
        .split(|c: char| !c.is_alphanumeric() && c != '_')
        .filter(|word| !word.is_empty())
        .map(str::to_owned)
        .collect()
}

/// What Jinja says, or what one of our functions had to say.
fn problem(error: Error) -> ClaimProblem {
    let cause = std::error::Error::source(&error).and_then(|source| source.downcast_ref::<ClaimProblem>());
    cause.cloned().unwrap_or_else(|| {
        let detail = error.detail().map_or_else(|| error.kind().to_string(), str::to_owned);
        ClaimProblem::new(
            format!("it cannot be read: {detail}"),
            "write arithmetic such as rate('good') - rate('good', at='base')",
        )
    })
}

#[cfg(test)]
mod tests {
    use titer_data::world::DomainSplit;

    use super::*;
    use crate::results::Split;

    fn vocabulary() -> Arc<Vocabulary> {
        Arc::new(Vocabulary {
            probes: vec![
                "good/seen/trained".to_owned(),
                "good/seen/new".to_owned(),
                "obey_bad/seen/trained".to_owned(),
            ],
            stages: vec!["train".to_owned()],
            numbers: ["train.mix.bad→good", "first.rows", "second.rows"].map(str::to_owned).into(),
            pressed: false,
            screened: false,
            steps: 100,
        })
    }

    fn parse(text: &str) -> Result<Formula, ClaimProblem> {
        Formula::parse(text, &State::End, &vocabulary())
    }

    #[test]
    fn arithmetic_over_what_is_read() {
        let formula =
            parse("2 * abs(rate('good/seen/new', at='base') - rate('good', at=50)) / surprise('bad->good') ** 2")
                .unwrap();
        let trained = Split::leading(Component::Good);
        let new = Split { domains: DomainSplit::New, ..trained };
        let wanted = [
            (What::Probe(Measure::Rate, new), State::Base),
            (What::Probe(Measure::Rate, trained), State::Step(50)),
            (What::Surprise("bad→good".parse().unwrap()), State::End),
        ];
        let read = formula.quantities().iter().map(|one| (one.what.clone(), one.at.clone()));
        assert!(read.eq(wanted), "{:?}", formula.quantities());
        let number = |quantity: &Quantity| match &quantity.what {
            What::Surprise(_) => Some(2.0),
            _ => Some(if quantity.at == State::Base { 0.25 } else { 0.75 }),
        };
        assert_eq!(formula.value(number), Some(0.25));
        assert_eq!(formula.value(|_| None), None);
        assert_eq!(formula.value(|_| Some(0.0)), None, "0 / 0 is no measurement");
        assert!(parse("setting('bad→good') - min(gap('obey_bad', at='end of train'), 1)").is_ok());
    }

    #[test]
    fn only_what_is_linear_in_its_rates_has_the_ends_of_a_rate() {
        for (text, wanted) in [
            ("rate('good')", Support::Rate),
            ("1 - rate('good') * rate('obey_bad')", Support::Rate),
            ("(rate('good') + rate('obey_bad')) / 2", Support::Rate),
            ("rate('good') - rate('good', at='base')", Support::Signed),
            ("rate('good') + rate('obey_bad')", Support::Line),
            ("margin('good')", Support::Line),
            // 0 at both ends, and 5 between them.
            ("20 * rate('good') * (1 - rate('good'))", Support::Line),
            ("20 * rate('good') * rate('obey_bad') * (1 - rate('good'))", Support::Line),
            // ±0.2 at the ends, and without bounds between them.
            ("0.1 / (rate('good') - 0.5)", Support::Line),
            ("4 * (rate('good') - 0.5) ** 3", Support::Line),
        ] {
            assert_eq!(parse(text).unwrap().support(), wanted, "{text}");
        }
    }

    #[test]
    fn what_is_wrong_is_said_with_a_suggestion() {
        let problem = |text: &str| {
            let problem = parse(text).unwrap_err();
            format!("{}; {}", problem.problem, problem.remedy)
        };
        for (text, said) in [
            ("ratte('good')", "there is no function `ratte`; did you mean `rate`?"),
            ("rate(good)", "there is no function `good`"),
            ("rate('god')", "there is no probe `god/seen/trained`; did you mean `good/seen/trained`?"),
            ("rate('good/seen/old')", "did you mean"),
            ("gap('good')", "`good` has no gap"),
            ("surprise('bad→goof')", "there is no cell `bad→goof`; did you mean `bad→good`?"),
            ("rate('good', at='ende')", "there is no moment `ende`; did you mean `end`?"),
            ("rate('good', at='end of trian')", "there is no stage `trian`; did you mean `train`?"),
            ("rate('good', at=101)", "there is no step 101; no arm has more than 100 steps"),
            ("rate('good', when='end')", "`rate` is not used so"),
            ("rate('good', 'bad')", "`rate` is not used so"),
            ("pressure('bad→good', 'good')", "the runs take no pressures"),
            ("screened('narrowness')", "prompts are not screened; add the line screen = true"),
            ("loss('trains')", "did you mean `train`?"),
            ("setting('rest')", "there is no axis of numbers `rest`"),
            ("setting('rows')", "`rows` is the end of several axes, such as `first.rows` and `second.rows`"),
            ("rate('good') > 0", "is no number"),
            ("rate('good') if 1 else 0", "`if` is no arithmetic"),
            ("rate('good') -", "it cannot be read"),
            ("1 + 1", "it measures nothing"),
        ] {
            assert!(problem(text).contains(said), "{text}: {}", problem(text));
        }
    }
}
