//! A finished run, to read: whether it is as it was written, and what its plan and its events say.

use std::path::{Path, PathBuf};

use super::{
    Damage, Depth, StoreError, StoredPlan, SweepRecord, done,
    events::{self, Start},
};
use crate::table::{
    self, CellRecord, GuardRecord, LeakRecord, LedgerRecord, PressureRecord, ProbeRecord, Record, ScreenRecord,
    StepRecord, WarningRecord,
};

/// The folder of a finished run.
#[derive(Clone, Debug)]
pub struct FinishedRun {
    dir: PathBuf,
}

/// What was found in the folder of a finished run.
#[derive(Clone, Debug)]
pub struct Inspection {
    /// Whether the run vouches for its files; older ones do not.
    pub vouched: bool,
    /// Everything that is wrong.
    pub damage: Vec<Damage>,
}

impl FinishedRun {
    /// The run in a folder; `None` where none is finished there.
    pub fn at(dir: &Path) -> Option<Self> {
        dir.join(done::FILE).exists().then(|| Self { dir: dir.to_owned() })
    }

    /// Its folder.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Its plan.
    ///
    /// # Errors
    /// Where it is damaged, or of a format that is not read.
    pub fn plan(&self) -> Result<StoredPlan, StoreError> {
        StoredPlan::read(&self.dir)
    }

    /// What its first event says of how it was made.
    ///
    /// # Errors
    /// Where its events are damaged.
    pub fn start(&self) -> Result<Start, Damage> {
        events::start(&self.dir).map_err(|problem| self.damage(problem))
    }

    /// Makes sure that plan and tables are what the run wrote, as far as it vouches for them. Whether tables can be read is for
    /// who reads them to say.
    ///
    /// # Errors
    /// The first thing that is damaged, or a format that is not read.
    pub fn check(&self) -> Result<(), StoreError> {
        let (_, damage) = self.differences(Depth::Tables)?;
        damage.into_iter().next().map_or(Ok(()), |damage| Err(damage.into()))
    }

    /// Looks for everything that is wrong: what is not what the run wrote, and what cannot be read.
    ///
    /// # Errors
    /// Where the plan is of a format that is not read.
    pub fn inspect(&self, depth: Depth) -> Result<Inspection, StoreError> {
        let (vouched, mut damage) = match self.differences(depth) {
            Err(StoreError::Damaged(damage)) => (false, vec![damage]),
            differences => differences?,
        };
        if damage.is_empty() {
            damage.extend(unreadable(&self.dir).into_iter().map(|problem| self.damage(problem)));
            damage.extend(self.start().err());
        }
        Ok(Inspection { vouched, damage })
    }

    /// Damage to it, for a problem that names the file.
    pub fn damage(&self, problem: impl ToString) -> Damage {
        Damage { dir: self.dir.clone(), problem: problem.to_string() }
    }

    /// Whether the run vouches for its files, and what is not as it was written.
    fn differences(&self, depth: Depth) -> Result<(bool, Vec<Damage>), StoreError> {
        let plan = self.plan()?;
        let done = done::read(&self.dir).map_err(|problem| self.damage(problem))?;
        let vouched = plan.format >= StoredPlan::VOUCHES;
        let said = self.dir.join(done::FILE);
        if vouched && done.files.is_empty() {
            return Err(self.damage(format!("{} is empty", said.display())).into());
        }
        if plan.format >= StoredPlan::CLOSES && !done.is_closed {
            let problem = format!("{} is cut off: its last line is not its first once more", said.display());
            return Err(self.damage(problem).into());
        }
        let problem = |file: &done::Vouched| file.problem(&self.dir, depth);
        let mut damage: Vec<Damage> =
            done.files.iter().filter_map(problem).map(|problem| self.damage(problem)).collect();
        // Else the plan is not the one that the folder is named by.
        if damage.is_empty() {
            damage.extend(self.misplaced(&plan));
        }
        Ok((vouched, damage))
    }

    /// What is wrong where the folder of a sweep's run is called as another run is.
    fn misplaced(&self, plan: &StoredPlan) -> Option<Damage> {
        // A run that was taken out of its sweep may be called as one likes.
        let name = self.dir.file_name()?.to_str()?;
        self.dir.parent().filter(|sweep| sweep.join(SweepRecord::FILE).exists())?;
        let id = plan.id().filter(|id| id.0 != name)?;
        let plan = self.dir.join(StoredPlan::FILE);
        Some(self.damage(format!("{} is the plan of run {}: the folder is in another's place", plan.display(), id.0)))
    }

    /// Makes sure that a checkpoint is what the run wrote, as far as it vouches for it.
    ///
    /// # Errors
    /// The first of its files that is damaged.
    pub fn check_checkpoint(&self, checkpoint: &Path) -> Result<(), StoreError> {
        let within = format!("{}/", checkpoint.file_name().unwrap_or_default().to_string_lossy());
        let done = done::read(&self.dir).map_err(|problem| self.damage(problem))?;
        let files: Vec<_> = done.files.iter().filter(|file| file.name.starts_with(&within)).collect();
        if files.is_empty() && self.plan()?.format >= StoredPlan::VOUCHES {
            return Err(self.damage(format!("{} is none that the run wrote", checkpoint.display())).into());
        }
        let problem = files.iter().find_map(|file| file.problem(&self.dir, Depth::Everything));
        problem.map_or(Ok(()), |problem| Err(self.damage(problem).into()))
    }
}

/// Why tables cannot be read. Those that every run has must be there.
fn unreadable(dir: &Path) -> Vec<String> {
    fn problem<R: Record>(dir: &Path, must: bool) -> Option<String> {
        let path = dir.join(R::FILE);
        (must || path.exists()).then(|| table::read::<R>(&path).err()).flatten().map(|error| error.to_string())
    }
    let problems = [
        problem::<ProbeRecord>(dir, true),
        problem::<CellRecord>(dir, true),
        problem::<StepRecord>(dir, true),
        problem::<WarningRecord>(dir, false),
        problem::<PressureRecord>(dir, false),
        problem::<LedgerRecord>(dir, false),
        problem::<LeakRecord>(dir, false),
        problem::<ScreenRecord>(dir, false),
        problem::<GuardRecord>(dir, false),
    ];
    problems.into_iter().flatten().collect()
}
