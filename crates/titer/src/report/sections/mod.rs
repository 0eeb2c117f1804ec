//! The sections of a report, in their order: each turns data into what the page shows.

pub(super) mod cells;
pub(super) mod claims;
pub(super) mod drawn;
pub(super) mod effect;
pub(super) mod elsewhere;
pub(super) mod forecast;
pub(super) mod gallery;
pub(super) mod guards;
pub(super) mod headline;
pub(super) mod health;
pub(super) mod inoculation;
pub(super) mod leak;
pub(super) mod ledger;
pub(super) mod narrow;
mod onset;
mod onset_sentences;
pub(super) mod reproduce;
pub(super) mod response;
pub(super) mod training;
pub(super) mod validation;
pub(super) mod warnings;
