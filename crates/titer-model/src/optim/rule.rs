//! Which update rule an optimiser follows.

use serde::{Deserialize, Serialize};

/// Which update rule, with its constants.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum UpdateRule {
    /// Stochastic gradient descent with heavy-ball momentum (0 for none), as in PyTorch.
    Sgd {
        /// Share of the last step's velocity that is kept.
        momentum: f64,
    },
    /// Adam with decoupled weight decay (arXiv 1711.05101); only matrices decay.
    AdamW {
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
