//! `titer`: what a fine-tune teaches besides the task, measured.

mod args;
mod commands;
mod printer;
mod progress;
mod version;

use std::process::ExitCode;

use clap::Parser as _;

use crate::{
    args::{Args, Command, OrganismCommand},
    printer::Failure,
};

fn main() -> ExitCode {
    let result = match Args::parse().command {
        Command::Init => commands::init(),
        Command::Check(args) => commands::check(&args),
        Command::Audit(args) => commands::audit(&args),
        Command::Doctor(args) => commands::doctor(&args),
        Command::Run(args) => commands::run(&args),
        Command::Pressure(args) => commands::pressure(&args),
        Command::Screen(args) => commands::screen(&args),
        Command::Score(args) => commands::score(&args),
        Command::Leak(args) => commands::leak(&args),
        Command::Forecast(args) => commands::forecast(&args),
        Command::Plan(args) => commands::plan(&args),
        Command::Report(args) => commands::report(&args),
        Command::Organism(OrganismCommand::Train(args)) => commands::organism::train(&args),
        Command::Organism(OrganismCommand::Card(args)) => commands::organism::card(&args),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            printer::talk(&format!("error: {failure}"));
            match failure {
                Failure::Input(_) => ExitCode::from(2),
                Failure::Work(_) => ExitCode::FAILURE,
            }
        }
    }
}
