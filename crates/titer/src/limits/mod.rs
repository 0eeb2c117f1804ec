//! Plans for limits: which mix of the rows that there are keeps rates after training within bounds, by its forecast.

mod format;
mod limit;
mod planned;
mod search;
mod supply;

pub use format::{LimitsError, LimitsFile};
pub use limit::{Limit, RateBound, Supply};
pub use planned::planned_spec;
pub use search::{MixCandidate, SearchResult, mix, search};
pub use supply::{SearchError, check_rows};
