//! What a claim can measure: a name, and a moment of the run.

use std::fmt;

use titer_data::{cell::Cell, nearest::nearest, probe::Component, word::UnknownWord};

use crate::{
    results::{Measure, Split},
    screen::PREDICTORS,
    stats::Support,
};

/// One measured number of one run.
#[derive(Clone, Debug, PartialEq)]
pub struct Quantity {
    /// What.
    pub what: What,
    /// When.
    pub at: State,
}

/// What is measured.
#[derive(Clone, Debug, PartialEq)]
pub enum What {
    /// The mean of a probe.
    Probe(Measure, Split),
    /// The mean surprise of a cell's held-out rows, nats a reply.
    Surprise(Cell),
    /// The mean pressure of a cell's rows on a component, nats per unit of learning rate.
    Pressure(Cell, Component),
    /// The mean probability of the bad reply where `good` is measured.
    Leak(Split),
    /// What was said about a stage before it trained.
    WarningNumber(WarningNumber, String),
    /// A number of the screening of the run's prompt before training (an index of [`PREDICTORS`]).
    Screened(usize),
    /// The mean loss of the last tenth of a stage's steps.
    Loss(String),
    /// The value of a swept axis, by its name, in the run's arm.
    Setting(String),
}

impl Quantity {
    /// Whether it is a probability.
    pub(crate) fn is_rate(&self) -> bool {
        match &self.what {
            What::Probe(measure, _) => measure.support() == Support::Rate,
            What::Leak(_) => true,
            What::Screened(predictor) => PREDICTORS[*predictor].support == Support::Rate,
            _ => false,
        }
    }
}

/// Which number of a stage's warnings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WarningNumber {
    /// Inoculation headroom, nats a reply.
    Headroom,
    /// Context overlap.
    Overlap,
    /// Mean surprise of the stage's first rows, nats a reply.
    Surprise,
}

/// A moment of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// Before training.
    Base,
    /// Where obedience to bad prompts is nearest half the base's; only runs that fall that far have it.
    HalfWay,
    /// The end, of a run whose obedience to bad prompts is there at most a quarter of the base's.
    Deaf,
    /// After the last step.
    End,
    /// Before the first step of a stage.
    StartOf(String),
    /// After the last step of a stage.
    EndOf(String),
    /// After this many steps of the run.
    Step(i64),
}

/// A name or a moment that is not there: what is wrong, and what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClaimProblem {
    /// What is wrong.
    pub problem: String,
    /// What to do.
    pub remedy: String,
}

impl fmt::Display for ClaimProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.problem)
    }
}

impl std::error::Error for ClaimProblem {}

impl ClaimProblem {
    /// A problem with its remedy.
    pub(super) fn new(problem: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { problem: problem.into(), remedy: remedy.into() }
    }

    /// The same with this word for the one that was meant.
    pub(super) fn suggesting(self, word: &str) -> Self {
        Self { remedy: format!("did you mean `{word}`?"), ..self }
    }

    /// A word that is not among the known ones.
    pub(super) fn unknown<'a>(kind: &str, word: &str, known: impl IntoIterator<Item = &'a str>) -> Self {
        let known: Vec<&str> = known.into_iter().collect();
        let remedy = match nearest(word, known.iter().copied()) {
            Some(near) => format!("did you mean `{near}`?"),
            None if known.is_empty() => "there is none to name".to_owned(),
            None => format!("name one of {}", known.join(", ")),
        };
        Self::new(format!("there is no {kind} `{word}`"), remedy)
    }
}

/// The names that the claims of one spec may use.
#[derive(Clone, Debug, Default)]
pub struct Vocabulary {
    /// Probes, as `component/prompts/domains`.
    pub probes: Vec<String>,
    /// Stages, in their order.
    pub stages: Vec<String>,
    /// Axes whose values are all numbers, by name.
    pub numbers: Vec<String>,
    /// Whether runs take pressures.
    pub pressed: bool,
    /// Whether prompts are screened before training.
    pub screened: bool,
    /// Steps of the longest arm.
    pub steps: usize,
}

impl Vocabulary {
    /// A probe by name; prompts are `seen` and domains `trained` where the name leaves them out.
    pub(super) fn split(&self, name: &str) -> Result<Split, ClaimProblem> {
        let parts: Vec<&str> = name.split('/').collect();
        let (component, prompts, domains) = match parts.as_slice() {
            [component] => (component, "seen", "trained"),
            [component, prompts] => (component, *prompts, "trained"),
            [component, prompts, domains] => (component, *prompts, *domains),
            _ => return Err(ClaimProblem::unknown("probe", name, self.probes.iter().map(String::as_str))),
        };
        let whole = format!("{component}/{prompts}/{domains}");
        if !self.probes.contains(&whole) {
            return Err(ClaimProblem::unknown("probe", &whole, self.probes.iter().map(String::as_str)));
        }
        let unknown = |error: UnknownWord| ClaimProblem::new(error.to_string(), "name a probe of the sweep");
        Ok(Split {
            component: component.parse().map_err(unknown)?,
            prompts: prompts.parse().map_err(unknown)?,
            domains: domains.parse().map_err(unknown)?,
        })
    }

    /// A cell.
    pub(super) fn cell(&self, name: &str) -> Result<Cell, ClaimProblem> {
        let known: Vec<String> = Cell::all().map(|cell| cell.to_string()).collect();
        let unknown = |_| ClaimProblem::unknown("cell", name, known.iter().map(String::as_str));
        name.parse().map_err(unknown)
    }

    /// A component.
    pub(super) fn component(&self, name: &str) -> Result<Component, ClaimProblem> {
        name.parse().map_err(|_| ClaimProblem::unknown("component", name, Component::ALL.map(Component::word)))
    }

    /// A number of a screening as an index of [`PREDICTORS`].
    pub(super) fn predictor(&self, name: &str) -> Result<usize, ClaimProblem> {
        if !self.screened {
            return Err(ClaimProblem::new("prompts are not screened", "add the line screen = true to the spec"));
        }
        let known = PREDICTORS.map(|predictor| predictor.name);
        known
            .iter()
            .position(|word| *word == name)
            .ok_or_else(|| ClaimProblem::unknown("screening number", name, known))
    }

    /// A stage.
    pub(super) fn stage(&self, name: &str) -> Result<String, ClaimProblem> {
        let known = || self.stages.iter().map(String::as_str);
        known()
            .find(|stage| *stage == name)
            .map(str::to_owned)
            .ok_or_else(|| ClaimProblem::unknown("stage", name, known()))
    }

    /// A moment: `base`, `half-way`, `deaf`, `end`, `start of STAGE`, `end of STAGE`.
    pub(super) fn state(&self, words: &str) -> Result<State, ClaimProblem> {
        let stage_after = |prefix: &str| words.strip_prefix(prefix).map(|stage| self.stage(stage.trim()));
        match (words, stage_after("start of "), stage_after("end of ")) {
            ("base", ..) => Ok(State::Base),
            ("half-way", ..) => Ok(State::HalfWay),
            ("deaf", ..) => Ok(State::Deaf),
            ("end", ..) => Ok(State::End),
            (_, Some(stage), _) => stage.map(State::StartOf),
            (_, _, Some(stage)) => stage.map(State::EndOf),
            _ => {
                let of_stage =
                    self.stages.iter().flat_map(|stage| ["start", "end"].map(|end| format!("{end} of {stage}")));
                let known: Vec<String> =
                    ["base", "half-way", "deaf", "end"].map(str::to_owned).into_iter().chain(of_stage).collect();
                Err(ClaimProblem::unknown("moment", words, known.iter().map(String::as_str)))
            }
        }
    }

    /// A moment as a number of steps.
    pub(super) fn step(&self, step: i64) -> Result<State, ClaimProblem> {
        if usize::try_from(step).is_ok_and(|step| step <= self.steps) {
            return Ok(State::Step(step));
        }
        let remedy = format!("no arm has more than {} steps", self.steps);
        Err(ClaimProblem::new(format!("there is no step {step}"), remedy))
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Base => f.write_str("base"),
            Self::HalfWay => f.write_str("half-way"),
            Self::Deaf => f.write_str("deaf"),
            Self::End => f.write_str("end"),
            Self::StartOf(stage) => write!(f, "start of {stage}"),
            Self::EndOf(stage) => write!(f, "end of {stage}"),
            Self::Step(step) => write!(f, "step {step}"),
        }
    }
}
