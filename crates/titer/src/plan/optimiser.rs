//! The update rule of a stage, its constants resolved.

use serde::{Deserialize, Serialize};

use crate::spec::{OptimiserFields, OptimiserKind};

/// An update rule with its constants.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum OptimiserPlan {
    /// Stochastic gradient descent.
    Sgd {
        /// Learning rate.
        lr: f64,
        /// Share of the last velocity that is kept.
        momentum: f64,
    },
    /// Adam with decoupled weight decay.
    AdamW {
        /// Learning rate.
        lr: f64,
        /// Decay of the first moment.
        beta1: f64,
        /// Decay of the second moment.
        beta2: f64,
        /// Added to the root of the second moment.
        eps: f64,
        /// Weight decay per step, times the learning rate.
        weight_decay: f64,
    },
}

impl OptimiserPlan {
    /// The highest learning rate of the schedule.
    pub(crate) fn peak_lr(&self) -> f64 {
        let (Self::Sgd { lr, .. } | Self::AdamW { lr, .. }) = self;
        *lr
    }

    /// Lays `written` over `default` where both are of one kind. The error is a field and what is wrong with it.
    pub(super) fn resolve(
        written: &OptimiserFields,
        default: &OptimiserFields,
    ) -> Result<Self, (&'static str, String)> {
        let kind = written.kind.or(default.kind).ok_or(("kind", "the optimiser has no `kind`".to_owned()))?;
        let default = if default.kind == Some(kind) { default.clone() } else { OptimiserFields::default() };
        let (word, foreign) = match kind {
            OptimiserKind::AdamW => ("adamw", vec![("momentum", written.momentum)]),
            OptimiserKind::Sgd => (
                "sgd",
                vec![
                    ("beta1", written.beta1),
                    ("beta2", written.beta2),
                    ("eps", written.eps),
                    ("weight_decay", written.weight_decay),
                ],
            ),
        };
        if let Some((field, _)) = foreign.into_iter().find(|(_, value)| value.is_some()) {
            return Err((field, format!("`{field}` is no constant of {word}: leave it out, or name another `kind`")));
        }
        let take = |field: &'static str, written: Option<f64>, default: Option<f64>, range: Range| {
            let needed = || (field, format!("{word} needs `{field}`: give it a number"));
            let value = written.or(default).ok_or_else(needed)?;
            if range.holds(value) {
                Ok(value)
            } else {
                Err((field, format!("`{field}` is {value}; it must be {}", range.word())))
            }
        };
        let lr = take("lr", written.lr, default.lr, Range::Positive)?;
        Ok(match kind {
            OptimiserKind::Sgd => Self::Sgd {
                lr,
                momentum: take("momentum", written.momentum, default.momentum.or(Some(0.0)), Range::Share)?,
            },
            OptimiserKind::AdamW => Self::AdamW {
                lr,
                beta1: take("beta1", written.beta1, default.beta1, Range::Share)?,
                beta2: take("beta2", written.beta2, default.beta2, Range::Share)?,
                eps: take("eps", written.eps, default.eps, Range::Positive)?,
                weight_decay: take("weight_decay", written.weight_decay, default.weight_decay, Range::NotNegative)?,
            },
        })
    }
}

/// Which values a constant may have.
#[derive(Clone, Copy)]
enum Range {
    Positive,
    NotNegative,
    Share,
}

impl Range {
    fn holds(self, value: f64) -> bool {
        value.is_finite()
            && match self {
                Self::Positive => value > 0.0,
                Self::NotNegative => value >= 0.0,
                Self::Share => (0.0..1.0).contains(&value),
            }
    }

    fn word(self) -> &'static str {
        match self {
            Self::Positive => "above 0",
            Self::NotNegative => "0 or above",
            Self::Share => "between 0 and 1, and below 1",
        }
    }
}
