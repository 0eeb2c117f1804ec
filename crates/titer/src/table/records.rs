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
        /// Optimiser steps since the run began; 0 is before training.
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
        /// Optimiser steps since the run began; 0 is before training.
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
    /// One optimiser step.
    StepRecord in "steps.parquet" {
        /// The stage that ran.
        stage: String,
        /// Optimiser steps since the run began, this one included.
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
