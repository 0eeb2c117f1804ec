//! Which PyTorch: the one that is named, else that of the active environment, else that of the first Python on the path.

use std::{
    env,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use titer::environment::variable;
use titer_model::backend::Torch;

use super::{
    DeviceError,
    python::{PythonAnswer, torch_of},
};

/// A torch's folder of libraries, and how it was found.
#[derive(Clone, Debug)]
pub(super) struct Found {
    pub(super) libraries: PathBuf,
    pub(super) how: String,
}

static PREFERRED: Mutex<Option<PathBuf>> = Mutex::new(None);

/// From now on takes the torch in this folder: `site-packages/torch`, its `lib`, or an environment that has it; without one, looks for it.
pub fn prefer_torch(folder: Option<&Path>) {
    *PREFERRED.lock().unwrap_or_else(PoisonError::into_inner) = folder.map(Path::to_owned);
}

/// Whether `--torch` names the torch that is open in this process, which has one alone; it does where nothing is named or open.
///
/// # Errors
/// Where it names another one, or none.
pub(super) fn is_the_open_one() -> Result<(), DeviceError> {
    let named = PREFERRED.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let (Some(named), Some(open)) = (named, Torch::<f32>::folder()) else { return Ok(()) };
    let whole = |folder: &Path| folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
    match find() {
        Ok(found) if whole(&found.libraries) == whole(open) => Ok(()),
        _ => Err(DeviceError::AnotherTorch { named, open: open.to_owned() }),
    }
}

/// Finds a torch.
///
/// # Errors
/// Where there is none: where it was looked for, and what was there.
pub(super) fn find() -> Result<Found, String> {
    let named = PREFERRED.lock().unwrap_or_else(PoisonError::into_inner).clone().map(|folder| (folder, "--torch"));
    let named = named.or_else(|| Some((variable("TITER_TORCH")?, "TITER_TORCH")));
    if let Some((folder, by)) = named {
        let found = libraries(&folder).map_or_else(|| of_python(&python_of(&folder)), Ok);
        let found = found.map(|libraries| Found { libraries, how: by.to_owned() });
        return found.map_err(|why| {
            let why = if python_of(&folder).exists() { format!(": its Python {why}") } else { String::new() };
            format!("{by} names {}, and there is none there{why}", folder.display())
        });
    }
    let environments = ["VIRTUAL_ENV", "CONDA_PREFIX"].into_iter().filter_map(|name| Some((name, variable(name)?)));
    let pythons = environments.map(|(name, folder)| (python_of(&folder), format!("the environment of {name}")));
    let on_path = ["python3", "python"].map(|name| (PathBuf::from(name), format!("{name} on the path")));
    let mut tried = Vec::new();
    for (python, how) in pythons.chain(on_path) {
        match of_python(&python) {
            Ok(libraries) => return Ok(Found { libraries, how }),
            Err(why) => tried.push(format!("{how}, which {why}")),
        }
    }
    Err(format!("looked for in {}", tried.join("; ")))
}

/// The Python of an environment.
fn python_of(environment: &Path) -> PathBuf {
    environment.join(if cfg!(windows) { "Scripts/python.exe" } else { "bin/python" })
}

/// The libraries in a folder `torch`, or the folder itself where it has them.
fn libraries(folder: &Path) -> Option<PathBuf> {
    let has = |folder: &Path| {
        folder.join(format!("{}torch_cpu{}", env::consts::DLL_PREFIX, env::consts::DLL_SUFFIX)).exists()
    };
    [folder.to_owned(), folder.join("lib")].into_iter().find(|folder| has(folder))
}

/// The libraries of the torch that a Python would import.
///
/// # Errors
/// Where there are none: what is the matter with this Python, as the end of a sentence about it.
fn of_python(python: &Path) -> Result<PathBuf, String> {
    match torch_of(python) {
        PythonAnswer::Torch(folder) => {
            libraries(&folder).ok_or_else(|| format!("has a torch without libraries in {}", folder.display()))
        }
        PythonAnswer::NoTorch => Err("has none".to_owned()),
        PythonAnswer::NoPython => Err("is not there".to_owned()),
        PythonAnswer::Failed(problem) => Err(problem),
    }
}
