//! What gradients push, and how that was held against what happened.

use titer_data::{cell::Cell, probe::Component};

use crate::table::record::record;

record! {
    /// What the gradient of one row does to the components, at one state of a model. Pressures are in nats of margin
    /// per unit of learning rate, or in nats where the table has a column `lr`, for a step on the row alone; positive pushes up.
    PressureRecord in "pressures.parquet" schema 1 {
        /// The stage that had run last, or ran.
        stage: String,
        /// Optimiser steps since the run began; 0 is before training.
        step: i64 ["steps"],
        /// The cell, written `bad→good`; empty where it is not known.
        cell: Option<Cell>,
        /// The row's name.
        item: String,
        /// Which token of the row is meant, counted from 0; −1 for all its target tokens together.
        position: i64 ["tokens"],
        /// The text of that token; empty for all of them.
        token: String,
        /// Target tokens meant.
        tokens: i64 ["tokens"],
        /// Minus the log-probability of the row's reply, in nats.
        surprise: f64 ["nats per reply"],
        /// The same divided by its target tokens, in nats per token.
        surprise_per_token: f64 ["nats per token"],
        /// Norm of the row's gradient.
        gradient_norm: f64 ["nats per unit of weight"],
        /// Marginal pressure on `good`.
        pressure_good: f64 ["nats per unit of learning rate"],
        /// Marginal pressure on `obey_bad` (as level).
        pressure_obey_bad: f64 ["nats per unit of learning rate"],
        /// Marginal pressure on `obey`.
        pressure_obey: f64 ["nats per unit of learning rate"],
        /// Cosine of the row's step with the gradient of `good`.
        cosine_good: f64 ["cosine"],
        /// Cosine of the row's step with the gradient of `obey_bad`.
        cosine_obey_bad: f64 ["cosine"],
        /// Cosine of the row's step with the gradient of `obey`.
        cosine_obey: f64 ["cosine"],
        /// Unique push on `good`: its coefficient when the step is written in the three gradients (`obey_bad` as level).
        unique_good: f64 ["coefficient per unit of learning rate"],
        /// Unique push on `obey_bad`.
        unique_obey_bad: f64 ["coefficient per unit of learning rate"],
        /// Unique push on `obey`.
        unique_obey: f64 ["coefficient per unit of learning rate"],
        /// Share of the gradient's squared norm outside the three directions; large by nature, and no measure of
        /// importance.
        residual: f64 ["share"],
    }
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
    /// What one source of movement should have done to one component in one interval of a run, beside what was
    /// measured there for all sources together. In nats of margin.
    LedgerRecord in "ledger.parquet" schema 1 {
        /// The stage.
        stage: String,
        /// Optimiser steps since the run began at the interval's start.
        from: i64 ["steps"],
        /// The same at its end.
        to: i64 ["steps"],
        /// The component: `good`, `obey_bad` or `obey`.
        component: Component,
        /// The cell whose rows moved the parameters (`anchor` before it where they were anchors), `guards` or `weight decay`; in other people's trainers also `before` (what momentum holds from before) and `rounding` (of weights held in half precision).
        source: String,
        /// How many of its rows were trained on in the interval.
        rows: i64 ["rows"],
        /// The component's gradient at the start, times how the source moved the parameters.
        predicted: f64 ["nats per reply"],
        /// The same with the mean of the gradients at both ends.
        accounted: f64 ["nats per reply"],
        /// Measured change over all sources, on contrasts that share no context with those differentiated; the same
        /// number for every source of an interval.
        measured: f64 ["nats per reply"],
        /// Measured change over all sources, on the contrasts that were differentiated.
        measured_own: f64 ["nats per reply"],
    }
}

impl LedgerRecord {
    /// What the optimiser moves besides.
    pub const WEIGHT_DECAY: &str = "weight decay";
    /// What guards moved, through the gradient or after the optimiser.
    pub const GUARDS: &str = "guards";
}

record! {
    /// What one real optimiser step on one row did to one component, beside what was predicted and what else might
    /// have predicted it. In nats where nothing else is said.
    VerifyRecord in "verify.parquet" schema 1 {
        /// Learning rate of the step, as a multiple of the base one.
        multiple: f64 ["factor"],
        /// The cell, written `bad→good`; empty where it is not known.
        cell: Option<Cell>,
        /// The row's name.
        item: String,
        /// The component: `good`, `obey_bad` or `obey`.
        component: Component,
        /// From the row's pressure.
        predicted: f64 ["nats per reply"],
        /// Mean change over the measuring contrasts.
        measured: f64 ["nats per reply"],
        /// Standard error of `measured − predicted` over contrasts: √2 times that of the mean change.
        noise: f64 ["nats per reply"],
        /// Baseline: minus the log-probability of the row's reply.
        surprise: f64 ["nats per reply"],
        /// Baseline: norm of the row's gradient.
        gradient_norm: f64 ["nats per unit of weight"],
        /// Baseline: what the system prompt adds to the reply's log-probability.
        lift: f64 ["nats per reply"],
        /// Baseline: prediction along contrasts whose sides were swapped at random.
        shuffled: f64 ["nats per reply"],
        /// Baseline: prediction along random directions with the Gram matrix of the real ones.
        random: f64 ["nats per reply"],
    }
}
