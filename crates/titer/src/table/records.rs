//! What the tables hold: a struct is a row, a field is a column of the same name.

use super::{column::Value, file::Record};

/// Declares a row struct and its mapping to columns, once.
macro_rules! record {
    ($(#[$about:meta])* $name:ident in $file:literal {
        $($(#[$field_about:meta])* $field:ident: $value:ty,)+
    }) => {
        $(#[$about])*
        #[derive(Clone, Debug, PartialEq)]
        pub struct $name {
            $($(#[$field_about])* pub $field: $value,)+
        }

        impl Record for $name {
            const FILE: &'static str = $file;

            fn fields() -> Vec<parquet::schema::types::TypePtr> {
                vec![$(<$value as Value>::field(stringify!($field)),)+]
            }

            fn put(rows: &[Self], columns: &mut super::column::Columns<'_>) -> parquet::errors::Result<()> {
                $(columns.put(rows.iter().map(|row| &row.$field))?;)+
                Ok(())
            }

            fn take(columns: &mut super::column::Chunks<'_>) -> parquet::errors::Result<Vec<Self>> {
                $(let mut $field = columns.take::<$value>()?.into_iter();)+
                let next = || Some(Self { $($field: $field.next()?,)+ });
                Ok(std::iter::from_fn(next).collect())
            }
        }
    };
}

record! {
    /// One component on one contrast at one moment.
    ProbeRecord in "probes.parquet" {
        /// The stage that had run last, or ran.
        stage: String,
        /// OptimiserPlan steps since the run began; 0 is before training.
        step: i64,
        /// The component: `good`, `obey_bad` or `obey`.
        component: String,
        /// Which prompts: `seen`, `paraphrased`, `held-out`, `persona`, `domain`, `narrow`, …
        prompts: String,
        /// Which request domains: `trained`, `new`, `held-out` or `sloppy`.
        domains: String,
        /// The contrast's name, unique within component, prompts and domains; equal in all runs of a seed.
        item: String,
        /// Log-odds of the `Plus` reply against the `Minus` reply, in nats per reply.
        margin: f64,
        /// The same with each reply's log-probability divided by its tokens, in nats per token.
        margin_per_token: f64,
        /// Only `obey_bad`: how far the prompt moves the model, the margin less the margin on the same request
        /// under a neutral prompt, in nats. Elsewhere not a number.
        gap: f64,
        /// Exact probability of all replies that show the component.
        rate: f64,
        /// Probability of replies that are on neither side.
        other: f64,
    }
}

record! {
    /// The surprise of one row of a cell at one moment.
    CellRecord in "cells.parquet" {
        /// The stage that had run last, or ran.
        stage: String,
        /// OptimiserPlan steps since the run began; 0 is before training.
        step: i64,
        /// The cell, written `bad→good`.
        cell: String,
        /// The row's name, unique within the cell; equal in all runs of a seed.
        item: String,
        /// Target tokens of the row.
        tokens: i64,
        /// Minus the log-probability of the row's reply, in nats per reply.
        surprise: f64,
    }
}

record! {
    /// What can be said about a stage before it trains.
    WarningRecord in "warnings.parquet" {
        /// The stage that is about to train.
        stage: String,
        /// OptimiserPlan steps since the run began.
        step: i64,
        /// Its request domains, which the contrasts are of: `trained`, `new`, `held-out` or `sloppy`.
        domains: String,
        /// Contrasts behind headroom and overlap.
        contrasts: i64,
        /// Inoculation headroom: how much likelier the bad prompt makes the bad reply, in nats a reply.
        headroom: f64,
        /// Context overlap: cosine of the gradients of the margin under neutral and under bad prompts.
        overlap: f64,
        /// Rows behind the surprise: the first of the stage.
        rows: i64,
        /// Their mean surprise, in nats per reply.
        surprise: f64,
    }
}

record! {
    /// One optimiser step.
    StepRecord in "steps.parquet" {
        /// The stage that ran.
        stage: String,
        /// OptimiserPlan steps since the run began, this one included.
        step: i64,
        /// Mean loss of the batch before the step, in nats per unit of the trainer's divisor.
        loss: f64,
        /// Learning rate of the step.
        lr: f64,
        /// Norm of the gradient before clipping.
        grad_norm: f64,
        /// What the gradient was multiplied with; 1 where it was not clipped.
        clip: f64,
        /// Target tokens in the batch.
        tokens: i64,
    }
}

record! {
    /// What the gradient of one row does to the components, at one state of a model. Pressures are in nats of margin
    /// per unit of learning rate, for a step on the row alone; positive pushes up.
    PressureRecord in "pressures.parquet" {
        /// The stage that had run last, or ran.
        stage: String,
        /// OptimiserPlan steps since the run began; 0 is before training.
        step: i64,
        /// The cell, written `bad→good`; empty where it is not known.
        cell: String,
        /// The row's name.
        item: String,
        /// Which token of the row is meant, counted from 0; −1 for all its target tokens together.
        position: i64,
        /// The text of that token; empty for all of them.
        token: String,
        /// Target tokens meant.
        tokens: i64,
        /// Minus the log-probability of the row's reply, in nats.
        surprise: f64,
        /// The same divided by its target tokens, in nats per token.
        surprise_per_token: f64,
        /// Norm of the row's gradient.
        gradient_norm: f64,
        /// Marginal pressure on `good`.
        pressure_good: f64,
        /// Marginal pressure on `obey_bad` (as level).
        pressure_obey_bad: f64,
        /// Marginal pressure on `obey`.
        pressure_obey: f64,
        /// Cosine of the row's step with the gradient of `good`.
        cosine_good: f64,
        /// Cosine of the row's step with the gradient of `obey_bad`.
        cosine_obey_bad: f64,
        /// Cosine of the row's step with the gradient of `obey`.
        cosine_obey: f64,
        /// Unique push on `good`: its coefficient when the step is written in the three gradients (`obey_bad` as level).
        unique_good: f64,
        /// Unique push on `obey_bad`.
        unique_obey_bad: f64,
        /// Unique push on `obey`.
        unique_obey: f64,
        /// Share of the gradient's squared norm outside the three directions; large by nature, and no measure of
        /// importance.
        residual: f64,
    }
}

record! {
    /// What one source of movement should have done to one component in one interval of a run, beside what was
    /// measured there for all sources together. In nats of margin.
    LedgerRecord in "ledger.parquet" {
        /// The stage.
        stage: String,
        /// OptimiserPlan steps since the run began at the interval's start.
        from: i64,
        /// The same at its end.
        to: i64,
        /// The component: `good`, `obey_bad` or `obey`.
        component: String,
        /// The cell whose rows moved the parameters (`anchor` before it where they were anchors), `guards` or `weight decay`.
        source: String,
        /// How many of its rows were trained on in the interval.
        rows: i64,
        /// The component's gradient at the start, times how the source moved the parameters.
        predicted: f64,
        /// The same with the mean of the gradients at both ends.
        accounted: f64,
        /// Measured change over all sources, on contrasts that share no context with those differentiated; the same
        /// number for every source of an interval.
        measured: f64,
        /// Measured change over all sources, on the contrasts that were differentiated.
        measured_own: f64,
    }
}

impl LedgerRecord {
    /// What the optimiser moves besides.
    pub const WEIGHT_DECAY: &str = "weight decay";
    /// What guards moved, through the gradient or after the optimiser.
    pub const GUARDS: &str = "guards";
}

impl PressureRecord {
    /// Marginal pressures, in the order of [`titer_data::probe::Component::ALL`].
    pub fn pressures(&self) -> [f64; 3] {
        [self.pressure_good, self.pressure_obey_bad, self.pressure_obey]
    }

    /// The same for a step at this learning rate: pressures and unique pushes times the rate.
    pub fn at_rate(self, lr: f64) -> Self {
        Self {
            pressure_good: lr * self.pressure_good,
            pressure_obey_bad: lr * self.pressure_obey_bad,
            pressure_obey: lr * self.pressure_obey,
            unique_good: lr * self.unique_good,
            unique_obey_bad: lr * self.unique_obey_bad,
            unique_obey: lr * self.unique_obey,
            ..self
        }
    }
}

record! {
    /// What one real optimiser step on one row did to one component, beside what was predicted and what else might
    /// have predicted it. In nats where nothing else is said.
    VerifyRecord in "verify.parquet" {
        /// Learning rate of the step, as a multiple of the base one.
        multiple: f64,
        /// The cell, written `bad→good`; empty where it is not known.
        cell: String,
        /// The row's name.
        item: String,
        /// The component: `good`, `obey_bad` or `obey`.
        component: String,
        /// From the row's pressure.
        predicted: f64,
        /// Mean change over the measuring contrasts.
        measured: f64,
        /// Standard error of `measured − predicted` over contrasts: √2 times that of the mean change.
        noise: f64,
        /// Baseline: minus the log-probability of the row's reply.
        surprise: f64,
        /// Baseline: norm of the row's gradient.
        gradient_norm: f64,
        /// Baseline: what the system prompt adds to the reply's log-probability.
        lift: f64,
        /// Baseline: prediction along contrasts whose sides were swapped at random.
        shuffled: f64,
        /// Baseline: prediction along random directions with the Gram matrix of the real ones.
        random: f64,
    }
}

record! {
    /// One row under one prompt in one place, as it was before any training. Log-probabilities in nats per reply.
    ScreenRecord in "screen.parquet" {
        /// The prompt's name.
        prompt: String,
        /// Where it goes: `system` or `user`.
        turn: String,
        /// The request: what a bad and a good row have in common.
        request: String,
        /// The row's name.
        item: String,
        /// What its reply does: `bad` or `good`.
        action: String,
        /// Tokens of the reply, the closing one included.
        tokens: i64,
        /// Log-probability of the reply under the prompt.
        log_prob: f64,
        /// The same in the row as given.
        base_log_prob: f64,
        /// Log-odds of the reply against the request's other one, under the prompt; not a number where there is no other.
        margin: f64,
        /// The same in the row as given.
        base_margin: f64,
        /// Marginal pressure on `good` of the row under the prompt, nats per unit of learning rate; not a number where pressures
        /// were not taken.
        pressure_good: f64,
        /// The same on `obey_bad` (as level).
        pressure_obey_bad: f64,
        /// The same on `obey`.
        pressure_obey: f64,
    }
}

impl ScreenRecord {
    /// What the prompt adds to the reply's log-probability, nats.
    pub fn lift(&self) -> f64 {
        self.log_prob - self.base_log_prob
    }
}

record! {
    /// How likely the bad action is on one request in one test context of a leak grid.
    LeakRecord in "leak.parquet" {
        /// The stage that had run last, or ran.
        stage: String,
        /// OptimiserPlan steps since the run began; 0 is before training.
        step: i64,
        /// The family of the test context, such as `same structure`.
        family: String,
        /// What its prompt says; empty for none.
        prompt: String,
        /// The request's name.
        item: String,
        /// Log-odds of the bad reply against the good one, nats.
        margin: f64,
    }
}

record! {
    /// What a guard saw and did in one step; those that look at control probes write a row for each probe and look.
    GuardRecord in "guards.parquet" {
        /// OptimiserPlan steps since the run began, this one not included.
        step: i64,
        /// The guard's word in specs.
        guard: String,
        /// The control probe, `<component>/<prompts>/<domains>`; empty for a guard without targets.
        probe: String,
        /// The probe's change since the stage began is wanted to be at least this, in nats; −∞ for no bound.
        wanted_low: f64,
        /// And at most this; ∞ for no bound.
        wanted_high: f64,
        /// Mean change on this look's control contrasts; of `kl` the divergence per anchor, in nats.
        change: f64,
        /// The multiplier of the probe; not a number where there is none.
        multiplier: f64,
        /// Whether the guard had to do something: 1 or 0.
        bound: i64,
        /// How much it changed: of `steer` the correction's length over that of the optimiser's own step, of gradient
        /// projections the same of the gradient, of `reweight` the root mean square of weight − 1; else not a number.
        moved: f64,
        /// What the rows push: how far the step would move the probe without the guard, in nats (`steer`, `reweight`; else not a
        /// number).
        push: f64,
        /// How much of the probe's direction it shares with no other probe of the guard, 0 to 1: the squared sine of the angle
        /// between it and the plane of the others, in the optimiser's metric (`steer`; else not a number). Near 0 the
        /// probe cannot be moved without the others.
        own: f64,
    }
}
