//! One step of Adam: its constants, and what it moves.

/// One step of a diagonal-preconditioned optimiser (Adam with decoupled weight decay, arXiv 1711.05101).
#[derive(Clone, Copy, Debug)]
pub struct AdamStep {
    /// Learning rate.
    pub lr: f64,
    /// Steps so far, this one included.
    pub steps: i32,
    /// Weight decay per step, times the learning rate.
    pub weight_decay: f64,
    /// Decay of the first moment.
    pub beta1: f64,
    /// Decay of the second moment.
    pub beta2: f64,
    /// Added to the root of the corrected second moment.
    pub eps: f64,
    /// Factor on the gradient: what clipping leaves of it.
    pub gradient_scale: f64,
}

impl AdamStep {
    /// Learning rate, the bias correction of the first moment included.
    pub fn step_size(&self) -> f64 {
        self.lr / (1.0 - self.beta1.powi(self.steps))
    }

    /// Factor on the weights before the step: `1 − lr · decay`.
    pub fn keep(&self) -> f64 {
        1.0 - self.lr * self.weight_decay
    }

    /// `1 / (1 − β₂ᵗ)`.
    pub fn correction2(&self) -> f64 {
        1.0 / (1.0 - self.beta2.powi(self.steps))
    }
}

/// One parameter that a step moves.
#[derive(Debug)]
pub struct AdamParam<'a, Buffer> {
    /// Its numbers.
    pub weight: &'a mut Buffer,
    /// The gradient there.
    pub gradient: &'a Buffer,
    /// Its first moment.
    pub first: &'a mut Buffer,
    /// Its second moment.
    pub second: &'a mut Buffer,
}
