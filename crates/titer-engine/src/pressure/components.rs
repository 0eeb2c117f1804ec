//! The components that are pushed.

use titer_data::probe::Component;

/// How many components there are.
pub(crate) const COMPONENTS: usize = Component::ALL.len();
