//! A folder with a tiny spec and a sweep of it.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use super::titer;

/// Two runs of two steps with every table.
pub(crate) const SPEC: &str = include_str!("../fixtures/tiny.toml");

/// A folder with `tiny.toml`, and with `sweep` where there is one.
pub(crate) struct Folder(tempfile::TempDir);

impl Folder {
    /// Without a sweep.
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs_err::write(folder.path().join("tiny.toml"), SPEC).unwrap();
        Self(folder)
    }

    /// With the sweep that an earlier titer made, and the organism that it had: its tokenizer named an unknown word that it has not.
    pub(crate) fn of_format_1() -> Self {
        let folder = Self::new();
        let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../organism/seed-0");
        for (name, bytes) in tree(&shipped) {
            let (now, then) = (r#""unk_token": ".""#, r#""unk_token": "<unk>""#);
            let bytes = match name.as_str() {
                "tokenizer.json" => String::from_utf8(bytes).unwrap().replacen(now, then, 1).into_bytes(),
                _ => bytes,
            };
            let path = folder.path().join("organism-of-then").join(name);
            fs_err::create_dir_all(path.parent().unwrap()).unwrap();
            fs_err::write(path, bytes).unwrap();
        }
        fs_err::write(folder.path().join("tiny.toml"), format!("{SPEC}\n[model]\nbase = \"organism-of-then\"\n"))
            .unwrap();
        folder.take("sweep-format-1");
        folder
    }

    /// With the sweep of runs of format 2, to be read.
    pub(crate) fn of_format_2() -> Self {
        let folder = Self::new();
        folder.take("sweep-format-2");
        folder
    }

    /// Takes a sweep that is kept.
    fn take(&self, name: &str) {
        let kept = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name);
        for (name, bytes) in tree(&kept) {
            let path = self.sweep().join(name);
            fs_err::create_dir_all(path.parent().unwrap()).unwrap();
            fs_err::write(path, bytes).unwrap();
        }
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    pub(crate) fn sweep(&self) -> PathBuf {
        self.path().join("sweep")
    }

    /// Runs titer here: exit code, stdout and stderr.
    pub(crate) fn titer(&self, args: &[&str]) -> (i32, String, String) {
        titer(self.path(), self.path(), args)
    }

    /// Runs titer here, which must succeed.
    pub(crate) fn finish(&self, args: &[&str]) {
        let (code, _, error) = self.titer(args);
        assert_eq!(code, 0, "{error}");
    }

    /// The sweep's report.
    pub(crate) fn page(&self) -> String {
        fs_err::read_to_string(self.sweep().join("report.html")).unwrap()
    }

    /// The files of runs that do not hold times.
    pub(crate) fn vouched(&self) -> BTreeMap<String, Vec<u8>> {
        let mut files = tree(&self.sweep());
        files.retain(|name, _| name.contains('/') && !name.ends_with("events.jsonl"));
        files
    }
}

/// Every file below a folder, by its path in it.
pub(crate) fn tree(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs_err::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(folder).unwrap().display().to_string();
                files.insert(name, fs_err::read(&path).unwrap());
            }
        }
    }
    files
}

/// Names of the run folders that have events, ascending; none where there is no sweep.
pub(crate) fn run_folders(sweep: &Path) -> Vec<String> {
    let Ok(entries) = fs_err::read_dir(sweep) else { return Vec::new() };
    let folders = entries.map(|entry| entry.unwrap().path()).filter(|path| path.join("events.jsonl").exists());
    let mut names: Vec<String> = folders.map(|path| path.file_name().unwrap().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}
