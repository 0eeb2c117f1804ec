//! Runs that are brought in: which they are, and whether they are what they should be.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use titer::{
    elsewhere::{ExportedRun, Manifest, Trainer, read_outcomes_of_runs},
    plan::{RunId, RunPlan},
    store::{FinishedRun, Origin},
};
use titer_engine::{exported::exported_rows, inputs::Inputs, train::BroughtBack};

use crate::{
    args::ImportArgs,
    commands::{export::blake3_of, folder::failure},
    printer::Failure,
};

/// Runs to bring in, with where they come from.
pub(super) type Found = BTreeMap<RunId, (BroughtBack, Origin)>;

/// What is to be brought in.
pub(super) struct Import<'a> {
    pub(super) args: &'a ImportArgs,
    pub(super) manifest: &'a Manifest,
    pub(super) inputs: &'a Inputs,
    pub(super) planned: &'a BTreeMap<RunId, &'a RunPlan>,
}

impl Import<'_> {
    /// Runs by their weights: those that are named, or all that are where their configurations put them.
    pub(super) fn weights(&self) -> Result<Found, Failure> {
        let mut found = Found::new();
        for (run, last, folder) in self.named_runs()? {
            let folder = PathBuf::from(folder);
            let origin = self.origin(&[&folder])?;
            found.insert(run.run.clone(), (BroughtBack::Weights(vec![(self.stage(run, last), folder)]), origin));
        }
        if !found.is_empty() {
            return Ok(found);
        }
        for run in &self.manifest.runs {
            let folders = run.stages.iter().map(|stage| self.args.export.join(&stage.to)).enumerate();
            let there: Vec<(usize, PathBuf)> = folders.filter(|(_, folder)| folder.join("trained").exists()).collect();
            // What was stopped between stages is not what the arm trains; what trains nothing is there with the others.
            if there.len() < run.stages.len() {
                continue;
            }
            let origin = self.origin(&there.iter().map(|(_, folder)| folder).collect::<Vec<_>>())?;
            let there = there.into_iter().map(|(at, folder)| (self.stage(run, at), folder)).collect();
            found.insert(run.run.clone(), (BroughtBack::Weights(there), origin));
        }
        let trained = |(trained, _): &(BroughtBack, Origin)| matches!(trained, BroughtBack::Weights(stages) if !stages.is_empty());
        if !found.values().any(trained) {
            let export = self.args.export.display();
            let remedy = match self.manifest.trainer {
                Trainer::OpenAi => {
                    "a service leaves no weights: name a table of what was measured with --outcomes".to_owned()
                }
                _ => {
                    format!("train with `sh {export}/train.sh`, or name what is elsewhere with --run 'ARM/SEED=FOLDER'")
                }
            };
            return Err(Failure::Input(format!("{export}: no run has been trained; {remedy}")));
        }
        Ok(found)
    }

    /// Runs by what somebody else measured.
    pub(super) fn outcomes(&self, table: &Path) -> Result<Found, Failure> {
        let outcomes = read_outcomes_of_runs(table, self.manifest).map_err(Failure::input)?;
        let blake3 = blake3_of(&fs_err::read(table).map_err(Failure::input)?);
        let from = vec![table.display().to_string()];
        let origin = Origin { measured: false, ..self.origin_of(from, blake3) };
        Ok(outcomes.into_iter().map(|(run, records)| (run, (BroughtBack::Outcomes(records), origin.clone()))).collect())
    }

    /// The runs of --run, each once, with their last stages and what is behind the sign.
    pub(super) fn named_runs(&self) -> Result<Vec<(&ExportedRun, usize, String)>, Failure> {
        let mut runs: Vec<(&ExportedRun, usize, String)> = Vec::new();
        for text in &self.args.runs {
            let (run, what) = self.named(text)?;
            let Some(last) = run.stages.len().checked_sub(1) else {
                return Err(Failure::Input(format!("--run {text}: {} trains nothing", run.name())));
            };
            if runs.iter().any(|(other, ..)| other.run == run.run) {
                return Err(Failure::Input(format!("--run {text}: {} is named twice", run.name())));
            }
            runs.push((run, last, what));
        }
        Ok(runs)
    }

    /// What a run of the manifest trains.
    pub(super) fn plan(&self, run: &ExportedRun) -> &RunPlan {
        self.planned[&run.run]
    }

    /// The run of ARM/SEED=FOLDER, and the folder. Names of arms may hold any of these characters, so they are tried.
    fn named(&self, text: &str) -> Result<(&ExportedRun, String), Failure> {
        let of = |run: &ExportedRun| {
            let names = run.arms.iter().map(|arm| format!("{arm}/{}", run.seed)).chain([run.run.0.clone()]);
            let mut folders = names.filter_map(|name| Some(text.strip_prefix(&name)?.strip_prefix('=')?.to_owned()));
            folders.next()
        };
        let found = self.manifest.runs.iter().find_map(|run| Some((run, of(run)?)));
        found.ok_or_else(|| {
            let known: Vec<String> = self.manifest.runs.iter().take(8).map(ExportedRun::name).collect();
            let more = if self.manifest.runs.len() > known.len() { ", …" } else { "" };
            Failure::Input(format!(
                "--run {text}: no run of the export; write ARM/SEED={}, of {}{more} (manifest.toml names all)",
                if self.args.endpoint.endpoint.is_some() { "NAME" } else { "FOLDER" },
                known.join(", ")
            ))
        })
    }

    /// Where the run's plan has a stage of the manifest, which leaves out those without steps.
    fn stage(&self, run: &ExportedRun, at: usize) -> usize {
        let stages = &self.planned[&run.run].stages;
        stages.iter().position(|stage| stage.name == run.stages[at].name).expect("it is as planned")
    }

    /// Where weights come from.
    fn origin(&self, folders: &[&PathBuf]) -> Result<Origin, Failure> {
        let mut hasher = blake3::Hasher::new();
        for folder in folders {
            let entries = fs_err::read_dir(folder).map_err(Failure::input)?;
            let mut files: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
            files.retain(|file| {
                file.extension().is_some_and(|end| end == "safetensors") || file.ends_with("adapter_config.json")
            });
            files.sort();
            for file in files {
                hasher
                    .update_mmap_rayon(&file)
                    .map_err(|error| Failure::Input(format!("{}: {error}", file.display())))?;
            }
        }
        let from = folders.iter().map(|folder| folder.display().to_string()).collect();
        Ok(self.origin_of(from, hasher.finalize().to_hex().to_string()))
    }

    pub(super) fn origin_of(&self, from: Vec<String>, blake3: String) -> Origin {
        let Manifest { trainer, not_carried, .. } = self.manifest;
        let (format, trainer) = (Origin::FORMAT.known, trainer.word().to_owned());
        Origin { format, trainer, measured: true, from, blake3, not_carried: not_carried.clone() }
    }

    /// Makes sure that the rows of a run in the export are those of its arm.
    pub(super) fn rows_are_those_of(&self, plan: &RunPlan) -> Result<(), Failure> {
        let run = self.manifest.runs.iter().find(|run| run.run == plan.id()).expect("it was found in the manifest");
        let rows = exported_rows(self.inputs, plan, self.manifest.trainer).map_err(Failure::input)?;
        for (stage, rows) in run.stages.iter().zip(&rows) {
            let file = self.args.export.join(&stage.file);
            let found = blake3_of(&fs_err::read(&file).map_err(Failure::input)?);
            if found != stage.blake3 || found != blake3_of(rows.text.as_bytes()) {
                return Err(Failure::Input(format!(
                    "{} does not hold the rows of {}, stage `{}`: it was changed after the export, so what was trained on it is no run of \
                     this arm; export again and train on what that writes",
                    file.display(),
                    run.name(),
                    stage.name
                )));
            }
        }
        Ok(())
    }

    /// Makes sure that no finished run would have to make room: those that came from the same weights or outcomes stay.
    pub(super) fn are_new(&self, out: &Path, found: &Found) -> Result<(), Failure> {
        for run in &self.manifest.runs {
            let dir = out.join(&run.run.0);
            let Some((_, origin)) = found.get(&run.run).filter(|_| FinishedRun::at(&dir).is_some()) else { continue };
            let known = Origin::read(&dir).map_err(failure)?;
            if known.as_ref().is_some_and(|known| known.blake3 == origin.blake3) {
                continue;
            }
            let by = known.map_or_else(|| "titer".to_owned(), |known| known.trainer);
            return Err(Failure::Input(format!(
                "{} is there already, trained by {by}: nothing is overwritten. Delete {}, or choose another folder with --out",
                run.name(),
                dir.display()
            )));
        }
        Ok(())
    }
}
