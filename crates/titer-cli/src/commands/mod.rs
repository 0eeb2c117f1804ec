//! One file per command.

mod audit;
mod check;
mod data;
mod doctor;
mod forecast;
mod init;
mod leak;
mod open;
pub mod organism;
mod outputs;
mod plan;
mod pressure;
mod report;
mod results;
mod run;
mod sampling;
mod score;
mod screen;
mod subjects;
mod validate;
mod verify;

pub use audit::audit;
pub use check::check;
pub use doctor::doctor;
pub use forecast::forecast;
pub use init::init;
pub use leak::leak;
pub use plan::plan;
pub use pressure::pressure;
pub use report::report;
pub use results::results;
pub use run::run;
pub use score::score;
pub use screen::screen;
pub use validate::validate;
pub use verify::verify;
