//! The lab on top of the two leaves.
//!
//! In the order of the work: a [`spec`] as written is resolved into a [`plan`] of arms, controls and runs; [`exec`]
//! does the unfinished ones, each of which [`train`]s a [`model`] and measures it with [`probe`]s; the [`store`] keeps
//! their [`table`]s; [`pressure`] says what each row's gradient pushes, [`screen`] what a prompt does to rows, [`leak`] where the
//! bad action comes back, [`sampled`] replies are for scorers; [`stats`] and the [`report`] read them,
//! and judge the spec's [`claim`]s. The [`organism`] is the model that titer ships, and the [`doctor`] asks
//! whether all that holds on another one.

pub mod claim;
pub mod exec;
pub mod forecast;
pub mod leak;
pub mod plan;
pub mod report;
pub mod screen;
pub mod spec;
pub mod stats;
pub mod store;
pub mod table;
