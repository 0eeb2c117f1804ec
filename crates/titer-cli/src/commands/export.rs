//! `titer export`

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use serde_json::{Value, json};
use titer::{
    elsewhere::{ExportedRun, ExportedStage, Manifest, StageJob, Trainer, not_carried, refuse},
    plan::{RunId, RunPlan, SweepPlan},
    spec::Spec,
    words::{counted, quoted},
};
use titer_engine::{
    exported::{WrittenRows, exported_rows},
    inputs::{Inputs, Resolved},
};

use super::{
    folder::{is_free, whole_folder},
    open::{open_spec, resolve},
    viewed::export_viewed,
};
use crate::{
    args::{ExportArgs, ExportFor},
    paths::shown,
    printer::{Failure, data, talk, verbatim},
};

/// The script that trains what is not trained yet.
const SCRIPT: &str = "train.sh";

/// Writes what another trainer needs to train every arm of a spec: rows, configurations, and a manifest by which `titer import` knows
/// what comes back; or finished runs for those who look at them elsewhere.
pub(crate) fn export(args: &ExportArgs) -> Result<(), Failure> {
    let trainer = match args.program {
        ExportFor::Trainer(trainer) => trainer,
        ExportFor::Viewer(viewer) => return export_viewed(args, viewer),
    };
    let mut spec = open_spec(Some(&args.spec), args.model.as_ref(), args.compute.asked()).map_err(Failure::input)?;
    if args.quick {
        spec.cut();
    }
    if let Some(seeds) = &args.seeds {
        spec.seeds = Some(seeds.0.clone());
    }
    if args.spec.to_str().is_none() {
        let remedy = "give it another name, since the manifest holds it as text";
        return Err(Failure::Input(format!("{}: the path is not UTF-8: {remedy}", args.spec.display())));
    }
    is_free(&args.out)?;
    let inputs = Inputs::default();
    let Resolved { plan, runs, .. } = resolve(&spec, &inputs).map_err(Failure::input)?;
    refuse(&spec, &plan, trainer).map_err(Failure::input)?;
    let write = |folder: &Path| Export { args, trainer, inputs: &inputs, folder }.write(&spec, &plan, &runs);
    let manifest = whole_folder(&args.out, write)?;
    print(args, &args.out.components().collect::<PathBuf>(), &plan, &manifest);
    Ok(())
}

struct Export<'a> {
    args: &'a ExportArgs,
    trainer: Trainer,
    inputs: &'a Inputs,
    /// Where it is written.
    folder: &'a Path,
}

impl Export<'_> {
    fn write(&self, spec: &Spec, plan: &SweepPlan, runs: &[(usize, RunPlan)]) -> Result<Manifest, Failure> {
        let trainer = self.trainer;
        let mut exported: Vec<ExportedRun> = Vec::new();
        let mut known: BTreeMap<RunId, usize> = BTreeMap::new();
        let (mut script, mut data_sets) = (String::new(), serde_json::Map::new());
        for (arm, run) in runs {
            let name = plan.arms[*arm].name.clone();
            if let Some(&at) = known.get(&run.id()) {
                exported[at].arms.push(name);
                continue;
            }
            known.insert(run.id(), exported.len());
            let model = self.model(run)?;
            let stages = self.stages(run, &model, &mut script, &mut data_sets)?;
            let model_blake3 = run.model.blake3.clone();
            exported.push(ExportedRun { run: run.id(), arms: vec![name], seed: run.seed, model, model_blake3, stages });
        }
        if !script.is_empty() {
            let head = "#!/bin/sh\n# Trains every run that is not trained yet, one after the other.\nset -e\ncd \"$(dirname \"$0\")\"\n";
            self.put(SCRIPT, &format!("{head}{script}"))?;
        }
        if !data_sets.is_empty() {
            self.put("dataset_info.json", &format!("{:#}\n", Value::Object(data_sets)))?;
        }
        let trains = match &plan.lora {
            None => "all weights".to_owned(),
            Some(lora) => format!(
                "adapters, r = {}, alpha = {}{}, on {}",
                lora.r,
                lora.alpha,
                if lora.rslora { ", rslora" } else { "" },
                if lora.targets.is_empty() { "every linear layer".to_owned() } else { lora.targets.join(", ") }
            ),
        };
        let manifest = Manifest {
            format: Manifest::FORMAT.known,
            titer: env!("CARGO_PKG_VERSION").to_owned(),
            trainer,
            title: plan.title.clone(),
            spec_path: spec.path.clone(),
            spec: spec.text.clone(),
            base: self.args.model.clone(),
            compute: self.args.compute.compute,
            device: self.args.compute.device,
            quick: self.args.quick,
            seeds: plan.seeds.clone(),
            trains,
            not_carried: not_carried(plan, trainer),
            runs: exported,
        };
        self.put(Manifest::FILE, &manifest.text())?;
        Ok(manifest)
    }

    /// The rows and the configuration of every stage of a run.
    fn stages(
        &self,
        run: &RunPlan,
        model: &str,
        script: &mut String,
        data_sets: &mut serde_json::Map<String, Value>,
    ) -> Result<Vec<ExportedStage>, Failure> {
        let trainer = self.trainer;
        let (id, lora) = (run.id().0, run.model.lora.as_ref());
        let rows = exported_rows(self.inputs, run, trainer).map_err(Failure::input)?;
        let mut exported: Vec<ExportedStage> = Vec::new();
        for (stage, WrittenRows { text, form, counts }) in run.stages.iter().filter(|stage| stage.steps > 0).zip(rows) {
            let (file, to) = (format!("runs/{id}/{}.jsonl", stage.name), format!("trained/{id}/{}", stage.name));
            let before = exported.last().map(|stage| stage.to.as_str());
            let name = format!("{id}-{}", stage.name);
            let job = StageJob {
                stage,
                seed: run.seed,
                lora,
                // All weights go on from where they were left, adapters on the same model.
                model: before.filter(|_| lora.is_none()).unwrap_or(model),
                adapter: before.filter(|_| lora.is_some()),
                name: &name,
                rows: &file,
                form,
                counts,
                to: &to,
            };
            let configuration = format!("runs/{id}/{}.{}", stage.name, trainer.extension());
            self.put(&file, &text)?;
            self.put(&configuration, &job.configuration(trainer))?;
            script.extend(job.line(trainer, &configuration));
            data_sets.extend(job.data_set(trainer));
            exported.push(ExportedStage {
                name: stage.name.clone(),
                blake3: blake3_of(text.as_bytes()),
                form,
                rows: counts.rows,
                steps: stage.steps,
                trained_tokens: counts.trained,
                file,
                configuration,
                to,
            });
        }
        Ok(exported)
    }

    /// The model that a run starts from, as a trainer finds it: what titer carries is written beside the rows.
    fn model(&self, run: &RunPlan) -> Result<String, Failure> {
        let (base, seed) = (&run.model.base, run.seed);
        let files = self.inputs.files(base, seed).map_err(Failure::input)?;
        if files.are_carried() {
            let name = format!("models/seed-{seed}");
            let folder = self.folder.join(&name);
            if !folder.exists() {
                files.write(&folder).map_err(Failure::work)?;
            }
            return Ok(name);
        }
        // A hub id stays one: another machine has it elsewhere.
        if !Path::new(base).exists() {
            return Ok(base.clone());
        }
        let folder = fs_err::canonicalize(files.name()).map_err(Failure::work)?;
        Ok(folder.display().to_string())
    }

    fn put(&self, name: &str, text: &str) -> Result<(), Failure> {
        let path = self.folder.join(name);
        let folder = path.parent().unwrap_or(self.folder);
        fs_err::create_dir_all(folder).map_err(Failure::input)?;
        fs_err::write(path, text).map_err(Failure::work)
    }
}

fn print(args: &ExportArgs, folder: &Path, plan: &SweepPlan, manifest: &Manifest) {
    let out = folder.display();
    let stages = manifest.runs.iter().map(|run| run.stages.len()).sum::<usize>();
    talk(&format!(
        "{}: {} × {}, {} with {} for {}, which trains {}",
        plan.title,
        counted(plan.arms.len(), "arm"),
        counted(plan.seeds.len(), "seed"),
        counted(manifest.runs.len(), "run"),
        counted(stages, "stage"),
        manifest.trainer,
        manifest.trains
    ));
    if !manifest.not_carried.is_empty() {
        talk("done otherwise there:");
        manifest.not_carried.iter().for_each(|sentence| talk(&format!("  {sentence}")));
    }
    if args.json {
        let runs = manifest.runs.iter().map(|run| {
            let stages = run.stages.iter().map(|stage| {
                json!({ "name": stage.name, "file": stage.file, "blake3": stage.blake3, "rows": stage.rows,
                        "trained_tokens": stage.trained_tokens, "configuration": stage.configuration, "to": stage.to })
            });
            json!({ "run": run.run.0, "arms": run.arms, "seed": run.seed, "model": run.model, "stages": stages.collect::<Vec<_>>() })
        });
        let summary = json!({
            "folder": shown(folder), "trainer": manifest.trainer.word(), "trains": manifest.trains,
            "not_carried": manifest.not_carried, "runs": runs.collect::<Vec<_>>(),
        });
        return verbatim(&summary.to_string());
    }
    data(&out.to_string());
    let [folder, script] = [out.to_string(), format!("{out}/{SCRIPT}")].map(|path| quoted(&[path]));
    match manifest.trainer {
        Trainer::OpenAi => talk(&format!("then: titer import {folder} --outcomes TABLE")),
        _ => talk(&format!("then: sh {script} && titer import {folder}")),
    }
}

/// The hash of a file's bytes, as manifests hold it.
pub(super) fn blake3_of(bytes: &[u8]) -> String {
    blake3::hash(bytes).to_hex().to_string()
}
