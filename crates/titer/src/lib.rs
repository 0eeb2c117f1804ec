//! The lab without tensors: everything before and after a run.
//!
//! In the order of the work: a [`spec`] as written is resolved into a [`plan`] of arms, controls and runs; [`exec`] has the
//! unfinished ones done, and the [`store`] keeps their [`table`]s; [`results`] are what the finished ones say, with the
//! intervals of [`stats`]; [`screen`] and [`leak`] sum up what prompts do; a spec's [`claim`]s are judged by results; a
//! [`forecast`] says what they will be, and plans for [`limits`] turn it round; the [`report`] shows it all.

pub mod claim;
pub mod exec;
pub mod files;
pub mod forecast;
pub mod leak;
pub mod limits;
pub mod plan;
pub mod report;
pub mod results;
pub mod screen;
pub mod spec;
pub mod stats;
pub mod store;
pub mod table;
