//! The folder of one sweep.

use std::{
    collections::BTreeSet,
    fs::TryLockError,
    io,
    path::{Path, PathBuf},
};

use serde_json::json;
use titer_machine::InstructionSet;

use super::{Damage, Depth, FinishedRun, StoreError, StoredPlan, SweepRecord, run::RunDir};
use crate::{
    files::write_whole,
    plan::{RunId, RunPlan, SweepPlan},
    spec::{ClaimFields, Spec},
};

/// The file that a writer holds locked; the lock goes with its process, the file stays.
const LOCK: &str = ".sweep.toml.lock";

/// A planned run of a sweep.
#[derive(Clone, Debug)]
pub struct StoredRun {
    /// Its name.
    pub id: RunId,
    /// Index of its arm.
    pub arm: usize,
    /// Its seed.
    pub seed: u64,
    /// Its folder.
    pub dir: PathBuf,
    /// Whether it is finished.
    pub done: bool,
}

/// A sweep's folder.
#[derive(Debug)]
pub struct Sweep {
    dir: PathBuf,
    record: SweepRecord,
    /// Hashes of the claims that its spec makes; none where it is open to be read.
    claims: Vec<String>,
    /// Held as long as this process writes; the file stays.
    _lock: Option<std::fs::File>,
}

impl Sweep {
    /// Opens the folder for writing, creating it if it is missing. Runs that another version of the spec left there
    /// stay, and those that this one shares are reused.
    ///
    /// # Errors
    /// Where the folder holds something else or files of a newer titer, or another process writes there; nothing in it is
    /// changed then.
    pub fn create(dir: &Path, plan: &SweepPlan, runs: &[(usize, RunPlan)]) -> Result<Self, StoreError> {
        let (marker, starting) = (dir.join(SweepRecord::FILE), dir.join(LOCK));
        let ours = if marker.exists() {
            SweepRecord::is_ours(dir)?
        } else {
            !dir.exists() || starting.exists() || (dir.is_dir() && fs_err::read_dir(dir)?.next().is_none())
        };
        if !ours {
            return Err(StoreError::Foreign(dir.to_owned()));
        }
        for (_, run) in runs {
            // What is unfinished is made again and what is damaged is named; but nothing of a newer titer is removed.
            if let Err(StoreError::Format(error)) = StoredPlan::read(&dir.join(run.id().0)) {
                return Err(error.into());
            }
        }
        let claims = Spec::parse(&plan.spec_text, Path::new("the spec"))?.claims;
        fs_err::create_dir_all(dir)?;
        let lock = fs_err::OpenOptions::new().create(true).append(true).open(&starting)?.into_parts().0;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(StoreError::Locked(dir.to_owned())),
            Err(TryLockError::Error(error)) => return Err(error.into()),
        }
        let record = SweepRecord::of(plan, runs);
        write_whole(&marker, toml::to_string(&record).expect("a record is plain data").as_bytes())?;
        let claims = claims.iter().map(ClaimFields::hash).collect();
        Ok(Self { dir: dir.to_owned(), record, claims, _lock: Some(lock) })
    }

    /// Opens a sweep to read it.
    ///
    /// # Errors
    /// Where there is none, or its record cannot be read.
    pub fn open(dir: &Path) -> Result<Self, StoreError> {
        if !dir.join(SweepRecord::FILE).exists() {
            return Err(StoreError::NoSweep(dir.to_owned()));
        }
        Ok(Self { dir: dir.to_owned(), record: SweepRecord::read(dir)?, claims: Vec::new(), _lock: None })
    }

    /// The sweep's folder.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// What the sweep is.
    pub fn record(&self) -> &SweepRecord {
        &self.record
    }

    /// Every planned run, in the order of the arms.
    pub fn runs(&self) -> Vec<StoredRun> {
        let run = |arm: usize, id: &RunId, seed: u64| {
            let dir = self.dir.join(&id.0);
            let done = FinishedRun::at(&dir).is_some();
            StoredRun { id: id.clone(), arm, seed, dir, done }
        };
        let arms = self.record.arm.iter().enumerate();
        arms.flat_map(|(at, arm)| arm.runs.iter().zip(&self.record.seeds).map(move |(id, &seed)| run(at, id, seed)))
            .collect()
    }

    /// A planned run, where it is finished.
    pub fn finished(&self, plan: &RunPlan) -> Option<FinishedRun> {
        FinishedRun::at(&self.dir.join(plan.id().0))
    }

    /// Every finished run in the folder, in the order of their names: the planned ones, and those that other versions of the spec
    /// left there.
    ///
    /// # Errors
    /// Where the folder cannot be read.
    pub fn all_finished(&self) -> io::Result<Vec<FinishedRun>> {
        let entries = fs_err::read_dir(&self.dir)?.map(|entry| Ok(entry?.path()));
        let mut folders = entries.collect::<io::Result<Vec<PathBuf>>>()?;
        folders.sort();
        Ok(folders.iter().filter_map(|folder| FinishedRun::at(folder)).collect())
    }

    /// What is wrong with the finished runs that are planned.
    ///
    /// # Errors
    /// Where one is of a format that is not read.
    pub fn damage(&self) -> Result<Vec<Damage>, StoreError> {
        let mut seen = BTreeSet::new();
        let once = self.runs().into_iter().filter(|run| seen.insert(run.id.clone()));
        let finished: Vec<FinishedRun> = once.filter_map(|run| FinishedRun::at(&run.dir)).collect();
        let found = finished.into_iter().map(|run| Ok(run.inspect(Depth::Tables)?.damage));
        Ok(found.collect::<Result<Vec<_>, StoreError>>()?.concat())
    }

    /// Makes a damaged run count as unfinished, so that it is made again.
    ///
    /// # Errors
    /// Where the file system refuses.
    pub fn reopen(&self, damage: &Damage) -> io::Result<()> {
        let done = damage.dir.join(super::done::FILE);
        if done.exists() { fs_err::remove_file(done) } else { Ok(()) }
    }

    /// Starts the folder of a run for an arm, which its tables will name; what an interrupted one left there is removed. The first
    /// event says which titer, of which commit, and which claims there were.
    pub(crate) fn start(&self, plan: &RunPlan, arm: usize, commit: Option<&str>) -> io::Result<RunDir> {
        let run = RunDir::start(self.dir.join(plan.id().0), plan, self.record.labels(plan, arm))?;
        let titer = env!("CARGO_PKG_VERSION");
        // Not in the plan: processors round differently in the last digit, which does not make another experiment.
        let instruction_set = InstructionSet::detected().name();
        let start = json!({
            "seed": plan.seed, "titer": titer, "commit": commit, "instruction_set": instruction_set, "claims": self.claims
        });
        run.event("start", start)?;
        Ok(run)
    }
}
