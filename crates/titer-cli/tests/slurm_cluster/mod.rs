//! A real Slurm of one node, started for a test as the current user and stopped with it.

use std::{
    io::Write as _,
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

/// The daemons, and the folder of their files.
pub(crate) struct TestCluster {
    dir: tempfile::TempDir,
    daemons: Vec<Child>,
}

impl TestCluster {
    /// Starts it; where that cannot be, says why on stderr and is `None`.
    pub(crate) fn start() -> Option<Self> {
        let skip = |why: &str| {
            writeln!(std::io::stderr().lock(), "skipped: {why}").expect("stderr is open");
            None
        };
        for tool in ["slurmctld", "slurmd", "sbatch", "squeue", "scontrol", "scancel"] {
            if Command::new(tool).arg("-V").stdout(Stdio::null()).stderr(Stdio::null()).status().is_err() {
                return skip(&format!("no {tool}: install slurmctld, slurmd and slurm-client"));
            }
        }
        let mut cluster = Self { dir: tempfile::tempdir().unwrap(), daemons: Vec::new() };
        let host = output(Command::new("hostname").arg("-s")).trim().to_owned();
        let user = output(Command::new("id").arg("-un")).trim().to_owned();
        fs_err::write(cluster.conf(), configuration(cluster.dir.path(), &host, &user)).unwrap();
        for folder in ["state", "spool"] {
            fs_err::create_dir(cluster.dir.path().join(folder)).unwrap();
        }
        for (daemon, args) in [("slurmctld", vec!["-D"]), ("slurmd", vec!["-D", "-N", &host])] {
            let log = fs_err::File::create(cluster.dir.path().join(format!("{daemon}.out"))).unwrap().into_parts().0;
            let mut command = Command::new(daemon);
            command.args(args).env("SLURM_CONF", cluster.conf()).stdout(Stdio::null()).stderr(log);
            match command.spawn() {
                Ok(child) => cluster.daemons.push(child),
                Err(error) => return skip(&format!("{daemon} does not start: {error}")),
            }
        }
        let started = Instant::now();
        while started.elapsed() < Duration::from_secs(60) {
            if output(cluster.slurm("sinfo").args(["--noheader", "--format=%t"])).trim() == "idle" {
                return Some(cluster);
            }
            std::thread::sleep(Duration::from_millis(200));
        }
        let logs = ["slurmctld.out", "slurmd.out"]
            .map(|log| fs_err::read_to_string(cluster.dir.path().join(log)).unwrap_or_default());
        skip(&format!("the node of the test's Slurm is not ready:\n{}", logs.join("\n")))
    }

    /// A command that speaks to it.
    pub(crate) fn slurm(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new(program);
        command.env("SLURM_CONF", self.conf());
        command
    }

    /// The lines of its queue in this format.
    pub(crate) fn queue(&self, format: &str) -> Vec<String> {
        let text = output(self.slurm("squeue").args(["--noheader", "--array", "--format", format]));
        text.lines().map(|line| line.trim().to_owned()).collect()
    }

    fn conf(&self) -> PathBuf {
        self.dir.path().join("slurm.conf")
    }
}

impl Drop for TestCluster {
    fn drop(&mut self) {
        let _ = self.slurm("scancel").args(["--partition", "main"]).output();
        // The controller last, so that the node can tell it goodbye.
        for daemon in self.daemons.iter_mut().rev() {
            let _ = Command::new("kill").arg(daemon.id().to_string()).status();
            let _ = daemon.wait();
        }
    }
}

/// What a command prints; whether it succeeds is for who calls it to see.
fn output(command: &mut Command) -> String {
    let output = command.stdin(Stdio::null()).output().unwrap();
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// A port that nobody listens on.
fn port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// Of a cluster called `t`, with arrays of at most 5 elements and 4 processors, whatever the machine has.
fn configuration(dir: &Path, host: &str, user: &str) -> String {
    let dir = dir.display();
    let (controller, node) = (port(), port());
    format!(
        "ClusterName=t\nSlurmctldHost={host}(127.0.0.1)\nSlurmctldPort={controller}\nSlurmdPort={node}\n\
         AuthType=auth/none\nCredType=cred/none\nSlurmUser={user}\nSlurmdUser={user}\n\
         StateSaveLocation={dir}/state\nSlurmdSpoolDir={dir}/spool\n\
         SlurmctldPidFile={dir}/slurmctld.pid\nSlurmdPidFile={dir}/slurmd.pid\n\
         SlurmctldLogFile={dir}/slurmctld.log\nSlurmdLogFile={dir}/slurmd.log\n\
         ProctrackType=proctrack/linuxproc\nTaskPlugin=task/none\nMpiDefault=none\n\
         JobAcctGatherType=jobacct_gather/none\nAccountingStorageType=accounting_storage/none\n\
         SelectType=select/cons_tres\nSelectTypeParameters=CR_CPU\nSchedulerType=sched/builtin\n\
         SchedulerParameters=batch_sched_delay=1,sched_interval=2\nSlurmdParameters=config_overrides\n\
         ReturnToService=2\nMaxArraySize=5\nKillWait=5\n\
         NodeName={host} NodeAddr=127.0.0.1 CPUs=4 State=UNKNOWN\n\
         PartitionName=main Nodes={host} Default=YES MaxTime=00:30:00 State=UP\n"
    )
}
