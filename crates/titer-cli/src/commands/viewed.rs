//! `titer export` for those who look at finished runs elsewhere.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use serde_json::json;
use titer::{
    plan::{RunId, RunPlan},
    spec::{Spec, SpecError},
    store::Sweep,
    table::ProbeRecord,
    viewed::{ProbedChat, ViewedRun, Viewer, event_file, inspect_logs},
    words::{counted, quoted},
};
use titer_data::probe::{Probe, Side};
use titer_engine::inputs::{Inputs, Resolved};

use super::{
    folder::{failure, whole_folder},
    open::resolve,
};
use crate::{
    args::ExportArgs,
    paths::shown,
    printer::{Failure, data, talk, verbatim},
};

/// Writes the finished runs of a sweep as a viewer reads them.
pub(super) fn export_viewed(args: &ExportArgs, viewer: Viewer) -> Result<(), Failure> {
    let asked = args.compute.asked();
    let given = [
        (args.quick, "--quick"),
        (args.seeds.is_some(), "--seeds"),
        (args.model.is_some(), "--model"),
        (asked.compute.is_some(), "--compute"),
        (asked.device.is_some(), "--device"),
    ];
    if let Some((_, option)) = given.into_iter().find(|(given, _)| *given) {
        let problem = format!("{option} is for trainers; {} shows runs as they were made: leave it out", viewer.word());
        return Err(Failure::Input(problem));
    }
    let sweep = Sweep::open(&args.spec).map_err(failure)?;
    let mut seen = BTreeSet::new();
    let runs: Vec<ViewedRun> = sweep
        .runs()
        .iter()
        .filter(|run| seen.insert(run.id.clone()))
        .filter_map(|run| ViewedRun::read(&sweep, run).map_err(Failure::input).transpose())
        .collect::<Result<_, _>>()?;
    if runs.is_empty() {
        return Err(Failure::Input(format!(
            "{}: no run is finished yet; `titer status` says how far they are",
            args.spec.display()
        )));
    }
    let chats = match viewer {
        Viewer::TensorBoard => ProbeChats::default(),
        Viewer::Inspect => ProbeChats::of(&sweep).unwrap_or_else(|problem| {
            talk(&format!(
                "the chats of the probes cannot be had, so samples hold their names in place of them: {problem}"
            ));
            ProbeChats::default()
        }),
    };
    let files = whole_folder(&args.out, |folder| {
        let mut files = 0;
        for run in &runs {
            let place = folder.join(folder_name(&run.arm)).join(run.seed.to_string());
            let written = match viewer {
                Viewer::Inspect => inspect_logs(run, &|record| chats.get(run, record))
                    .into_iter()
                    .map(|(name, text)| (name, text.into_bytes()))
                    .collect(),
                Viewer::TensorBoard => {
                    vec![(format!("events.out.tfevents.{}.titer", run.times[0] as u64), event_file(run))]
                }
            };
            files += written.len();
            written.iter().try_for_each(|(name, bytes)| put(&place.join(name), bytes))?;
        }
        Ok(files)
    })?;
    let out = args.out.display();
    talk(&format!(
        "{} in {}; then: {} {}",
        counted(runs.len(), "run"),
        counted(files, "file"),
        viewer.command(),
        quoted(&[out.to_string()])
    ));
    if args.json {
        verbatim(
            &json!({ "folder": shown(&args.out), "viewer": viewer.word(), "runs": runs.len(), "files": files })
                .to_string(),
        );
    } else {
        data(&out.to_string());
    }
    Ok(())
}

/// The folder of an arm: its name, or where no folder can be called so, its beginning and a number that no other arm has.
fn folder_name(arm: &str) -> String {
    let name = arm.replace(|letter: char| matches!(letter, '/' | '\\') || letter.is_control(), "_");
    if name == arm && name.len() <= LONGEST_FOLDER && !name.starts_with('.') {
        return name;
    }
    let beginning: String = name.trim_start_matches('.').chars().take(LONGEST_FOLDER / 4).collect();
    format!("{beginning}-{}", &blake3::hash(arm.as_bytes()).to_hex()[..8])
}

/// Bytes that a folder's name has at most: file systems take 255, and some viewers less of a whole path.
const LONGEST_FOLDER: usize = 160;

/// Writes a file, and the folders that it is in.
fn put(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let folder = path.parent().map_or_else(PathBuf::new, Path::to_owned);
    fs_err::create_dir_all(folder).and_then(|()| fs_err::write(path, bytes)).map_err(Failure::work)
}

/// The chats of the probes of a sweep's runs.
#[derive(Default)]
struct ProbeChats {
    inputs: Inputs,
    plans: BTreeMap<RunId, RunPlan>,
    /// By seed: probes are the same in all runs of one.
    known: std::cell::RefCell<BTreeMap<u64, Vec<Probe>>>,
}

impl ProbeChats {
    /// Those that the sweep's spec gives now; the error says why there are none.
    fn of(sweep: &Sweep) -> Result<Self, String> {
        let record = sweep.record();
        let mut spec = Spec::parse(&record.spec, Path::new("sweep.toml")).map_err(|error| headline(&error))?;
        if record.quick {
            spec.cut();
        }
        spec.seeds = Some(record.seeds.clone());
        let inputs = Inputs::default();
        let Resolved { runs, .. } = resolve(&spec, &inputs).map_err(|error| headline(&error))?;
        let plans: BTreeMap<RunId, RunPlan> = runs.into_iter().map(|(_, plan)| (plan.id(), plan)).collect();
        match sweep.runs().iter().all(|run| plans.contains_key(&run.id)) {
            true => Ok(Self { inputs, plans, known: Default::default() }),
            false => Err("its runs are not those that its spec gives now: data or model have changed".to_owned()),
        }
    }

    /// The chat of what was measured.
    fn get(&self, run: &ViewedRun, record: &ProbeRecord) -> Option<ProbedChat> {
        let plan = self.plans.get(&run.id)?;
        let mut known = self.known.borrow_mut();
        let probes = known.entry(run.seed).or_insert_with(|| self.inputs.probes(plan).unwrap_or_default());
        let is_it = |probe: &&Probe| {
            (probe.component, probe.prompts, probe.domains) == (record.component, record.prompts, record.domains)
        };
        let contrast = probes.iter().find(is_it)?.contrasts.iter().find(|contrast| contrast.id == record.item)?;
        let (_, plus) = contrast.replies.iter().find(|(side, _)| *side == Side::Plus)?;
        Some(ProbedChat { context: contrast.context.clone(), plus: plus.clone() })
    }
}

/// The first line of what is wrong.
fn headline(error: &SpecError) -> String {
    error.to_string().lines().next().unwrap_or_default().to_owned()
}
