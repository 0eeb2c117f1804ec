//! The lab without tensors: everything before and after a run.
//!
//! In the order of the work: a [`spec`] as written is resolved into a [`plan`] of arms, controls and runs; [`exec`] has the
//! unfinished ones done, here or by the slots of a [`slurm`] cluster, the [`store`] keeps their [`table`]s, and those of runs that were
//! [`recorded`] or trained [`elsewhere`], and [`status`] says how far they are; [`results`] are what the finished ones say, with the
//! intervals of [`stats`], and they can be [`viewed`] by other people's programs; [`screen`] and [`leak`] sum up what prompts do, [`validate`] holds that
//! against arms that were trained elsewhere; a spec's [`claim`]s are judged by results; a
//! [`forecast`] says what they will be, and plans for [`limits`] turn it round; the [`report`] shows it all. Sentences are made of [`words`], and the
//! [`environment`] has variables and folders.
//!
//! ```
//! use titer::{claim, plan::SweepPlan, spec::Spec};
//!
//! let text = r#"
//!     seeds = [0, 1]
//!     [sweep]
//!     "train.mix.bad→good" = [0.0, 0.5]
//!     [[claim]]
//!     text = "half the rows make the model ignore bad prompts"
//!     value = "rate('obey_bad')"
//!     bound = "< 0.1"
//! "#;
//! let spec = Spec::parse(text, "spec.toml".as_ref())?;
//! let plan = SweepPlan::resolve(&spec)?;
//! let names: Vec<&str> = plan.arms.iter().map(|arm| arm.name.as_str()).collect();
//! assert_eq!(names, ["bad→good=0.0", "bad→good=0.5"]);
//! assert_eq!(claim::resolve(&spec, &plan)?.len(), 1);
//! # Ok::<(), titer::spec::SpecError>(())
//! ```

pub mod claim;
pub mod elsewhere;
pub mod environment;
pub mod exec;
pub mod files;
pub mod forecast;
pub mod leak;
pub mod limits;
pub mod plan;
pub mod recorded;
pub mod report;
pub mod results;
pub mod screen;
pub mod slurm;
pub mod spec;
pub mod stats;
pub mod status;
pub mod store;
pub mod table;
pub mod validate;
pub mod viewed;
pub mod words;
