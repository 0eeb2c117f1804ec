//! Where a row stands, for messages.

use std::{fmt, path::Path, sync::Arc};

/// The file of a row and what the row is called there: `line-3`, or an id of its own. Rows without an id of their own are called by
/// their request later on, by which nobody finds them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RowPlace {
    /// The file.
    pub path: Arc<Path>,
    /// The row's name in it.
    pub id: String,
}

impl fmt::Display for RowPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, `{}`", self.path.display(), self.id)
    }
}
