//! The sections of a report, in their order: each turns data into what the page shows.

pub mod cells;
pub mod claims;
pub mod effect;
pub mod forecast;
pub mod gallery;
pub mod guards;
pub mod headline;
pub mod health;
pub mod inoculation;
pub mod leak;
pub mod ledger;
pub mod reproduce;
pub mod response;
pub mod training;
pub mod validation;
pub mod warnings;
