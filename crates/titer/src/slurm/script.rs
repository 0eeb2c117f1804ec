//! The batch script of a submission's slots, and how many arrays they make.

use std::path::Path;

use super::SlurmError;
use crate::{spec::SlurmFields, words::quoted};

/// An array of slots.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SlotArray {
    /// Its first slot.
    pub(super) first: usize,
    /// How many it has.
    pub(super) slots: usize,
}

/// Arrays for so many slots, none larger than the cluster takes.
pub(super) fn arrays(slots: usize, max_array_size: usize) -> Vec<SlotArray> {
    let most = max_array_size.max(1);
    let array = |first: usize| SlotArray { first, slots: most.min(slots - first) };
    (0..slots).step_by(most).map(array).collect()
}

/// Makes sure that every value can stand in a batch script.
pub(super) fn check(fields: &SlurmFields) -> Result<(), SlurmError> {
    let words = [
        ("partition", &fields.partition),
        ("account", &fields.account),
        ("time", &fields.time),
        ("gpus", &fields.gpus),
        ("memory", &fields.memory),
    ];
    for (name, value) in words {
        if let Some(value) = value.as_ref().filter(|value| value.is_empty() || value.contains(char::is_whitespace)) {
            return Err(SlurmError::Value(format!("slurm.{name}: `{}` is no single word", value.escape_debug())));
        }
    }
    let counts = [("cpus", fields.cpus), ("at_once", fields.at_once), ("slots", fields.slots)];
    if let Some((name, _)) = counts.iter().find(|(_, value)| *value == Some(0)) {
        return Err(SlurmError::Value(format!("slurm.{name} is 0: give at least 1, or leave it out")));
    }
    match fields.lines.iter().find(|line| line.contains(['\n', '\r'])) {
        Some(line) => Err(SlurmError::Value(format!("slurm.lines: `{}` is more than a line", line.escape_debug()))),
        None => Ok(()),
    }
}

/// The script of slots: `command` is the words of a slot, to which its number is added.
pub(super) fn of_slots(fields: &SlurmFields, name: &str, command: &[String]) -> String {
    let options = [
        ("cpus-per-task", fields.cpus.map(|cpus| cpus.to_string())),
        ("gpus", fields.gpus.clone()),
        ("mem", fields.memory.clone()),
        // A minute before the time limit, to the script itself, which is titer from its last line on.
        ("signal", Some("B:USR1@60".to_owned())),
        ("open-mode", Some("append".to_owned())),
    ];
    let last = format!("exec {} --slot $((SLURM_ARRAY_TASK_ID + ${{1:-0}}))", quoted(command));
    script(fields, name, &options, &["#SBATCH --requeue"], &last)
}

/// The script of the job that writes the report.
pub(super) fn of_report(fields: &SlurmFields, name: &str, command: &[String]) -> String {
    script(fields, name, &[], &[], &format!("exec {}", quoted(command)))
}

fn script(fields: &SlurmFields, name: &str, more: &[(&str, Option<String>)], flags: &[&str], last: &str) -> String {
    let common = [
        ("job-name", Some(name.to_owned())),
        ("partition", fields.partition.clone()),
        ("account", fields.account.clone()),
        ("time", fields.time.clone()),
    ];
    let options = common
        .iter()
        .chain(more)
        .filter_map(|(option, value)| value.as_ref().map(|value| format!("#SBATCH --{option}={value}")));
    let mut lines: Vec<String> = ["#!/bin/bash".to_owned()].into_iter().chain(options).collect();
    lines.extend(flags.iter().map(|flag| (*flag).to_owned()));
    // Slurm reads options up to the first command.
    let (options, commands): (Vec<&String>, Vec<&String>) =
        fields.lines.iter().partition(|line| line.starts_with("#SBATCH"));
    lines.extend(options.into_iter().chain(commands).cloned());
    lines.push(last.to_owned());
    lines.join("\n") + "\n"
}

/// A path as Slurm takes it for a file to write to, where `%` begins a placeholder.
pub(super) fn unexpanded(path: &Path) -> String {
    path.display().to_string().replace('%', "%%")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arrays_are_as_large_as_the_cluster_takes() {
        let sizes =
            |slots, most| arrays(slots, most).iter().map(|array| (array.first, array.slots)).collect::<Vec<_>>();
        assert_eq!(sizes(12, 5), [(0, 5), (5, 5), (10, 2)]);
        assert_eq!(sizes(10, 5), [(0, 5), (5, 5)]);
        assert_eq!(sizes(1, 1001), [(0, 1)]);
        assert_eq!(sizes(0, 1001), []);
    }

    #[test]
    fn a_script_holds_what_was_asked_for() {
        let fields: SlurmFields = toml::from_str(
            "partition = \"gpu\"\ngpus = 1\ntime = \"01:00:00\"\ncpus = 4\n\
             lines = [\"module load gcc\", \"#SBATCH --constraint=avx512\"]",
        )
        .unwrap();
        let command = ["/opt/titer", "exec", "my runs/it's"].map(str::to_owned);
        insta::assert_snapshot!(of_slots(&fields, "titer-a-0", &command), @r"
        #!/bin/bash
        #SBATCH --job-name=titer-a-0
        #SBATCH --partition=gpu
        #SBATCH --time=01:00:00
        #SBATCH --cpus-per-task=4
        #SBATCH --gpus=1
        #SBATCH --signal=B:USR1@60
        #SBATCH --open-mode=append
        #SBATCH --requeue
        #SBATCH --constraint=avx512
        module load gcc
        exec /opt/titer exec 'my runs/it'\''s' --slot $((SLURM_ARRAY_TASK_ID + ${1:-0}))
        ");
        let report = of_report(&fields, "titer-a-0-report", &command);
        assert!(
            !report.contains("gpus") && report.ends_with("\nexec /opt/titer exec 'my runs/it'\\''s'\n"),
            "{report}"
        );
    }

    #[test]
    fn values_that_would_break_a_script_are_named() {
        let said = |fields: SlurmFields| check(&fields).unwrap_err().to_string();
        let partition = |name: &str| SlurmFields { partition: Some(name.to_owned()), ..SlurmFields::default() };
        assert_eq!(said(partition("a\nrm")), "slurm.partition: `a\\nrm` is no single word");
        assert_eq!(
            said(SlurmFields { at_once: Some(0), ..SlurmFields::default() }),
            "slurm.at_once is 0: give at least 1, or leave it out"
        );
        assert!(said(SlurmFields { lines: vec!["a\nb".to_owned()], ..SlurmFields::default() }).contains("slurm.lines"));
        assert!(check(&partition("gpu,cpu")).is_ok());
    }
}
