//! The command line: argument types, commands, one printer, exit codes.

mod args;
mod commands;
mod former;
mod interrupt;
mod kept;
mod listener;
mod numbers;
mod page;
mod paths;
mod printer;
mod progress;
#[cfg(test)]
mod reference;
mod temporary;
mod text_table;
mod unread;
mod version;
mod width;

use std::{borrow::Cow, ffi::OsString, sync::Arc};

use clap::Parser as _;
use titer::words::quoted;

use crate::{
    args::{Args, Command, OrganismCommand},
    page::paged,
};

pub use crate::{
    listener::{HeardTable, Listener},
    printer::Failure,
};

/// Does what a command line asks for and returns the exit code: 0 where it was done, 2 where what the user gave cannot be
/// used, 1 where the work failed; 130 and 143 where a sweep was interrupted or terminated, 138 where a job's time was nearly up. The first argument is the program's name.
pub fn main_from(arguments: impl IntoIterator<Item = OsString>) -> u8 {
    let (arguments, hints) = former::translated(arguments);
    hints.iter().for_each(|hint| printer::talk(hint));
    let line = typed(&arguments);
    let args = match Args::try_parse_from(arguments) {
        Ok(args) => args,
        // Help and the version are asked for; anything else is a command line that cannot be read.
        Err(asked) => {
            let code = u8::try_from(asked.exit_code()).unwrap_or(2);
            let _ = unread::with_remedies(asked).print();
            return code;
        }
    };
    match done(args, &line) {
        Ok(()) => 0,
        Err(failure) => {
            printer::talk(&format!("error: {failure}"));
            match failure {
                Failure::Input(_) => 2,
                Failure::Work(_) => 1,
            }
        }
    }
}

/// Does what a command line asks for, for a program: a listener hears data, talk, tables and progress, and nothing goes to the
/// terminal. The first argument is the program's name.
///
/// # Errors
/// What the command line would print behind `error: `, and whose fault it is; that it was stopped, where the listener wanted that.
pub fn call(arguments: impl IntoIterator<Item = OsString>, listener: Arc<dyn Listener>) -> Result<(), Failure> {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    let line = typed(&arguments);
    let args = Args::try_parse_from(arguments).map_err(|asked| {
        let text = unread::with_remedies(asked).render().to_string();
        Failure::Input(text.trim_start_matches("error: ").trim_end().to_owned())
    })?;
    let heard = listener::unless_left(|| listener::heard(listener, || done(args, &line)));
    heard.unwrap_or_else(|| Err(Failure::work("stopped")))
}

/// Does it; where a device fails along the way, such as for want of memory, that is the failure.
fn done(args: Args, line: &str) -> Result<(), Failure> {
    titer_engine::device::guarded(|| carry_out(args, line)).map_err(Failure::work)?
}

/// A command line as one types it.
fn typed(arguments: &[OsString]) -> String {
    let rest = arguments.iter().skip(1).map(|argument| argument.to_string_lossy());
    quoted(&[Cow::Borrowed("titer")].into_iter().chain(rest).collect::<Vec<_>>())
}

fn carry_out(args: Args, line: &str) -> Result<(), Failure> {
    match args.command {
        Command::Init(args) => commands::init(&args),
        Command::Check(args) => commands::check(&args),
        Command::Audit(args) => paged(args.html.as_deref(), "titer audit", line, || commands::audit(&args)),
        Command::Doctor(args) => commands::doctor(&args),
        Command::Devices(args) => commands::devices(&args),
        Command::Run(args) => commands::run(&args),
        Command::Exec(args) => commands::exec(&args),
        Command::Status(args) => commands::status(&args),
        Command::List(args) => commands::list(&args),
        Command::Compare(args) => commands::compare(&args),
        Command::Export(args) => commands::export(&args),
        Command::Import(args) => commands::import(&args),
        Command::Serve(args) => commands::serve(&args),
        Command::Pressure(args) => paged(args.html.as_deref(), "titer pressure", line, || commands::pressure(&args)),
        Command::Screen(args) => paged(args.html.as_deref(), "titer screen", line, || commands::screen(&args)),
        Command::Validate(args) => commands::validate(&args),
        Command::Score(args) => commands::score(&args),
        Command::Judge(args) => commands::judge(&args),
        Command::Leak(args) => paged(args.html.as_deref(), "titer leak", line, || commands::leak(&args)),
        Command::Forecast(args) => commands::forecast(&args),
        Command::Plan(args) => commands::plan(&args),
        Command::Report(args) => commands::report(&args),
        Command::Results(args) => commands::results(&args),
        Command::Verify(args) => commands::verify(&args),
        Command::Organism(OrganismCommand::Train(args)) => commands::organism::train(&args),
        Command::Organism(OrganismCommand::Card(args)) => commands::organism::card(&args),
        Command::Completions(args) => commands::completions(&args),
        Command::Man(args) => commands::man(&args),
        Command::Schema => {
            printer::verbatim(titer::spec::SCHEMA.trim_end());
            Ok(())
        }
    }
}
