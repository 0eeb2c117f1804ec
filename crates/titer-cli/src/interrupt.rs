//! What is said to someone who stops a command.

/// From now on, an interrupt (Ctrl-C) or a request to terminate prints `message` once and ends the process with the exit code that
/// shells give it: 130 or 143. What is on the disk stays as it is, which is what the store is made for.
#[cfg(unix)]
pub(crate) fn say_when_stopped(message: &'static str) {
    use signal_hook::{
        consts::{SIGINT, SIGTERM},
        iterator::Signals,
    };

    // Where signals cannot be watched they end the process without a word, as they would have.
    let Ok(mut signals) = Signals::new([SIGINT, SIGTERM]) else { return };
    std::thread::spawn(move || {
        if let Some(signal) = signals.forever().next() {
            crate::printer::talk(message);
            std::process::exit(128 + signal);
        }
    });
}

/// Elsewhere there are no signals to watch.
#[cfg(not(unix))]
pub fn say_when_stopped(_: &'static str) {}
