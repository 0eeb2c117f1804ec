//! What is said before stages, and what their steps and guards do.

use titer_data::world::DomainSplit;

use crate::table::record::record;

record! {
    /// What can be said about a stage before it trains.
    WarningRecord in "warnings.parquet" schema 1 {
        /// The stage that is about to train.
        stage: String,
        /// Optimiser steps since the run began.
        step: i64 ["steps"],
        /// Its request domains, which the contrasts are of: `trained`, `new`, `held-out` or `sloppy`.
        domains: DomainSplit,
        /// Contrasts behind headroom and overlap.
        contrasts: i64 ["contrasts"],
        /// Inoculation headroom: how much likelier the bad prompt makes the bad reply, in nats a reply.
        headroom: f64 ["nats per reply"],
        /// Context overlap: cosine of the gradients of the margin under neutral and under bad prompts.
        overlap: f64 ["cosine"],
        /// Rows behind the surprise: the first of the stage.
        rows: i64 ["rows"],
        /// Their mean surprise, in nats per reply.
        surprise: f64 ["nats per reply"],
    }
}

record! {
    /// One optimiser step.
    StepRecord in "steps.parquet" schema 2 {
        /// The stage that ran.
        stage: String,
        /// Optimiser steps since the run began, this one included.
        step: i64 ["steps"],
        /// Mean loss of the batch before the step, in nats per unit of the trainer's divisor.
        loss: f64 ["nats per divisor"],
        /// Learning rate of the step.
        lr: f64 ["learning rate"],
        /// Norm of the gradient before clipping.
        gradient_norm formerly "grad_norm": f64 ["loss per unit of weight"],
        /// What the gradient was multiplied with; 1 where it was not clipped.
        clip: f64 ["factor"],
        /// Target tokens in the batch.
        tokens: i64 ["tokens"],
    }
}

record! {
    /// What a guard saw and did in one step; those that look at control probes write a row for each probe and look.
    GuardRecord in "guards.parquet" schema 1 {
        /// Optimiser steps since the run began, this one not included.
        step: i64 ["steps"],
        /// The guard's word in specs.
        guard: String,
        /// The control probe, `<component>/<prompts>/<domains>`; empty for a guard without targets.
        probe: String,
        /// The probe's change since the stage began is wanted to be at least this, in nats; −∞ for no bound.
        wanted_low: f64 ["nats per reply"],
        /// And at most this; ∞ for no bound.
        wanted_high: f64 ["nats per reply"],
        /// Mean change on this look's control contrasts; of `kl` the divergence per anchor, in nats.
        change: f64 ["nats per reply"],
        /// The multiplier of the probe; not a number where there is none.
        multiplier: f64 ["multiplier"],
        /// Whether the guard had to do something: 1 or 0.
        bound: i64 ["1 or 0"],
        /// How much it changed: of `steer` the correction's length over that of the optimiser's own step, of gradient
        /// projections the same of the gradient, of `reweight` the root mean square of weight − 1; else not a number.
        moved: f64 ["factor"],
        /// What the rows push: how far the step would move the probe without the guard, in nats (`steer`, `reweight`; else not a
        /// number).
        push: f64 ["nats per reply"],
        /// How much of the probe's direction it shares with no other probe of the guard, 0 to 1: the squared sine of the angle
        /// between it and the plane of the others, in the optimiser's metric (`steer`; else not a number). Near 0 the
        /// probe cannot be moved without the others.
        own: f64 ["share"],
    }
}
