//! What is said and done when someone stops a command.

/// From now on, an interrupt (Ctrl-C), a request to terminate or the warning that a job's time is nearly up (SIGUSR1) prints
/// `message`, does `last` and ends the process with the exit code that shells give it: 130, 143 or 138. What is on the disk stays as
/// it is, which is what the store is made for. A second one ends the process at once, whatever `last` is at.
#[cfg(unix)]
pub(crate) fn when_stopped(message: &'static str, last: impl FnOnce() + Send + 'static) {
    use signal_hook::{
        consts::{SIGINT, SIGTERM, SIGUSR1},
        iterator::Signals,
    };

    // Where signals cannot be watched they end the process without a word, as they would have.
    let Ok(mut signals) = Signals::new([SIGINT, SIGTERM, SIGUSR1]) else { return };
    std::thread::spawn(move || {
        let mut last = Some(last);
        for signal in signals.forever() {
            let end = move || std::process::exit(128 + signal);
            let Some(last) = last.take() else { end() };
            crate::printer::talk(message);
            let leaving = std::thread::Builder::new().spawn(move || {
                last();
                end()
            });
            if leaving.is_err() {
                end();
            }
        }
    });
}

/// Elsewhere there are no signals to watch.
#[cfg(not(unix))]
pub fn when_stopped(_: &'static str, _: impl FnOnce() + Send + 'static) {}
