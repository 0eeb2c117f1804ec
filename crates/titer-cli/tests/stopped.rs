//! Commands that a program calls end soon after it wants them stopped, and leave nothing half done.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use titer_cli::{Failure, HeardTable, Listener, call};

/// Wants the command stopped once it has told of progress so often.
struct Impatient {
    after: usize,
    told: AtomicUsize,
}

impl Listener for Impatient {
    fn data(&self, _: &str) {}
    fn talk(&self, _: &str) {}
    fn table(&self, _: HeardTable) {}
    fn progress(&self, _: u64, _: u64, _: &str) {
        self.told.fetch_add(1, Ordering::SeqCst);
    }
    fn stopped(&self) -> bool {
        self.told.load(Ordering::SeqCst) >= self.after
    }
    fn spec(&self, _: &Path) -> Option<String> {
        None
    }
}

/// How often a command told of progress where it is stopped after `after` times, and what came of it.
fn stopped(after: usize, arguments: &[&str]) -> (usize, Result<(), Failure>) {
    let listener = Arc::new(Impatient { after, told: AtomicUsize::new(0) });
    let arguments = ["titer"].iter().chain(arguments).map(Into::into);
    let done = call(arguments, Arc::clone(&listener) as Arc<dyn Listener>);
    (listener.told.load(Ordering::SeqCst), done)
}

#[test]
fn a_command_is_left_at_its_next_step_and_writes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("pressures.parquet");
    let screened = dir.path().join("screened.parquet");
    for (file, command) in [
        (&out, vec!["pressure", "--items", "8", "--out", out.to_str().unwrap()]),
        (&screened, vec!["screen", "--out", screened.to_str().unwrap()]),
    ] {
        let (whole, done) = stopped(usize::MAX, &command);
        done.unwrap();
        assert!(file.exists() && whole > 0, "{command:?} tells of progress {whole} times");
        fs_err::remove_file(file).unwrap();
        let (told, left) = stopped(1, &command);
        assert_eq!(left.unwrap_err().to_string(), "stopped", "{command:?}");
        // A step may be all that there is; of several, threads may be within one each.
        assert!((told < whole || whole == 1) && !file.exists(), "{command:?}: {told} of {whole}");
        assert_eq!(fs_err::read_dir(dir.path()).unwrap().count(), 0);
    }
}
