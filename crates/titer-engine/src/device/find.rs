//! Which PyTorch: the one that is named, else that of the active environment, else that of the first Python on the path.

use std::{
    env,
    path::{Path, PathBuf},
    process::Command,
    sync::{Mutex, PoisonError},
};

use titer_model::backend::Torch;

use super::DeviceError;

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
/// Where there is none: where it was looked for.
pub(super) fn find() -> Result<Found, String> {
    let named = PREFERRED.lock().unwrap_or_else(PoisonError::into_inner).clone().map(|folder| (folder, "--torch"));
    let named = named.or_else(|| Some((env::var_os("TITER_TORCH")?.into(), "TITER_TORCH")));
    if let Some((folder, by)) = named {
        let libraries = libraries(&folder).or_else(|| of_python(&python_of(&folder)));
        let found = libraries.map(|libraries| Found { libraries, how: by.to_owned() });
        return found.ok_or_else(|| format!("{by} names {}, and there is none there", folder.display()));
    }
    let environments = ["VIRTUAL_ENV", "CONDA_PREFIX"].into_iter().filter_map(|name| Some((name, env::var_os(name)?)));
    let pythons =
        environments.map(|(name, folder)| (python_of(Path::new(&folder)), format!("the environment of {name}")));
    let on_path = ["python3", "python"].map(|name| (PathBuf::from(name), format!("{name} on the path")));
    let mut tried = Vec::new();
    for (python, how) in pythons.chain(on_path) {
        match of_python(&python) {
            Some(libraries) => return Ok(Found { libraries, how }),
            None => tried.push(how),
        }
    }
    Err(format!("looked for in {}", tried.join(", ")))
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

/// The libraries of the torch that a Python would import; it is not imported.
fn of_python(python: &Path) -> Option<PathBuf> {
    const ASK: &str =
        "import importlib.util as u; s = u.find_spec('torch'); print(s.submodule_search_locations[0] if s else '')";
    let said = Command::new(python).args(["-c", ASK]).output().ok().filter(|output| output.status.success())?;
    let folder = String::from_utf8(said.stdout).ok()?;
    libraries(Path::new(folder.trim()))
}
