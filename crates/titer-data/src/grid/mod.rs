//! Variations of a prompt: the leak grid, a placebo of its shape, and its narrow forms.

mod narrow;
mod phrases;
mod variation;

pub use narrow::{free_trigger, narrow_forms};
pub use variation::{Variation, placebo, variations};
