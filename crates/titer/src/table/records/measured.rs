//! What is measured on a model: components, cells, leaks, screenings.

use titer_data::{
    cell::Cell,
    probe::{Component, ProbePrompts},
    world::DomainSplit,
};

use crate::table::record::record;

record! {
    /// One component on one contrast at one moment.
    ProbeRecord in "probes.parquet" schema 1 {
        /// The stage that had run last, or ran.
        stage: String,
        /// Optimiser steps since the run began; 0 is before training.
        step: i64 ["steps"],
        /// The component: `good`, `obey_bad` or `obey`.
        component: Component,
        /// Which prompts: `seen`, `paraphrased`, `held-out`, `persona`, `other`, `domain`, `narrow`, …
        prompts: ProbePrompts,
        /// Which request domains: `trained`, `new`, `held-out` or `sloppy`.
        domains: DomainSplit,
        /// The contrast's name, unique within component, prompts and domains; equal in all runs of a seed.
        item: String,
        /// Log-odds of the `Plus` reply against the `Minus` reply, in nats per reply.
        margin: f64 ["nats per reply"],
        /// The same with each reply's log-probability divided by its tokens, in nats per token.
        margin_per_token: f64 ["nats per token"],
        /// Only `obey_bad`: how far the prompt moves the model, the margin less the margin on the same request
        /// under a neutral prompt, in nats. Elsewhere not a number.
        gap: f64 ["nats per reply"],
        /// Exact probability of all replies that show the component.
        rate: f64 ["probability"],
        /// Probability of replies that are on neither side.
        other: f64 ["probability"],
    }
}

record! {
    /// The surprise of one row of a cell at one moment.
    CellRecord in "cells.parquet" schema 1 {
        /// The stage that had run last, or ran.
        stage: String,
        /// Optimiser steps since the run began; 0 is before training.
        step: i64 ["steps"],
        /// The cell, written `bad→good`.
        cell: Cell,
        /// The row's name, unique within the cell; equal in all runs of a seed.
        item: String,
        /// Target tokens of the row.
        tokens: i64 ["tokens"],
        /// Minus the log-probability of the row's reply, in nats per reply.
        surprise: f64 ["nats per reply"],
    }
}

record! {
    /// How likely the bad action is on one request in one test context of a leak grid.
    LeakRecord in "leak.parquet" schema 1 {
        /// The stage that had run last, or ran.
        stage: String,
        /// Optimiser steps since the run began; 0 is before training.
        step: i64 ["steps"],
        /// The family of the test context, such as `same structure`.
        family: String,
        /// What its prompt says; empty for none.
        prompt: String,
        /// The request's name.
        item: String,
        /// Log-odds of the bad reply against the good one, nats.
        margin: f64 ["nats per reply"],
    }
}

record! {
    /// One row under one prompt in one place, as it was before any training. Log-probabilities in nats per reply.
    ScreenRecord in "screen.parquet" schema 1 {
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
        tokens: i64 ["tokens"],
        /// Log-probability of the reply under the prompt.
        log_prob: f64 ["nats per reply"],
        /// The same in the row as given.
        base_log_prob: f64 ["nats per reply"],
        /// Log-odds of the reply against the request's other one, under the prompt; not a number where there is no other.
        margin: f64 ["nats per reply"],
        /// The same in the row as given.
        base_margin: f64 ["nats per reply"],
        /// Marginal pressure on `good` of the row under the prompt, nats per unit of learning rate; not a number where pressures
        /// were not taken.
        pressure_good: f64 ["nats per unit of learning rate"],
        /// The same on `obey_bad` (as level).
        pressure_obey_bad: f64 ["nats per unit of learning rate"],
        /// The same on `obey`.
        pressure_obey: f64 ["nats per unit of learning rate"],
    }
}

impl ScreenRecord {
    /// What the prompt adds to the reply's log-probability, nats.
    pub fn lift(&self) -> f64 {
        self.log_prob - self.base_log_prob
    }
}
