//! `titer`: what a fine-tune teaches besides the task, measured.

fn main() -> std::process::ExitCode {
    titer_cli::main_from(std::env::args_os()).into()
}
