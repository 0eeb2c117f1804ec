//! Guards of a stage: the fields of a spec laid over their defaults, and checked.

use std::fmt;

use serde::Serialize;
use titer_data::{
    cell::{Cell, PromptKind},
    mix::Mix,
    nearest::nearest,
    probe::Component,
    world::AnchorWording,
};

use super::cells::{as_map, present};
use crate::{
    spec::{AnchorField, ControlField, GuardsField, SpecError, TargetField},
    words::counted,
};

/// The guards of a stage; the default is none.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct GuardsPlan {
    /// Which bad prompts are rewritten.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rewrite: Option<Rewrite>,
    /// A share of every batch from an anchor pool.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub anchor: Option<AnchorPlan>,
    /// Divergence from the model at the stage's start on anchor contexts, in the loss.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kl: Option<KlPlan>,
    /// Bounds on every step.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub steer: Option<SteerPlan>,
    /// Multipliers in the loss.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dual: Option<DualPlan>,
    /// Weights of the rows of every batch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reweight: Option<ReweightPlan>,
    /// Negative control: A-GEM, before the optimiser.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agem: Option<ControlPlan>,
    /// Negative control: PCGrad, before the optimiser.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pcgrad: Option<ControlPlan>,
}

impl GuardsPlan {
    /// Whether they only say which rows are trained.
    pub(crate) fn acts_on_rows_alone(&self) -> bool {
        *self == Self { rewrite: self.rewrite, anchor: self.anchor.clone(), ..Self::default() }
    }
}

/// What becomes of the bad prompts of a stage's rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Rewrite {
    /// Their trigger-scoped form; the trigger goes into the requests of rows with bad actions.
    Narrow,
    /// A placebo.
    Placebo,
}

impl Rewrite {
    /// The cell that the row of a slot has in place of `cell`.
    pub fn of(self, cell: Cell) -> Cell {
        use titer_data::cell::Action::Bad;
        let prompt = match (self, cell.prompt, cell.action) {
            (Self::Narrow, PromptKind::Bad, Bad) => PromptKind::NarrowOn,
            (Self::Narrow, PromptKind::Bad, _) => PromptKind::NarrowOff,
            (Self::Placebo, PromptKind::Bad, _) => PromptKind::Placebo,
            (_, prompt, _) => prompt,
        };
        Cell { prompt, ..cell }
    }
}

/// Where anchors come from.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct AnchorPlan {
    /// Anchors per batch.
    pub rows: usize,
    /// How their prompts are worded.
    pub wording: AnchorWording,
    /// Shares of their cells.
    #[serde(skip)]
    pub mix: Mix,
    /// Anchors of each cell over the stage.
    #[serde(serialize_with = "as_map")]
    pub cells: Vec<(Cell, usize)>,
}

/// `+ β KL(π₀ ‖ π_θ)`
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct KlPlan {
    /// Weight of the divergence, summed over an anchor's target tokens and divided as the loss is.
    pub beta: f64,
    /// The contexts.
    pub anchor: AnchorPlan,
}

/// Which changes are wanted, and how they are looked at.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ControlPlan {
    /// Wanted change of each component since the stage began, nats; components that are free are not in it.
    pub target: Vec<Target>,
    /// Control probes by name; empty for paraphrased prompts in trained domains, or seen ones where there are none.
    pub probes: Vec<String>,
    /// Contrasts looked at together, per probe.
    pub contrasts: usize,
    /// Steps between looks.
    pub every: usize,
}

/// The wanted change of a component.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Target {
    /// Index of [`Component::ALL`].
    pub component: usize,
    /// At least so much; minus infinity for no bound.
    pub low: f64,
    /// At most so much.
    pub high: f64,
}

/// `min ½‖u−u₀‖²_{P⁻¹} s.t. l ≤ C u ≤ h`
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SteerPlan {
    /// What is wanted.
    pub control: ControlPlan,
    /// Whether what was measured decides the next bounds.
    pub feedback: bool,
    /// Whether directions are random ones with the Gram matrix of the probes'.
    pub random: bool,
    /// Longest correction, in lengths of the optimiser's own step.
    pub cap: f64,
    /// Added to every `√v̂` of the metric, in root mean squares of `√v̂`.
    pub floor: f64,
}

/// `+ Σ λ_k e_k + μ/2 e_k²`
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct DualPlan {
    /// What is wanted.
    pub control: ControlPlan,
    /// Rise of a multiplier per nat that is missing, per look.
    pub rho: f64,
    /// Weight of the squared miss.
    pub mu: f64,
}

/// `min ‖w−1‖² s.t. l ≤ Σ w_i c_i ≤ h, 0 ≤ w ≤ w_max`
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ReweightPlan {
    /// What is wanted.
    pub control: ControlPlan,
    /// Whether what was measured decides the next bounds.
    pub feedback: bool,
    /// Largest weight of a row.
    pub max: f64,
    /// As of [`SteerPlan`].
    pub floor: f64,
}

impl fmt::Display for GuardsPlan {
    /// Every guard in a few words: `anchor 6 rows a batch; steer good 2, obey_bad ≥ -0.2`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut all: Vec<String> = Vec::new();
        all.extend(self.rewrite.map(|rewrite| match rewrite {
            Rewrite::Narrow => "narrow prompts".to_owned(),
            Rewrite::Placebo => "placebo prompts".to_owned(),
        }));
        let rows = |anchor: &AnchorPlan| counted(anchor.rows, "row");
        all.extend(self.anchor.as_ref().map(|anchor| format!("anchor {} a batch", rows(anchor))));
        all.extend(self.kl.as_ref().map(|kl| format!("kl {} on {} a batch", kl.beta, rows(&kl.anchor))));
        for (word, control) in self.controls() {
            let targets: Vec<String> = control.target.iter().map(Target::to_string).collect();
            all.push(format!("{word} {}", targets.join(", ")));
        }
        f.write_str(&all.join("; "))
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (word, low, high) = (Component::ALL[self.component].word(), self.low, self.high);
        match (low.is_finite(), high.is_finite()) {
            (true, true) if low == high => write!(f, "{word} {low}"),
            (true, true) => write!(f, "{word} {low} to {high}"),
            (true, false) => write!(f, "{word} ≥ {low}"),
            _ => write!(f, "{word} ≤ {high}"),
        }
    }
}

/// A field of the guards and what is wrong with it, with a remedy.
type Wrong = (String, String, &'static str);

impl GuardsPlan {
    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// What guards on control probes want, each with its name in a spec.
    pub fn controls(&self) -> impl Iterator<Item = (&'static str, &ControlPlan)> {
        let controls = [
            ("steer", self.steer.as_ref().map(|steer| &steer.control)),
            ("dual", self.dual.as_ref().map(|dual| &dual.control)),
            ("reweight", self.reweight.as_ref().map(|reweight| &reweight.control)),
            ("agem", self.agem.as_ref()),
            ("pcgrad", self.pcgrad.as_ref()),
        ];
        controls.into_iter().filter_map(|(word, control)| Some((word, control?)))
    }

    /// A guard with a control probe that is none of these, which are all that there are, and what is to be said of it.
    pub fn unknown_probe(&self, known: &[String]) -> Option<(&'static str, String)> {
        self.controls().find_map(|(guard, control)| {
            let probe = control.probes.iter().find(|probe| !known.contains(probe))?;
            let near = nearest(probe, known.iter().map(String::as_str)).map(|near| format!("; is it `{near}`?"));
            Some((guard, format!("there is no control probe `{probe}`{}", near.unwrap_or_default())))
        })
    }

    /// Lays `written` over `default`. `fail` makes an error at a field of the stage.
    pub(super) fn resolve(
        written: &GuardsField,
        default: &GuardsField,
        (batch, steps): (usize, usize),
        fail: &dyn Fn(&str, String, &str) -> SpecError,
    ) -> Result<Self, SpecError> {
        let rewrite = match (written.narrow, written.placebo) {
            (true, true) => {
                let problem = "`narrow` and `placebo` both rewrite the bad prompts".to_owned();
                return Err(fail("guards.placebo", problem, "use one of them"));
            }
            (true, false) => Some(Rewrite::Narrow),
            (false, true) => Some(Rewrite::Placebo),
            (false, false) => None,
        };
        let wrong = |guard: &str| {
            let guard = guard.to_owned();
            move |(field, problem, remedy): Wrong| fail(&format!("guards.{guard}.{field}"), problem, remedy)
        };
        let anchor = |name, written: &Option<AnchorField>, default: &Option<AnchorField>| {
            let default = default.as_ref().expect(DEFAULT);
            let resolve = |written: &AnchorField| anchor(written, default, batch, steps).map_err(wrong(name));
            written.as_ref().map(resolve).transpose()
        };
        let control = |name, written, default| control(name, written, default).map_err(wrong(name));
        let beta = |anchor: AnchorPlan| {
            let beta = written.kl.as_ref().and_then(|kl| kl.beta);
            let beta = beta.or(default.kl.as_ref().and_then(|kl| kl.beta)).expect(DEFAULT);
            if beta.is_finite() && beta > 0.0 {
                Ok(KlPlan { beta, anchor })
            } else {
                Err(fail("guards.kl.beta", format!("the divergence cannot weigh {beta}"), "use a number above 0"))
            }
        };
        if written.anchor.as_ref().is_some_and(|anchor| anchor.beta.is_some()) {
            let problem = "`beta` is no constant of anchor".to_owned();
            return Err(fail("guards.anchor.beta", problem, "leave it out, or use the guard `kl`"));
        }
        let steer = |(control, constants): (ControlPlan, Constants<'_>)| {
            Ok::<_, Wrong>(SteerPlan {
                control,
                feedback: constants.flag(|field| field.feedback),
                random: constants.flag(|field| field.random),
                cap: constants.number("cap", |field| field.cap)?,
                floor: constants.number("floor", |field| field.floor)?,
            })
        };
        let dual = |(control, constants): (ControlPlan, Constants<'_>)| {
            Ok::<_, Wrong>(DualPlan {
                control,
                rho: constants.number("rho", |field| field.rho)?,
                mu: constants.number("mu", |field| field.mu)?,
            })
        };
        let reweight = |(control, constants): (ControlPlan, Constants<'_>)| {
            Ok::<_, Wrong>(ReweightPlan {
                control,
                feedback: constants.flag(|field| field.feedback),
                max: constants.number("max", |field| field.max)?,
                floor: constants.number("floor", |field| field.floor)?,
            })
        };
        Ok(Self {
            rewrite,
            anchor: anchor("anchor", &written.anchor, &default.anchor)?,
            kl: anchor("kl", &written.kl, &default.kl)?.map(beta).transpose()?,
            steer: control("steer", &written.steer, &default.steer)?.map(steer).transpose().map_err(wrong("steer"))?,
            dual: control("dual", &written.dual, &default.dual)?.map(dual).transpose().map_err(wrong("dual"))?,
            reweight: control("reweight", &written.reweight, &default.reweight)?
                .map(reweight)
                .transpose()
                .map_err(wrong("reweight"))?,
            agem: control("agem", &written.agem, &default.agem)?.map(|(control, _)| control),
            pcgrad: control("pcgrad", &written.pcgrad, &default.pcgrad)?.map(|(control, _)| control),
        })
    }
}

/// A guard on control probes as far as it is like all others, where it is written.
fn control<'a>(
    name: &str,
    written: &'a Option<ControlField>,
    default: &'a Option<ControlField>,
) -> Result<Option<(ControlPlan, Constants<'a>)>, Wrong> {
    let Some(written) = written else { return Ok(None) };
    let default = default.as_ref().expect(DEFAULT);
    foreign(name, written)?;
    Ok(Some((ControlPlan::resolve(written, default)?, Constants { written, default })))
}

const DEFAULT: &str = "guards.toml has every constant of every guard";

fn anchor(written: &AnchorField, default: &AnchorField, batch: usize, steps: usize) -> Result<AnchorPlan, Wrong> {
    let share = written.share.or(default.share).expect(DEFAULT);
    let rows = (share * batch as f64).round() as usize;
    if !(0.0..=1.0).contains(&share) || rows == 0 || rows > batch {
        let problem = format!("a share of {share} of a batch of {batch} is no number of anchors");
        return Err(("share".into(), problem, "use a share above 0 and up to 1 that is at least one row"));
    }
    let mix = written.mix.as_ref().or(default.mix.as_ref()).expect(DEFAULT).mix();
    let mix = mix.map_err(|error| ("mix".to_owned(), error.to_string(), ""))?;
    let cells = present(&mix, rows * steps);
    Ok(AnchorPlan { rows, wording: written.wording.or(default.wording).expect(DEFAULT), mix, cells })
}

impl ControlPlan {
    fn resolve(written: &ControlField, default: &ControlField) -> Result<Self, Wrong> {
        let mut target = Vec::new();
        for (component, wanted) in [&written.good, &written.obey_bad, &written.obey].into_iter().enumerate() {
            let Some(wanted) = wanted else { continue };
            let word = Component::ALL[component].word();
            let (low, high) = match *wanted {
                TargetField::Exactly(change) => (change, change),
                TargetField::Within(range) => {
                    (range.min.unwrap_or(f64::NEG_INFINITY), range.max.unwrap_or(f64::INFINITY))
                }
            };
            if low.is_nan() || high.is_nan() || (low.is_infinite() && high.is_infinite()) {
                let problem = format!("`{word}` has no bound");
                return Err((word.to_owned(), problem, "give a number, or { min = … }, { max = … } or both, in nats"));
            }
            if low > high {
                let problem =
                    format!("`{word}` is to change by at least {low} and at most {high} nats: no step can do both");
                return Err((word.to_owned(), problem, "make `min` the smaller one"));
            }
            target.push(Target { component, low, high });
        }
        if target.is_empty() {
            let problem = "no component has a target".to_owned();
            return Err((String::new(), problem, "name at least one of good, obey_bad and obey, such as obey = 0.0"));
        }
        let contrasts = written.contrasts.or(default.contrasts).expect(DEFAULT);
        let every = written.every.or(default.every).expect(DEFAULT);
        if contrasts == 0 || every == 0 {
            let field = if contrasts == 0 { "contrasts" } else { "every" };
            return Err((field.to_owned(), format!("`{field}` is 0"), "use at least 1"));
        }
        let probes = written.probes.clone().unwrap_or_default();
        let lacks = |target: &&Target| {
            let prefix = format!("{}/", Component::ALL[target.component].word());
            !probes.is_empty() && !probes.iter().any(|probe| probe.starts_with(&prefix))
        };
        if let Some(target) = target.iter().find(lacks) {
            let problem =
                format!("no control probe of `{}`, which has a target", Component::ALL[target.component].word());
            return Err(("probes".to_owned(), problem, "name one, such as \"obey_bad/seen/trained\""));
        }
        Ok(Self { target, probes, contrasts, every })
    }
}

/// Fails where a constant of another guard is written.
fn foreign(guard: &str, written: &ControlField) -> Result<(), Wrong> {
    let allowed: &[&str] = match guard {
        "steer" => &["feedback", "random", "cap", "floor"],
        "dual" => &["rho", "mu"],
        "reweight" => &["feedback", "max", "floor"],
        _ => &[],
    };
    let fields = [
        ("feedback", written.feedback.is_some()),
        ("random", written.random.is_some()),
        ("cap", written.cap.is_some()),
        ("floor", written.floor.is_some()),
        ("rho", written.rho.is_some()),
        ("mu", written.mu.is_some()),
        ("max", written.max.is_some()),
    ];
    match fields.into_iter().find(|(name, set)| *set && !allowed.contains(name)) {
        Some((name, _)) => Err((name.to_owned(), format!("`{name}` is no constant of {guard}"), "leave it out")),
        None => Ok(()),
    }
}

/// Constants as written, else as usual.
struct Constants<'a> {
    written: &'a ControlField,
    default: &'a ControlField,
}

impl Constants<'_> {
    fn number(&self, name: &str, field: impl Fn(&ControlField) -> Option<f64>) -> Result<f64, Wrong> {
        let value = field(self.written).or_else(|| field(self.default)).expect(DEFAULT);
        if value.is_finite() && value >= 0.0 {
            Ok(value)
        } else {
            Err((name.to_owned(), format!("`{name}` is {value}"), "use a number that is not below 0"))
        }
    }

    fn flag(&self, field: impl Fn(&ControlField) -> Option<bool>) -> bool {
        field(self.written).or_else(|| field(self.default)).expect(DEFAULT)
    }
}
