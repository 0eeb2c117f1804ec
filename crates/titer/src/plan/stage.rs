//! One training phase: the fields of a spec laid over the defaults, and checked. A stage may have a helper, which is trained as a stage is.

use std::{fmt, iter};

use serde::Serialize;
use titer_data::{
    cell::Cell,
    mix::{Mix, MixError},
    prompt::Pool,
    world::DomainSplit,
};

use super::{
    DrawnPlan, GivenFile, GuardsPlan, LrSchedule, OptimiserPlan, VectorPlan,
    cells::{as_map, present},
};
use crate::spec::{GUARDS, GuardsField, HelperField, Lora, SpecError, StageFields};

/// Rows of a stage at most.
const MOST_ROWS: usize = 100_000_000;

/// Rows of a batch at most.
const MOST_BATCH: usize = 1_000_000;

/// One training phase, resolved.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct StagePlan {
    /// Its name.
    pub name: String,
    /// Rows in all; 0 skips the stage.
    pub rows: usize,
    /// Rows per step.
    pub batch: usize,
    /// Optimiser steps.
    pub steps: usize,
    /// Request domains.
    pub domains: DomainSplit,
    /// Update rule.
    pub optimiser: OptimiserPlan,
    /// Learning rate over the steps.
    pub schedule: LrSchedule,
    /// Longest gradient; 0 is no limit.
    pub clip: f64,
    /// The loss is the mean over a batch's rows of (nats of the row's target tokens / divisor).
    pub divisor: f64,
    /// What protects a component.
    #[serde(skip_serializing_if = "GuardsPlan::is_empty")]
    pub guards: GuardsPlan,
    /// How the model writes the replies of its rows itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub drawn: Option<DrawnPlan>,
    /// What its training passes do to the residual stream.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vector: Option<VectorPlan>,
    /// What its training passes have attached.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub helper: Option<HelperPlan>,
    /// Which rows. A plan as TOML has [`StagePlan::cells`] in its place: equal counts are the same rows, however their
    /// shares were written, so that a dose of 100 % is one run whatever the rest would have been.
    #[serde(skip)]
    pub mix: Mix,
    #[serde(serialize_with = "as_map")]
    cells: Vec<(Cell, usize)>,
    /// Pools of the cells that have rows.
    #[serde(serialize_with = "as_map", skip_serializing_if = "Vec::is_empty")]
    prompts: Vec<(Cell, Pool)>,
}

/// An adapter that is attached to a stage's training passes, frozen and active: what it shows already, the stage need not learn
/// (inoculation adapters, arXiv 2606.30252).
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct HelperPlan {
    /// Whether it is a random one, as long as the other over all entries: a negative control.
    pub random: bool,
    /// Where it comes from.
    #[serde(flatten)]
    pub source: HelperSource,
}

/// Where a helper comes from.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum HelperSource {
    /// It is trained before the stage begins.
    Trained {
        /// The adapter.
        lora: Lora,
        /// What it is trained on.
        train: Box<StagePlan>,
    },
    /// It lies in a folder in PEFT's layout.
    Given {
        /// Which.
        file: GivenFile,
    },
}

impl HelperPlan {
    /// The seed of its rows and of its start: not the run's, or its rows would ask what the stage's rows ask.
    pub fn seed(seed: u64) -> u64 {
        !seed
    }

    /// What it is trained on, where it is trained.
    pub fn train(&self) -> Option<&StagePlan> {
        match &self.source {
            HelperSource::Trained { train, .. } => Some(train),
            HelperSource::Given { .. } => None,
        }
    }

    pub(super) fn resolve(
        written: &HelperField,
        default: &StageFields,
        of: &str,
        fail: &dyn Fn(&str, String, &str) -> SpecError,
    ) -> Result<Self, SpecError> {
        let fail = |field: &str, problem: String, remedy: &str| fail(&format!("helper.{field}"), problem, remedy);
        let HelperField { lora, train, file, random } = written;
        let lora = match (lora, file) {
            (Some(lora), None) => lora,
            (None, Some(file)) if train.is_none() => {
                let source = HelperSource::Given { file: GivenFile::adapter(file.clone()) };
                return Ok(Self { random: *random, source });
            }
            (None, None) => {
                let problem = "the helper has neither `lora` nor `file`".to_owned();
                return Err(fail(
                    "",
                    problem,
                    "say which adapter is trained, such as lora = 8, or name the folder of one",
                ));
            }
            (_, Some(_)) => {
                let problem = "a helper from a file is not trained".to_owned();
                return Err(fail("file", problem, "leave `lora` and `train` out, or `file`"));
            }
        };
        let in_training = |field: &str, problem: String, remedy: &str| fail(&format!("train.{field}"), problem, remedy);
        let train = train.as_deref().cloned().unwrap_or_default();
        if train.name.is_some() {
            return Err(in_training("name", "a helper's training has no name of its own".to_owned(), "leave it out"));
        }
        if train.helper.is_some() {
            return Err(in_training("helper", "a helper has no helper of its own".to_owned(), "leave it out"));
        }
        let train = StagePlan::resolve(&train, default, &format!("helper of {of}"), &in_training)?;
        if train.rows == 0 {
            return Err(in_training(
                "rows",
                "the helper is trained on 0 rows".to_owned(),
                "leave `helper` out to have none",
            ));
        }
        Ok(Self { random: *random, source: HelperSource::Trained { lora: lora.clone(), train: Box::new(train) } })
    }
}

impl fmt::Display for HelperPlan {
    /// In a few words: `an adapter of rank 8, trained on neutral→bad 640`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let random = if self.random { "a random adapter of the length of " } else { "" };
        match &self.source {
            HelperSource::Trained { lora, train } => {
                let rows: Vec<_> = train.cells().iter().map(|(cell, rows)| format!("{cell} {rows}")).collect();
                let one = if self.random { "one" } else { "an adapter" };
                write!(f, "{random}{one} of rank {}, trained on {}", lora.r, rows.join(", "))
            }
            HelperSource::Given { file } => write!(f, "{random}the adapter in {}", file.path.display()),
        }
    }
}

impl StagePlan {
    /// The learning rate of a step, counted from 0.
    pub fn lr(&self, step: usize) -> f64 {
        self.schedule.lr(self.optimiser.peak_lr(), self.steps, step)
    }

    /// How many rows each cell has, those without any left out; in the order in which cells take their slots.
    pub fn cells(&self) -> &[(Cell, usize)] {
        &self.cells
    }

    /// The stage, and the training of its helper where it has one.
    pub fn with_helpers(&self) -> impl Iterator<Item = &Self> {
        iter::once(self).chain(self.helper.as_ref().and_then(HelperPlan::train))
    }

    /// The rows of every optimiser step that is taken for the stage, in order: those of its helper, then its own; none where it is
    /// skipped.
    pub fn batches(&self) -> impl Iterator<Item = usize> + '_ {
        let helper = self.helper.as_ref().and_then(HelperPlan::train);
        let trained = helper.into_iter().chain(iter::once(self)).filter(|_| self.steps > 0);
        trained.flat_map(|stage| iter::repeat_n(stage.batch, stage.steps))
    }

    /// The files that the stage is given, and its helper's training, with the fields of the stage that name them.
    pub fn given_mut(&mut self) -> impl Iterator<Item = (&'static str, &mut GivenFile)> {
        let vector = self.vector.as_mut().and_then(|vector| vector.file.as_mut());
        let helper = self.helper.as_mut().and_then(|helper| match &mut helper.source {
            HelperSource::Given { file } => Some(file),
            HelperSource::Trained { train, .. } => train.vector.as_mut().and_then(|vector| vector.file.as_mut()),
        });
        vector.map(|file| ("vector", file)).into_iter().chain(helper.map(|file| ("helper", file)))
    }

    /// The cells of all rows that the stage needs: its own, with prompts as guards rewrite them, and those of anchors; not those of
    /// its helper, see [`StagePlan::with_helpers`].
    pub fn needed_cells(&self) -> impl Iterator<Item = Cell> + '_ {
        let rewritten = |cell: Cell| self.guards.rewrite.map_or(cell, |rewrite| rewrite.of(cell));
        let anchors = [self.guards.anchor.as_ref(), self.guards.kl.as_ref().map(|kl| &kl.anchor)];
        let anchors = anchors.into_iter().flatten().flat_map(|anchor| &anchor.cells).map(|(cell, _)| *cell);
        self.cells.iter().map(move |(cell, _)| rewritten(*cell)).chain(anchors)
    }

    /// The same stage with other rows.
    pub(crate) fn with_mix(&self, mix: Mix) -> Self {
        let cells = present(&mix, self.rows);
        let has_rows = |cell: Cell| cells.iter().any(|(other, _)| *other == cell);
        let prompts = self.prompts.iter().filter(|(cell, _)| has_rows(*cell)).cloned().collect();
        Self { cells, mix, prompts, ..self.clone() }
    }

    /// The same stage with the rows of `cell`, where it has any, under other prompts.
    pub(super) fn with_prompts(&self, cell: Cell, pool: &Pool) -> Self {
        if !self.has(cell) {
            return self.clone();
        }
        let mut prompts = self.prompts.clone();
        prompts.retain(|(other, _)| *other != cell);
        prompts.push((cell, pool.clone()));
        prompts.sort_by_key(|(cell, _)| *cell);
        Self { prompts, ..self.clone() }
    }

    /// Whether it trains rows of `cell`.
    pub fn has(&self, cell: Cell) -> bool {
        self.cells.iter().any(|(other, _)| *other == cell)
    }

    /// The prompts that rows of `cell` get in place of their own.
    pub fn pool(&self, cell: Cell) -> Option<&Pool> {
        self.prompts.iter().find(|(other, _)| *other == cell).map(|(_, pool)| pool)
    }

    /// Whether nothing but which rows are trained sets it apart, and these can be known: no guard that acts on steps, no
    /// vector, no helper, no other prompts, and no replies of the model's own.
    pub fn differs_in_rows_alone(&self) -> bool {
        let plain = self.vector.is_none() && self.helper.is_none() && self.drawn.is_none();
        plain && self.guards.acts_on_rows_alone() && self.prompts.is_empty()
    }

    /// The first half of the same stage, with rows in the same shares.
    pub fn first_half(&self) -> Self {
        let steps = (self.steps / 2).max(1);
        let rows = steps * self.batch;
        Self { rows, steps, cells: present(&self.mix, rows), ..self.clone() }
    }

    /// The same stage without guards, vector and helper, with replies as they are given.
    pub(super) fn unguarded(&self) -> Self {
        Self { guards: GuardsPlan::default(), drawn: None, vector: None, helper: None, ..self.clone() }
    }

    /// Lays `written` over `default`, which has every field. `fail` makes an error at a field of the stage.
    pub(super) fn resolve(
        written: &StageFields,
        default: &StageFields,
        name: &str,
        fail: &dyn Fn(&str, String, &str) -> SpecError,
    ) -> Result<Self, SpecError> {
        let missing = "defaults.toml has every field of a stage";
        let rows = written.rows.or(default.rows).expect(missing);
        let batch = written.batch.or(default.batch).expect(missing);
        if rows > MOST_ROWS {
            return Err(fail("rows", format!("{rows} rows"), "a stage has 100,000,000 at most"));
        }
        if batch > MOST_BATCH {
            return Err(fail("batch", format!("a batch of {batch} rows"), "a batch has 1,000,000 at most"));
        }
        if batch == 0 || !rows.is_multiple_of(batch) {
            let field = if written.batch.is_some() { "batch" } else { "rows" };
            let problem = format!("{rows} rows do not divide into batches of {batch}");
            return Err(fail(field, problem, "make `rows` a multiple of `batch`; 0 rows skip the stage"));
        }
        let mix = written.mix.as_ref().or(default.mix.as_ref()).expect(missing);
        let mix = mix.mix().map_err(|error| {
            let field = match error {
                MixError::Share { cell, .. } | MixError::Twice(cell) => format!("mix.{cell}"),
                MixError::Empty | MixError::Above(_) | MixError::Below(_) => "mix".to_owned(),
            };
            fail(&field, error.to_string(), "")
        })?;
        let absent = |cell: Cell| mix.counts(rows).iter().any(|&(counted, count)| counted == cell && count == 0);
        if let Some((cell, share)) = mix.shares().iter().find(|(cell, share)| rows > 0 && *share > 0.0 && absent(*cell))
        {
            let problem = format!("a share of {share} of {rows} rows is no row of `{cell}`");
            return Err(fail(&format!("mix.{cell}"), problem, "raise `rows` or the share, or write 0"));
        }
        let optimiser = OptimiserPlan::resolve(&written.optimiser, &default.optimiser)
            .map_err(|(field, problem)| fail(&format!("optimiser.{field}"), problem, ""))?;
        let (schedule, usual) = (&written.schedule, &default.schedule);
        let schedule = LrSchedule {
            warmup: schedule.warmup.or(usual.warmup).expect(missing),
            decay: schedule.decay.or(usual.decay).expect(missing),
            floor: schedule.floor.or(usual.floor).expect(missing),
        };
        if !(0.0..=1.0).contains(&schedule.floor) {
            let problem = format!("`floor` is {}", schedule.floor);
            return Err(fail("schedule.floor", problem, "it is a share of the learning rate, between 0 and 1"));
        }
        let clip = written.clip.or(default.clip).expect(missing);
        if !(clip.is_finite() && clip >= 0.0) {
            let problem = format!("the gradient cannot be clipped to {clip}");
            return Err(fail("clip", problem, "use a length above 0, or 0 for no limit"));
        }
        let divisor = written.divisor.or(default.divisor).expect(missing);
        if !(divisor.is_finite() && divisor > 0.0) {
            return Err(fail("divisor", format!("the loss cannot be divided by {divisor}"), "use a number above 0"));
        }
        let usual: GuardsField = toml::from_str(GUARDS).expect("guards.toml is a table of guards");
        let guards = GuardsPlan::resolve(&written.guards, &usual, (batch, rows / batch), fail)?;
        let drawn = written.drawn.as_ref().or(default.drawn.as_ref()).map(DrawnPlan::resolve).transpose();
        let drawn = drawn.map_err(|(field, problem, remedy)| fail(&format!("drawn.{field}"), problem, remedy))?;
        let vector = written.vector.as_ref().or(default.vector.as_ref()).map(VectorPlan::resolve).transpose();
        let vector = vector.map_err(|(field, problem, remedy)| fail(&format!("vector.{field}"), problem, remedy))?;
        let helper = written.helper.as_ref().or(default.helper.as_ref());
        let helper = helper.map(|helper| HelperPlan::resolve(helper, default, name, fail)).transpose()?;
        Ok(Self {
            name: name.to_owned(),
            rows,
            batch,
            steps: rows / batch,
            domains: written.domains.or(default.domains).expect(missing),
            optimiser,
            schedule,
            clip,
            divisor,
            prompts: pools(written, default, &mix, rows),
            guards,
            drawn,
            vector,
            helper,
            cells: present(&mix, rows),
            mix,
        })
    }
}

/// The pools of the cells that have rows, in the order of cells.
fn pools(written: &StageFields, default: &StageFields, mix: &Mix, rows: usize) -> Vec<(Cell, Pool)> {
    let Some(prompts) = written.prompts.as_ref().or(default.prompts.as_ref()) else { return Vec::new() };
    let pool = |(cell, _): (Cell, usize)| Some((cell, prompts.of(cell)?.clone()));
    let mut pools: Vec<_> = present(mix, rows).into_iter().filter_map(pool).collect();
    pools.sort_by_key(|(cell, _)| *cell);
    pools
}
