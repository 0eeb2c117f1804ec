//! What unfinished runs go on from: the model and the tables that a run has behind a stage, in `.beginnings` of the sweep's folder. Runs
//! that begin alike share one, and a run that is cut off goes on from its own.
//!
//! Nothing depends on them: one that is missing, damaged or of another program is trained again.

use std::{
    collections::BTreeSet,
    io,
    path::{Path, PathBuf},
    sync::atomic::{AtomicUsize, Ordering},
};

use titer_machine::instructions;

use super::{Depth, done};
use crate::plan::RunPlan;

/// Their folder in a sweep's folder.
const FOLDER: &str = ".beginnings";

/// Raised where their files change: older ones are not found any more.
const FORMAT: u32 = 2;

/// The beginnings that are kept in a sweep's folder.
#[derive(Clone, Debug)]
pub struct Beginnings {
    dir: PathBuf,
}

impl Beginnings {
    pub(super) fn of(sweep: &Path) -> Self {
        Self { dir: sweep.join(FOLDER) }
    }

    /// The folder of a beginning, one of [`RunPlan::beginnings`], where it is there and as it was written.
    pub fn find(&self, beginning: &RunPlan) -> Option<PathBuf> {
        let folder = self.dir.join(name(beginning));
        let done = done::read(&folder).ok()?;
        let whole = done.files.iter().all(|file| file.problem(&folder, Depth::Everything).is_none());
        (whole && done.is_closed).then_some(folder)
    }

    /// Keeps a beginning that `write` writes into a folder, whole or not at all.
    ///
    /// # Errors
    /// Where it cannot be written; nothing is left of it then.
    pub fn keep<E: From<io::Error>>(
        &self,
        beginning: &RunPlan,
        write: impl FnOnce(&Path) -> Result<(), E>,
    ) -> Result<(), E> {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        if self.find(beginning).is_some() {
            return Ok(());
        }
        // The name up to the point says what it is for.
        let (name, count) = (name(beginning), COUNT.fetch_add(1, Ordering::Relaxed));
        let (whole, written) = (self.dir.join(&name), self.dir.join(format!("{name}.{}-{count}", std::process::id())));
        fs_err::create_dir_all(&written)?;
        let kept = write(&written).and_then(|()| {
            done::write(&written, &BTreeSet::new())?;
            // What is there is damaged, or somebody has just kept the same.
            if whole.exists() {
                fs_err::remove_dir_all(&whole)?;
            }
            Ok(fs_err::rename(&written, &whole)?)
        });
        if kept.is_err() {
            // The reason is what counts.
            let _ = fs_err::remove_dir_all(&written);
        }
        kept
    }

    /// Removes all but what these runs begin with.
    pub(super) fn keep_only<'a>(&self, unfinished: impl Iterator<Item = &'a RunPlan>) -> io::Result<()> {
        if !self.dir.exists() {
            return Ok(());
        }
        let needed: BTreeSet<String> = unfinished.flat_map(Self::names).collect();
        self.remove(|name| !needed.contains(name))
    }

    /// What those that a run has are called.
    pub(crate) fn names(run: &RunPlan) -> Vec<String> {
        run.beginnings().iter().map(name).collect()
    }

    /// Removes those of a finished run that nobody else needs.
    pub(crate) fn drop_all_but(&self, of_finished: &[String], needed: &BTreeSet<&String>) -> io::Result<()> {
        if of_finished.is_empty() || !self.dir.exists() {
            return Ok(());
        }
        let spare: Vec<&String> = of_finished.iter().filter(|name| !needed.contains(name)).collect();
        self.remove(|name| spare.iter().any(|spare| *spare == name))
    }

    fn remove(&self, is_spare: impl Fn(&str) -> bool) -> io::Result<()> {
        for entry in fs_err::read_dir(&self.dir)? {
            let entry = entry?;
            let file = entry.file_name().to_string_lossy().into_owned();
            if is_spare(file.split('.').next().unwrap_or_default()) {
                fs_err::remove_dir_all(entry.path())?;
            }
        }
        // It goes with the last of them; somebody may be about to keep one.
        let _ = fs_err::remove_dir(&self.dir);
        Ok(())
    }
}

/// What a beginning is called. Another instruction set rounds otherwise, and a run says which one computed it.
fn name(beginning: &RunPlan) -> String {
    let by = instructions(!beginning.model.compute.is_f32());
    blake3::hash(format!("{FORMAT} {} {by}", beginning.id().0).as_bytes()).to_hex()[..16].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        plan::{ModelPlan, SweepPlan},
        spec::Spec,
    };

    const SPEC: &str = r#"
        seeds = [0]
        [[stage]]
        name = "first"
        rows = 64
        [[stage]]
        name = "last"
        rows = 64
        [sweep]
        "first.mix.bad→good" = [0.0, 0.5]
        "last.mix.bad→good" = [0.0, 0.5]
    "#;

    fn runs() -> Vec<RunPlan> {
        let plan = SweepPlan::resolve(&Spec::parse(SPEC, Path::new("spec.toml")).unwrap()).unwrap();
        let model = |base: &str, _| -> Result<ModelPlan, ()> {
            Ok(toml::from_str(&format!("base = \"{base}\"\nblake3 = \"0\"")).unwrap())
        };
        plan.runs(None, model).unwrap().into_iter().map(|(_, run)| run).collect()
    }

    fn write(folder: &Path) -> io::Result<()> {
        fs_err::write(folder.join("model"), "numbers")
    }

    #[test]
    fn a_beginning_is_found_whole_or_not_at_all() {
        let (dir, runs) = (tempfile::tempdir().unwrap(), runs());
        let (kept, first) = (Beginnings::of(dir.path()), &runs[0].beginnings()[0]);
        assert_eq!(kept.find(first), None);
        let failed = kept.keep(first, |folder| {
            write(folder)?;
            Err(io::Error::other("no space"))
        });
        assert_eq!((failed.unwrap_err().to_string().as_str(), kept.find(first)), ("no space", None));
        kept.keep(first, write).unwrap();
        let folder = kept.find(first).unwrap();
        assert_eq!(fs_err::read_to_string(folder.join("model")).unwrap(), "numbers");
        assert_eq!(kept.find(&runs.last().unwrap().beginnings()[0]), None, "another dose");

        fs_err::write(folder.join("model"), "numbe").unwrap();
        assert_eq!(kept.find(first), None, "damaged");
        kept.keep(first, write).unwrap();
        assert!(kept.find(first).is_some(), "kept again in its place");
        fs_err::remove_file(folder.join("done")).unwrap();
        assert_eq!(kept.find(first), None, "nothing vouches for it");
    }

    #[test]
    fn a_beginning_stays_as_long_as_an_unfinished_run_needs_it() {
        let (dir, runs) = (tempfile::tempdir().unwrap(), runs());
        let kept = Beginnings::of(dir.path());
        for run in &runs {
            kept.keep(&run.beginnings()[0], write).unwrap();
        }
        let count = || fs_err::read_dir(dir.path().join(FOLDER)).map_or(0, Iterator::count);
        let of = |run: &RunPlan| run.beginnings()[0].clone();
        let all = count();
        assert!(all >= 2);
        let (one, others): (Vec<_>, Vec<_>) = runs.iter().partition(|run| of(run) == of(&runs[0]));
        assert!(one.len() >= 2, "two arms begin alike");
        let names = |runs: &[&RunPlan]| runs.iter().flat_map(|run| Beginnings::names(run)).collect::<Vec<_>>();
        let (own, twin, rest) = (names(&one[..1]), names(&one[1..]), names(&others));
        kept.drop_all_but(&own, &twin.iter().chain(&rest).collect()).unwrap();
        assert_eq!(count(), all, "another arm needs it");
        kept.drop_all_but(&twin, &rest.iter().collect()).unwrap();
        assert_eq!((count(), kept.find(&of(one[0]))), (all - 1, None));
        // What was half-written for one that is needed may be somebody's who is at it.
        let name = &rest[0];
        fs_err::create_dir(dir.path().join(FOLDER).join(format!("{name}.7-0"))).unwrap();
        kept.keep_only(others.iter().copied()).unwrap();
        assert_eq!(count(), all);
        kept.keep_only(std::iter::empty()).unwrap();
        assert!(!dir.path().join(FOLDER).exists());
    }
}
