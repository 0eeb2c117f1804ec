//! Gradient pressure: what each row's gradient does to each component.
//!
//! With `f_k` the mean margin of component `k` over its gradient contrasts and `L_i` the nats of row `i`'s reply, the
//! marginal pressure is `c_ik = −⟨P ∇L_i, ∇f_k⟩`: nats of margin per unit of learning rate, for a step on the row
//! alone. `P` is the identity for plain gradient descent, or Adam's diagonal. The contrasts that give gradients share
//! no context with those that measure.
//!
//! [`Margins`] are the `f_k`; their [`Directions`] at one state of a model say what [rows](crate::rows::PackedRows) push; over a run the
//! [`Ledger`] adds up what every cell's steps should have done, beside what was measured, and
//! [`verify`] holds pressures against real steps.

mod components;
mod directions;
mod ledger;
mod margins;
mod pressing;
mod random_directions;
mod unique_push;
mod verify;
mod warning;

pub(crate) use components::COMPONENTS;
pub use directions::Directions;
pub use ledger::{Ledger, LedgerMargins};
pub use margins::{Margin, Margins};
pub use pressing::Pressing;
pub(crate) use random_directions::random_like;
pub use verify::{Steps, verify};
pub use warning::{StageWarning, Warnings};
