//! The folder of one sweep.

use std::{
    collections::BTreeSet,
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use serde_json::json;
use titer_machine::instructions;

use super::{
    Beginnings, Damage, Depth, FinishedRun, Holder, Jobs, Lease, Leases, NoQueue, StoreError, StoredPlan, SweepRecord,
    Taking, run::RunDir,
};
use crate::{
    files::write_whole,
    plan::{RunId, RunPlan, SweepPlan},
    spec::{ClaimFields, Spec},
};

/// What the lease of the whole folder is called.
const WHOLE: &str = "sweep";

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

impl StoredRun {
    /// When it started and when it was finished, in seconds since 1970, as far as its events say.
    pub fn times(&self) -> (Option<f64>, Option<f64>) {
        super::events::times(&self.dir)
    }
}

/// A sweep's folder.
#[derive(Debug)]
pub struct Sweep {
    dir: PathBuf,
    record: SweepRecord,
    /// Hashes of the claims that its spec makes; none where it is open to be read.
    claims: Vec<String>,
    leases: Leases,
    /// Of the whole folder, held as long as this process plans it, or makes all runs that are made.
    _whole: Option<Lease>,
}

impl Sweep {
    /// Opens the folder to plan it and to make its runs, creating it if it is missing: nobody else does either meanwhile. Runs that
    /// another version of the spec left there stay, and those that this one shares are reused.
    ///
    /// # Errors
    /// Where the folder holds something else or files of a newer titer, or another process writes there; nothing in it is
    /// changed then.
    pub fn create(dir: &Path, plan: &SweepPlan, runs: &[(usize, RunPlan)]) -> Result<Self, StoreError> {
        Self::planned(dir, plan, runs, Holder { alone: true, ..Holder::here() }, Arc::new(NoQueue))
    }

    /// Opens the folder to plan it, creating it if it is missing, for others to make its runs: slots may be making some.
    ///
    /// # Errors
    /// As [`Sweep::create`], but for slots that write there.
    pub fn plan(
        dir: &Path,
        plan: &SweepPlan,
        runs: &[(usize, RunPlan)],
        jobs: Arc<dyn Jobs>,
    ) -> Result<Self, StoreError> {
        Self::planned(dir, plan, runs, Holder::here(), jobs)
    }

    fn planned(
        dir: &Path,
        plan: &SweepPlan,
        runs: &[(usize, RunPlan)],
        me: Holder,
        jobs: Arc<dyn Jobs>,
    ) -> Result<Self, StoreError> {
        let marker = dir.join(SweepRecord::FILE);
        let ours = if marker.exists() {
            SweepRecord::is_ours(dir)?
        } else {
            !dir.exists() || Leases::are_in(dir) || (dir.is_dir() && fs_err::read_dir(dir)?.next().is_none())
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
        let alone = me.alone;
        let leases = Leases::of(dir, me, jobs);
        let whole = match leases.take(WHOLE)? {
            Taking::Mine(whole) => whole,
            Taking::Held(by) => return Err(StoreError::Locked { dir: dir.to_owned(), by: by.to_string() }),
        };
        // Slots look for the lease of the whole folder after they have taken a run's, so one of both sees the other.
        if let Some(holder) = makers(&leases)?.first().filter(|_| alone) {
            return Err(StoreError::Taken { dir: dir.to_owned(), by: holder.to_string() });
        }
        let record = SweepRecord::of(plan, runs);
        write_whole(&marker, toml::to_string(&record).expect("a record is plain data").as_bytes())?;
        let claims = claims.iter().map(ClaimFields::hash).collect();
        let sweep = Self { dir: dir.to_owned(), record, claims, leases, _whole: Some(whole) };
        sweep.tidy()?;
        if alone {
            let plans = runs.iter().map(|(_, run)| run);
            sweep.beginnings().keep_only(plans.filter(|run| sweep.finished(run).is_none()))?;
        }
        Ok(sweep)
    }

    /// Opens a planned sweep to make runs of it beside others; `jobs` knows which of them run.
    ///
    /// # Errors
    /// Where there is none, or its record cannot be read.
    pub fn join(dir: &Path, me: Holder, jobs: Arc<dyn Jobs>) -> Result<Self, StoreError> {
        let sweep = Self::open(dir)?;
        let claims = Spec::parse(&sweep.record.spec, Path::new("the spec"))?.claims;
        let claims = claims.iter().map(ClaimFields::hash).collect();
        Ok(Self { claims, leases: Leases::of(dir, me, jobs), ..sweep })
    }

    /// Opens a sweep to read it.
    ///
    /// # Errors
    /// Where there is none, or its record cannot be read.
    pub fn open(dir: &Path) -> Result<Self, StoreError> {
        if !dir.join(SweepRecord::FILE).exists() {
            return Err(StoreError::NoSweep(dir.to_owned()));
        }
        let (record, leases) = (SweepRecord::read(dir)?, Leases::to_see(dir));
        Ok(Self { dir: dir.to_owned(), record, claims: Vec::new(), leases, _whole: None })
    }

    /// The sweep's folder.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// What the sweep is.
    pub fn record(&self) -> &SweepRecord {
        &self.record
    }

    /// Who may write here, as leases say.
    pub fn leases(&self) -> &Leases {
        &self.leases
    }

    /// What its unfinished runs go on from.
    pub(crate) fn beginnings(&self) -> Beginnings {
        Beginnings::of(&self.dir)
    }

    /// Makes sure that no process makes all runs of the folder by itself.
    ///
    /// # Errors
    /// Where one does, or the file system refuses.
    pub fn is_shared(&self) -> Result<(), StoreError> {
        let alone = self.leases.state(WHOLE)?.filter(|state| state.held).and_then(|state| state.holder);
        match alone.filter(|holder| holder.alone) {
            Some(holder) => Err(StoreError::Taken { dir: self.dir.clone(), by: holder.to_string() }),
            None => Ok(()),
        }
    }

    /// Takes away what leases of finished runs have left.
    fn tidy(&self) -> io::Result<()> {
        for what in self.leases.all()? {
            if FinishedRun::at(&self.dir.join(&what)).is_some() {
                self.leases.clear(&what)?;
            }
        }
        Ok(())
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

    /// Makes sure that what the record says of a run is what its plan says: its seed, and the shares of its arm's mixes.
    ///
    /// # Errors
    /// [`StoreError::Broken`] where it is not.
    pub fn agrees(&self, run: &StoredRun, plan: &StoredPlan) -> Result<(), StoreError> {
        let arm = &self.record.arm[run.arm];
        let said = if plan.seed != run.seed {
            format!("and its plan has seed {}", plan.seed)
        } else {
            let disagrees = |(name, setting): (&String, &toml::Value)| {
                let (stage, cell) = name.split_once(".mix.")?;
                let share = setting.as_float().or(setting.as_integer().map(|whole| whole as f64))?;
                let (count, rows) = plan.rows_of(stage, cell)?;
                // Counts are rounded, and what is left goes to the last.
                let is_rounded = (share * rows as f64 - count as f64).abs() < 2.0;
                (!is_rounded).then(|| format!("and `{name}` = {setting}; its plan has {count} of {rows} rows there"))
            };
            match arm.settings.iter().find_map(disagrees) {
                Some(said) => said,
                None => return Ok(()),
            }
        };
        let (file, run, seed) = (self.dir.join(SweepRecord::FILE), &run.id.0, run.seed);
        Err(StoreError::Broken(format!(
            "{}: it says that {run} is the run of arm {}, seed {seed}, {said}",
            file.display(),
            arm.name
        )))
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

    /// What is wrong with the finished runs that are planned, looked at so deeply.
    ///
    /// # Errors
    /// Where one is of a format that is not read.
    pub fn damage(&self, depth: Depth) -> Result<Vec<Damage>, StoreError> {
        let mut seen = BTreeSet::new();
        let once = self.runs().into_iter().filter(|run| seen.insert(run.id.clone()));
        let finished: Vec<FinishedRun> = once.filter_map(|run| FinishedRun::at(&run.dir)).collect();
        let damage = finished.into_iter().map(|run| Ok(run.inspect(depth)?.damage));
        Ok(damage.collect::<Result<Vec<_>, StoreError>>()?.concat())
    }

    /// Makes a damaged run count as unfinished, so that it is made again.
    ///
    /// # Errors
    /// Where the file system refuses.
    pub fn reopen(&self, damage: &Damage) -> io::Result<()> {
        let done = damage.dir.join(super::done::FILE);
        match (done.exists(), done.is_dir()) {
            (false, _) => Ok(()),
            (true, false) => fs_err::remove_file(done),
            // What it should be, no titer wrote.
            (true, true) => fs_err::remove_dir_all(done),
        }
    }

    /// Starts the folder of a run for an arm, which its tables will name; what an interrupted one left there is removed. The first
    /// event says which titer, of which commit, and which claims there were.
    pub(crate) fn start(&self, plan: &RunPlan, arm: usize, commit: Option<&str>) -> io::Result<RunDir> {
        let run = RunDir::start(self.dir.join(plan.id().0), plan, self.record.labels(plan, arm))?;
        let titer = env!("CARGO_PKG_VERSION");
        // Not in the plan: processors round differently in the last digit, which does not make another experiment.
        let instruction_set = instructions(!plan.model.compute.is_f32());
        let start = json!({
            "seed": plan.seed, "titer": titer, "commit": commit, "instruction_set": instruction_set, "claims": self.claims
        });
        run.event("start", start)?;
        Ok(run)
    }
}

/// Who makes a run now.
fn makers(leases: &Leases) -> io::Result<Vec<Holder>> {
    let mut makers = Vec::new();
    for what in leases.all()?.iter().filter(|what| *what != WHOLE) {
        let held = leases.state(what)?.filter(|state| state.held);
        makers.extend(held.map(|state| state.holder.unwrap_or_default()));
    }
    Ok(makers)
}
