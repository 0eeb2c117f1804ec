//! Which torch a Python has: it is asked, and not waited for without end.

use std::{
    collections::HashMap,
    io::{ErrorKind, Read},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::{
        Mutex, PoisonError,
        mpsc::{Receiver, channel},
    },
    thread,
    time::{Duration, Instant},
};

/// What a Python says of torch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum PythonAnswer {
    /// It has one, in this folder.
    Torch(PathBuf),
    /// It has none.
    NoTorch,
    /// There is no such program.
    NoPython,
    /// It does not say: why, as the end of a sentence about it.
    Failed(String),
}

/// How long a Python has.
const PATIENCE: Duration = Duration::from_secs(10);

/// Before the answer, since what starts a Python may print as well.
const MARK: &str = "titer asked for torch: ";

/// What was answered in this process: a Python is asked once.
static ASKED: Mutex<Option<HashMap<PathBuf, PythonAnswer>>> = Mutex::new(None);

/// The folder of the torch that a Python would import; it is not imported.
pub(super) fn torch_of(python: &Path) -> PythonAnswer {
    let mut asked = ASKED.lock().unwrap_or_else(PoisonError::into_inner);
    let asked = asked.get_or_insert_default();
    asked.entry(python.to_owned()).or_insert_with(|| ask(python, PATIENCE)).clone()
}

fn ask(python: &Path, patience: Duration) -> PythonAnswer {
    let code = format!(
        "import importlib.util as u; s = u.find_spec('torch'); print(); print('{MARK}' + (list(s.submodule_search_locations)[0] if s else ''))"
    );
    let mut command = Command::new(python);
    command.args(["-c", &code]).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = match command.spawn() {
        Ok(child) => child,
        Err(error) if error.kind() == ErrorKind::NotFound => return PythonAnswer::NoPython,
        Err(error) => return PythonAnswer::Failed(format!("cannot be started ({error})")),
    };
    let (out, err) = (child.stdout.take().map(read_aside), child.stderr.take().map(read_aside));
    let end = Instant::now() + patience;
    let Some(status) = ended(&mut child, end) else {
        // What it started itself may go on, and is not waited for.
        let _ = child.kill();
        let _ = child.wait();
        return PythonAnswer::Failed(format!("did not answer within {} s", patience.as_secs_f64()));
    };
    let text = |from: Option<Receiver<String>>| {
        let left = end.saturating_duration_since(Instant::now()).max(Duration::from_secs(1));
        from.and_then(|from| from.recv_timeout(left).ok()).unwrap_or_default()
    };
    let (out, err) = (text(out), text(err));
    match out.lines().find_map(|line| line.strip_prefix(MARK)) {
        Some("") => PythonAnswer::NoTorch,
        Some(folder) => PythonAnswer::Torch(PathBuf::from(folder)),
        None => {
            let last = out.lines().chain(err.lines()).rfind(|line| !line.trim().is_empty()).unwrap_or("no word");
            let last: String = last.trim().chars().take(200).collect();
            PythonAnswer::Failed(format!("did not say ({status}: {last})"))
        }
    }
}

/// How it ended; `None` where it has not until then.
fn ended(child: &mut Child, end: Instant) -> Option<ExitStatus> {
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return Some(status),
            Ok(None) if Instant::now() < end => thread::sleep(Duration::from_millis(5)),
            _ => return None,
        }
    }
}

/// Reads to the end on a thread of its own: what is started along with a Python may keep its output open.
fn read_aside(mut from: impl Read + Send + 'static) -> Receiver<String> {
    let (send, receive) = channel();
    thread::spawn(move || {
        let mut bytes = Vec::new();
        let _ = from.read_to_end(&mut bytes);
        let _ = send.send(String::from_utf8_lossy(&bytes).into_owned());
    });
    receive
}

#[cfg(unix)]
#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_python_is_understood_whatever_else_it_prints_and_not_waited_for() {
        let dir = tempfile::tempdir().unwrap();
        let python = |script: &str| {
            let path = dir.path().join("python");
            fs_err::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
            fs_err::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
            ask(&path, if script.contains("exec sleep") { Duration::from_millis(500) } else { Duration::from_secs(60) })
        };
        let torch = |folder: &str| PythonAnswer::Torch(folder.into());
        assert_eq!(python(&format!("echo '{MARK}/a b/torch'")), torch("/a b/torch"));
        assert_eq!(python(&format!("echo hello; echo '{MARK}/torch'; echo bye")), torch("/torch"));
        assert_eq!(python(&format!("echo hello; echo '{MARK}'")), PythonAnswer::NoTorch);
        let failed = |script: &str| match python(script) {
            PythonAnswer::Failed(problem) => problem,
            answer => panic!("{answer:?}"),
        };
        assert_eq!(failed("echo out; echo worse >&2; exit 3"), "did not say (exit status: 3: worse)");
        assert_eq!(failed("echo bad >&2; exit 3"), "did not say (exit status: 3: bad)");
        assert_eq!(failed("exec sleep 60"), "did not answer within 0.5 s");
        assert_eq!(failed("exit 0"), "did not say (exit status: 0: no word)");
        assert_eq!(ask(&dir.path().join("nothing"), PATIENCE), PythonAnswer::NoPython);
    }
}
