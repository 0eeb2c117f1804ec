//! One file per command.

mod check;
mod init;
pub mod organism;
mod report;
mod run;

pub use check::check;
pub use init::init;
pub use report::report;
pub use run::run;
