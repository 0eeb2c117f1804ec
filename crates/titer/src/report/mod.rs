//! The report: one HTML file that needs nothing else.
//!
//! `load` reads a sweep's folder into [`results`](crate::results); `series` and `family` sort it into what is compared; `sections` turn
//! that into figures and tables; `page` sets them.

mod family;
mod figure;
mod format;
mod load;
mod page;
mod sections;
mod series;
mod sheet;
mod view;

pub use load::write;
pub use page::{Report, ReportError, render};
pub use sheet::{Sheet, SheetBlock, SheetTable};
