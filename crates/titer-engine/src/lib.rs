//! The lab's work on a model.
//!
//! In the order of the work: a [`hub`] has model files, or they are an [`organism`] that titer carries; a [`model`] is opened
//! from them, its [`rows`] encoded, its [`probe`]s measured; [`pressure`] says what each row's gradient pushes, a [`guard`]
//! holds a step to limits, a [`vector`] goes into training passes, replies are [`sampled`] for scorers and [`drawn`] to be trained, an [`endpoint`] has models that are elsewhere, [`scoring`] is done by either, [`inputs`] are what a run starts from and [`train`] does it. [`screen`] says what a prompt does to
//! rows, [`leak`] where the bad action comes back, [`kernel`] measures what forecasts are made of, rows are [`exported`] to other trainers, models are [`serve`]d, [`raise`] makes organisms, and the [`doctor`] asks whether all that holds on another model.

pub mod device;
pub mod doctor;
pub mod drawn;
pub mod endpoint;
pub mod exported;
pub mod guard;
pub mod hub;
pub mod inputs;
pub mod kernel;
pub mod leak;
pub mod model;
pub mod organism;
pub mod pressure;
pub mod probe;
pub mod raise;
pub mod rows;
pub mod sampled;
pub mod scoring;
pub mod screen;
pub mod serve;
pub mod train;
pub mod vector;
