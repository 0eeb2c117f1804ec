//! GPUs that are not there: `gpus.cpp` and what it includes, built against the torch that `TITER_TORCH` names.

use std::{
    hash::{DefaultHasher, Hash as _, Hasher as _},
    io::Write as _,
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
};

const SOURCE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../titer-model/tests/torch/pretended");

/// A folder of torch's libraries with GPUs that its processor computes. It is built once; `None`, and a line that says so, where no torch is named, or where
/// there is no compiler.
///
/// # Panics
/// Where it does not build against this torch.
pub(crate) fn pretended_gpus() -> Option<PathBuf> {
    static BUILT: OnceLock<Option<PathBuf>> = OnceLock::new();
    BUILT.get_or_init(built).clone()
}

fn built() -> Option<PathBuf> {
    let skipped = |why: &str| {
        writeln!(std::io::stderr(), "skipped: {why}, so no GPUs are pretended").expect("stderr is open");
        None
    };
    if !cfg!(target_os = "linux") {
        return skipped("this is not Linux");
    }
    let Some(libraries) = std::env::var_os("TITER_TORCH").map(PathBuf::from) else {
        return skipped("TITER_TORCH names no folder of torch's libraries");
    };
    if Command::new("c++").arg("--version").output().is_err() {
        return skipped("there is no C++ compiler (c++)");
    }
    let torch = libraries.parent().expect("torch's libraries lie in its folder");
    let mut name = DefaultHasher::new();
    let mut files: Vec<PathBuf> = fs_err::read_dir(SOURCE).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files.iter().for_each(|file| fs_err::read(file).unwrap().hash(&mut name));
    // Another version of torch in the same place has another time.
    (torch, fs_err::metadata(torch.join("version.py")).unwrap().modified().unwrap()).hash(&mut name);
    let name = format!("{:016x}", name.finish());
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("pretended-gpus").join(name);
    if !folder.exists() {
        build(torch, &libraries, &folder);
    }
    Some(folder)
}

fn build(torch: &Path, libraries: &Path, folder: &Path) {
    let parent = folder.parent().expect("it is in a folder");
    fs_err::create_dir_all(parent).unwrap();
    let being_built = tempfile::tempdir_in(parent).unwrap();
    let headers = torch.join("include");
    let mut compiler = Command::new("c++");
    compiler.args(["-std=c++20", "-O1", "-shared", "-fPIC"]).arg(Path::new(SOURCE).join("gpus.cpp"));
    compiler.arg("-o").arg(being_built.path().join("libtorch.so"));
    compiler.arg("-I").arg(&headers).arg("-I").arg(headers.join("torch/csrc/api/include"));
    // No symbol is used of them that the linker could see, and they are to be opened along.
    compiler.arg("-L").arg(libraries).args(["-Wl,--no-as-needed", "-ltorch_cpu", "-lc10"]);
    compiler.arg(format!("-Wl,-rpath,{}", libraries.display()));
    let output = compiler.output().unwrap();
    assert!(output.status.success(), "{SOURCE} does not build:\n{}", String::from_utf8_lossy(&output.stderr));
    #[cfg(unix)]
    std::os::unix::fs::symlink(libraries.join("libtorch_cpu.so"), being_built.path().join("libtorch_cpu.so")).unwrap();
    // Another test may have been quicker.
    let _ = fs_err::rename(being_built.path(), folder);
    assert!(folder.join("libtorch.so").exists(), "{} was not put in its place", folder.display());
}
