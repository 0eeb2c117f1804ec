//! Taking leases, keeping them, and telling which are held.

use std::{
    collections::BTreeMap,
    io,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, SystemTime},
};

use super::{
    HeldLease, Holder, Jobs, LeaseEnd, LeaseStanding, LeaseState, NoQueue,
    file::{Deed, HeldFile, LeaseFile},
};

/// Their folder in a sweep's folder.
const FOLDER: &str = ".leases";
/// How often a holder gives a sign of life.
const BEAT: Duration = Duration::from_secs(30);
/// How long a holder on another machine may give none, where no queue knows its job.
const EXPIRES: Duration = Duration::from_secs(600);

/// The leases of a sweep's folder, as one process sees them.
#[derive(Clone, Debug)]
pub struct Leases {
    dir: PathBuf,
    me: Holder,
    jobs: Arc<dyn Jobs>,
    held: Arc<Mutex<Kept>>,
}

/// What a process holds.
#[derive(Debug, Default)]
struct Kept {
    files: BTreeMap<String, HeldFile>,
    /// Whether a thread gives signs of life.
    beats: bool,
}

/// What came of trying to take a lease.
#[derive(Debug)]
pub enum Taking {
    /// It is ours.
    Mine(Lease),
    /// Somebody has it.
    Held(HeldLease),
}

/// A lease that this process holds, until it is dropped or ended.
#[derive(Debug)]
pub struct Lease {
    leases: Leases,
    what: String,
    at: usize,
    token: String,
    ended: bool,
}

impl Leases {
    /// The leases of a sweep's folder, for one who would hold them; `jobs` knows which jobs run.
    pub(in crate::store) fn of(sweep: &Path, me: Holder, jobs: Arc<dyn Jobs>) -> Self {
        Self { dir: sweep.join(FOLDER), me, jobs, held: Arc::default() }
    }

    /// The leases of a sweep's folder, for one who only looks.
    pub(in crate::store) fn to_see(sweep: &Path) -> Self {
        Self::of(sweep, Holder::here(), Arc::new(NoQueue))
    }

    /// Whether a sweep's folder has leases, so that titer has begun to write there.
    pub(in crate::store) fn are_in(sweep: &Path) -> bool {
        sweep.join(FOLDER).is_dir()
    }

    /// Takes the lease of something, where nobody holds it.
    ///
    /// # Errors
    /// Where the file system refuses.
    pub fn take(&self, what: &str) -> io::Result<Taking> {
        fs_err::create_dir_all(&self.dir)?;
        loop {
            let latest = self.latest(what)?;
            if let Some((_, file)) = &latest
                && let Some(held) = self.holds(file, || self.server_time())?
            {
                return Ok(Taking::Held(held));
            }
            let at = latest.as_ref().map_or(0, |(at, _)| at + 1);
            let token = token(&self.me);
            let deed = Deed { token: token.clone(), locked: false, holder: self.me.clone() };
            let Some(mut file) = HeldFile::make(&self.path(what, at), &self.draft(&token), deed)? else {
                // Somebody was faster, and is only just named.
                return Ok(Taking::Held(HeldLease::default()));
            };
            file.touch()?;
            // What was found expired must be there still: else another one has taken it, finished and cleared it away meanwhile.
            let before = latest.map(|(at, file)| (at, file.deed.map(|deed| deed.token)));
            let is_there = |(at, token): &(usize, Option<String>)| {
                let now = LeaseFile::read(&self.path(what, *at))?;
                Ok::<_, io::Error>(now.is_some_and(|now| now.deed.map(|deed| deed.token) == *token))
            };
            if !before.as_ref().map_or(Ok(true), is_there)? {
                drop(file);
                fs_err::remove_file(self.path(what, at))?;
                continue;
            }
            let mut held = self.held();
            if !std::mem::replace(&mut held.beats, true) {
                beat(Arc::downgrade(&self.held));
            }
            held.files.insert(what.to_owned(), file);
            drop(held);
            return Ok(Taking::Mine(Lease { leases: self.clone(), what: what.to_owned(), at, token, ended: false }));
        }
    }

    /// How it stands with the latest lease of something; `None` where there is none. Changes nothing.
    ///
    /// # Errors
    /// Where the file system refuses.
    pub fn state(&self, what: &str) -> io::Result<Option<LeaseState>> {
        let Some((_, file)) = self.latest(what)? else { return Ok(None) };
        let held = self.holds(&file, || Ok(SystemTime::now()))?.is_some();
        Ok(Some(LeaseState { holder: file.deed.map(|deed| deed.holder), held, end: file.end }))
    }

    /// What has a lease, whether it is held or not, in the order of the names.
    ///
    /// # Errors
    /// Where the file system refuses.
    pub fn all(&self) -> io::Result<Vec<String>> {
        if !self.dir.is_dir() {
            return Ok(Vec::new());
        }
        let mut names = Vec::new();
        for entry in fs_err::read_dir(&self.dir)? {
            let name = entry?.file_name().to_string_lossy().into_owned();
            names.extend(
                name.rsplit_once('.').filter(|(_, at)| at.parse::<usize>().is_ok()).map(|(what, _)| what.to_owned()),
            );
        }
        names.sort();
        names.dedup();
        Ok(names)
    }

    /// Ends every lease that this process holds, because it was told to stop.
    pub fn leave(&self) {
        let held = std::mem::take(&mut self.held().files);
        // Who cannot say so leaves leases that expire.
        held.into_values().for_each(|file| drop(file.end(&LeaseEnd::Left)));
    }

    /// Takes away the files of something's leases.
    pub(in crate::store) fn clear(&self, what: &str) -> io::Result<()> {
        for at in 0.. {
            match fs_err::remove_file(self.path(what, at)) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => break,
                removed => removed?,
            }
        }
        Ok(())
    }

    /// The latest lease of something, with its number.
    fn latest(&self, what: &str) -> io::Result<Option<(usize, LeaseFile)>> {
        let mut latest = None;
        for at in 0.. {
            match LeaseFile::read(&self.path(what, at))? {
                Some(file) => latest = Some((at, file)),
                None => break,
            }
        }
        Ok(latest)
    }

    /// Who holds a lease; `None` where nobody does. In this order: not where its holder ended it; where its file is locked; not where it would be locked
    /// and is not; not by an earlier start of our own job; by a job that runs; and else by one that gave a sign of life lately.
    fn holds(&self, file: &LeaseFile, now: impl FnOnce() -> io::Result<SystemTime>) -> io::Result<Option<HeldLease>> {
        let by = |silent| Some(HeldLease { holder: file.deed.as_ref().map(|deed| deed.holder.clone()), silent });
        if file.end.is_some() {
            return Ok(None);
        }
        if file.is_locked == Some(true) {
            return Ok(by(None));
        }
        if let Some(deed) = &file.deed {
            if deed.locked && deed.holder.machine == self.me.machine && file.is_locked == Some(false) {
                return Ok(None);
            }
            if self.me.is_job_of(&deed.holder) {
                return Ok(None);
            }
            if let Some(runs) = self.jobs.runs(&deed.holder) {
                return Ok(by(None).filter(|_| runs));
            }
        }
        // A sign of life that is a little later than now is one. One that is far later is from before a clock was set back: who is alive
        // gives another.
        let silent = match now()?.duration_since(file.touched) {
            Ok(silent) => silent,
            Err(ahead) if ahead.duration() < EXPIRES => Duration::ZERO,
            Err(_) => EXPIRES,
        };
        Ok(by(Some((silent, EXPIRES))).filter(|_| silent < EXPIRES))
    }

    /// The time by the clock that files of this folder get their times from, which is not always this machine's.
    fn server_time(&self) -> io::Result<SystemTime> {
        let path = self.draft(&token(&self.me));
        let time = fs_err::write(&path, "now").and_then(|()| fs_err::metadata(&path)?.modified());
        // Also where there was no room for it.
        let removed = fs_err::remove_file(path);
        let time = time?;
        removed?;
        Ok(time)
    }

    fn held(&self) -> MutexGuard<'_, Kept> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn path(&self, what: &str, at: usize) -> PathBuf {
        self.dir.join(format!("{what}.{at}"))
    }

    fn draft(&self, token: &str) -> PathBuf {
        self.dir.join(format!("{token}.draft"))
    }
}

impl Lease {
    /// Whether nobody has taken it from us, as happens to a holder that gave no sign of life for long.
    ///
    /// # Errors
    /// Where the file system refuses.
    pub fn is_mine(&self) -> io::Result<bool> {
        Ok(self.standing()? == LeaseStanding::Mine)
    }

    /// How it stands with it.
    ///
    /// # Errors
    /// Where the file system refuses.
    pub(crate) fn standing(&self) -> io::Result<LeaseStanding> {
        Ok(match self.leases.latest(&self.what)? {
            None => LeaseStanding::Gone,
            Some((_, file)) if file.deed.as_ref().is_some_and(|deed| deed.token == self.token) => LeaseStanding::Mine,
            Some(_) => LeaseStanding::Taken,
        })
    }

    /// Ends it and says how. Nobody else reaches for what the only writer of a folder has finished, so nothing is left of that.
    ///
    /// # Errors
    /// Where the file system refuses.
    pub fn end(mut self, end: &LeaseEnd) -> io::Result<()> {
        self.ended = true;
        if *end == LeaseEnd::Finished && self.leases.me.alone {
            return self.clear();
        }
        let file = self.leases.held().files.remove(&self.what);
        file.map_or(Ok(()), |file| file.end(end))
    }

    /// Leaves nothing behind, where it is ours.
    fn clear(&self) -> io::Result<()> {
        let file = self.leases.held().files.remove(&self.what);
        if file.is_none() || !self.is_mine()? {
            return Ok(());
        }
        for at in 0..=self.at {
            match fs_err::remove_file(self.leases.path(&self.what, at)) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                removed => removed?,
            }
        }
        drop(file);
        Ok(())
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if !self.ended {
            // A file that stays is of a lease that is not locked any more, so it holds nobody up.
            let _ = self.clear();
        }
    }
}

/// Gives signs of life for what is held, as long as somebody may hold something.
fn beat(held: Weak<Mutex<Kept>>) {
    std::thread::spawn(move || {
        loop {
            std::thread::sleep(BEAT);
            let Some(held) = held.upgrade() else { return };
            let mut held = held.lock().unwrap_or_else(PoisonError::into_inner);
            // Where a file cannot be written now, it may be in half a minute.
            held.files.values_mut().for_each(|file| drop(file.touch()));
        }
    });
}

/// A name that no other lease has.
fn token(me: &Holder) -> String {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let text = format!("{} {} {} {count} {:?}", me.machine, me.host, me.process, SystemTime::now());
    blake3::hash(text.as_bytes()).to_hex()[..16].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A queue in which this job runs, or none.
    #[derive(Debug)]
    struct Running(Option<&'static str>);

    impl Jobs for Running {
        fn runs(&self, holder: &Holder) -> Option<bool> {
            holder.job.as_deref().map(|job| Some(job) == self.0)
        }
    }

    fn holder(machine: &str, job: Option<&str>) -> Holder {
        let job = job.map(str::to_owned);
        Holder { machine: machine.to_owned(), host: machine.to_owned(), job, ..Holder::default() }
    }

    fn leases(dir: &Path, machine: &str, job: Option<&str>, running: Option<&'static str>) -> Leases {
        Leases::of(dir, holder(machine, job), Arc::new(Running(running)))
    }

    fn is_mine(taking: io::Result<Taking>) -> bool {
        matches!(taking.unwrap(), Taking::Mine(_))
    }

    /// A lease of which nothing but its file is left, as of a machine that is gone.
    fn gone(dir: &Path, machine: &str, job: Option<&str>) -> PathBuf {
        let there = leases(dir, machine, job, None);
        let Taking::Mine(mut lease) = there.take("run").unwrap() else { panic!("nobody holds it") };
        lease.ended = true;
        there.held().files.clear();
        let file = there.latest("run").unwrap().unwrap().0;
        there.path("run", file)
    }

    #[test]
    fn one_of_many_takes_it_whoever_is_first_and_again_once_it_has_ended() {
        let dir = tempfile::tempdir().unwrap();
        let mut failed = 0;
        for round in 0..20 {
            let taken = AtomicUsize::new(0);
            std::thread::scope(|scope| {
                for _ in 0..4 {
                    scope.spawn(|| {
                        let own = leases(dir.path(), "here", None, None);
                        if let Taking::Mine(lease) = own.take("run").unwrap() {
                            taken.fetch_add(1, Ordering::SeqCst);
                            std::thread::sleep(Duration::from_millis(20));
                            assert!(lease.is_mine().unwrap());
                            lease.end(&LeaseEnd::Failed(format!("round {round}"))).unwrap();
                        }
                    });
                }
            });
            assert!(taken.load(Ordering::SeqCst) >= 1, "somebody takes it");
            failed += taken.load(Ordering::SeqCst);
        }
        let state = leases(dir.path(), "here", None, None).state("run").unwrap().unwrap();
        assert_eq!((state.held, state.end), (false, Some(LeaseEnd::Failed("round 19".to_owned()))));
        let files = fs_err::read_dir(dir.path().join(FOLDER)).unwrap().count();
        assert_eq!(files, failed, "a file for each time it was taken, and no drafts");
    }

    #[test]
    fn while_it_is_held_nobody_else_has_it() {
        let dir = tempfile::tempdir().unwrap();
        let (one, other) = (leases(dir.path(), "a", Some("1_0"), None), leases(dir.path(), "b", None, None));
        let Taking::Mine(lease) = one.take("run").unwrap() else { panic!("nobody holds it") };
        let Taking::Held(held) = other.take("run").unwrap() else { panic!("it is held") };
        assert_eq!(held.to_string(), "process 0, job 1_0 on a, which is at work");
        assert!(is_mine(other.take("another run")));
        drop(lease);
        assert!(other.state("run").unwrap().is_none(), "nothing is left of it");
        assert!(is_mine(other.take("run")));
    }

    #[test]
    fn it_expires_with_the_process_on_the_same_machine() {
        let dir = tempfile::tempdir().unwrap();
        gone(dir.path(), "a", None);
        assert!(is_mine(leases(dir.path(), "a", None, None).take("run")));
    }

    #[test]
    fn it_expires_with_the_job_on_another_machine() {
        let dir = tempfile::tempdir().unwrap();
        gone(dir.path(), "a", Some("1_0"));
        assert!(!is_mine(leases(dir.path(), "b", Some("1_1"), Some("1_0")).take("run")), "the job runs");
        assert!(is_mine(leases(dir.path(), "b", Some("1_1"), Some("1_1")).take("run")), "the job does not run");
    }

    #[test]
    fn a_job_that_starts_again_takes_what_it_had() {
        let dir = tempfile::tempdir().unwrap();
        gone(dir.path(), "a", Some("1_0"));
        assert!(is_mine(leases(dir.path(), "b", Some("1_0"), Some("1_0")).take("run")));
    }

    #[test]
    fn it_expires_without_signs_of_life_where_no_queue_knows() {
        let dir = tempfile::tempdir().unwrap();
        let file = gone(dir.path(), "a", None);
        let other = leases(dir.path(), "b", None, None);
        assert!(!is_mine(other.take("run")), "a sign of life just now");
        touched(&file, SystemTime::now() - EXPIRES / 2 - Duration::from_secs(5));
        let Taking::Held(held) = other.take("run").unwrap() else { panic!("it may still be at work") };
        let said = held.to_string();
        assert!(said.starts_with("process 0 on a, whose last sign of life was 30"), "{said}");
        assert!(said.contains(" s ago; without another it is taken for gone in 29"), "{said}");
        touched(&file, SystemTime::now() - EXPIRES - BEAT);
        assert!(is_mine(other.take("run")));
    }

    fn touched(file: &Path, at: SystemTime) {
        fs_err::OpenOptions::new().write(true).open(file).unwrap().set_modified(at).unwrap();
    }

    #[test]
    fn a_sign_of_life_from_before_a_clock_was_set_back_holds_nobody_up() {
        let dir = tempfile::tempdir().unwrap();
        let file = gone(dir.path(), "a", None);
        let other = leases(dir.path(), "b", None, None);
        touched(&file, SystemTime::now() + EXPIRES / 2);
        assert!(!is_mine(other.take("run")), "clocks differ a little");
        touched(&file, SystemTime::now() + 2 * EXPIRES);
        assert!(is_mine(other.take("run")));
    }

    #[test]
    fn a_file_that_is_no_text_is_a_lease_that_expires() {
        let dir = tempfile::tempdir().unwrap();
        let file = gone(dir.path(), "a", None);
        fs_err::write(&file, b"\xff\xfe\x00").unwrap();
        let other = leases(dir.path(), "b", None, None);
        let state = other.state("run").unwrap().unwrap();
        assert_eq!((state.held, state.holder), (true, None));
        let Taking::Held(held) = other.take("run").unwrap() else { panic!("its maker may be at it") };
        assert!(held.to_string().starts_with("somebody whose name cannot be read, whose last sign"), "{held}");
        touched(&file, SystemTime::now() - EXPIRES - BEAT);
        assert!(is_mine(other.take("run")));
    }

    #[test]
    fn a_holder_sees_that_it_was_taken_from_it() {
        let dir = tempfile::tempdir().unwrap();
        let one = leases(dir.path(), "a", Some("1_0"), None);
        let Taking::Mine(lease) = one.take("run").unwrap() else { panic!("nobody holds it") };
        // Its lock is not seen elsewhere, as where file systems do not pass locks on, and it has been silent.
        let file = one.held().files.remove("run");
        drop(file);
        assert!(lease.is_mine().unwrap());
        let other = leases(dir.path(), "b", Some("1_1"), Some("1_1"));
        let Taking::Mine(taken) = other.take("run").unwrap() else { panic!("its job does not run") };
        assert!(!lease.is_mine().unwrap() && taken.is_mine().unwrap());
    }

    #[test]
    fn who_is_told_to_stop_says_so() {
        let dir = tempfile::tempdir().unwrap();
        let one = leases(dir.path(), "a", None, None);
        let Taking::Mine(lease) = one.take("run").unwrap() else { panic!("nobody holds it") };
        one.leave();
        let state = leases(dir.path(), "b", None, None).state("run").unwrap().unwrap();
        assert_eq!((state.held, state.end), (false, Some(LeaseEnd::Left)));
        assert!(is_mine(leases(dir.path(), "b", None, None).take("run")), "at once, from another machine too");
        drop(lease);
    }
}
