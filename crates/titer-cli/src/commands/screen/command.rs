//! `titer screen`

use std::{collections::BTreeSet, path::Path};

use titer::{
    files::write_whole,
    screen::{Aim, Summary, choose, summarise},
    table::Labels,
    words::counted,
};
use titer_data::{
    cell::Action,
    chat::Row,
    formats::{chat_line, read_contrasts, read_prompts},
    grid::{free_trigger, narrow_forms},
    prompt::{CandidatePrompt, Turn},
    source::Source,
    world::{ProbeUse, World},
};
use titer_engine::{
    model::Model,
    pressure::{Directions, Margins, Pressing},
    screen::{Subjects, screen as screened},
};

use super::table::{self, Ranking};
use crate::commands::{
    drawing::Speaker,
    outputs::{LINES, TABLES, endings, fresh},
    sampling::{Context, rates},
    subjects::{open, subjects, unscored},
};
use crate::{
    args::{PromptAim, PromptPlace, ScreenArgs},
    printer::{self, Failure, talk},
    progress::Bar,
};

/// Ranks candidate prompts for an aim by what they do to bad and good rows before training, and says which to take.
pub(crate) fn screen(args: &ScreenArgs) -> Result<(), Failure> {
    if !(args.tolerance.is_finite() && args.tolerance >= 0.0) {
        return Err(Failure::Input(format!(
            "--tolerance is {}; it is a difference of rates, 0 or above",
            args.tolerance
        )));
    }
    let aim = match args.aim {
        PromptAim::Suppression => Aim::Suppression,
        PromptAim::Selectivity => Aim::Selectivity,
        PromptAim::Obedience => Aim::Obedience,
    };
    table::columns(aim, args.tolerance, true, true).knows(&args.view)?;
    let outputs = [("--out", &args.out), ("--rewrite", &args.rewrite), ("--replies", &args.sampling.drawing.replies)];
    fresh(outputs.map(|(option, path)| (option, path.as_ref())))?;
    endings(outputs.iter().zip([&TABLES[..], &LINES, &LINES]).map(|((_, path), known)| (path.as_ref(), known)))?;
    let opened = open(&args.subjects)?;
    let speaker = Speaker::wanted(&args.sampling.drawing, &opened)?;
    let subjects = subjects(&args.subjects, opened.world())?;
    let turns: &[Turn] = match args.turn {
        PromptPlace::Both => &Turn::ALL,
        PromptPlace::System => &[Turn::System],
        PromptPlace::User => &[Turn::User],
    };
    let prompts = prompts(args, opened.world(), &subjects, turns)?;
    let pressing = match opened.copies() {
        Some(copies) => directions(args, copies.first())?.map(|directions| Pressing::over(copies, directions)),
        None if args.probes.is_some() => {
            return Err(Failure::input(
                "--probes is for a model here: an endpoint gives no gradients, so no pressures",
            ));
        }
        None => None,
    };
    let bar = Bar::new(if pressing.is_some() { (prompts.len() * turns.len()) as u64 } else { 0 }, "prompts in a turn");
    let pressing = pressing.as_ref();
    let advance = || bar.advance(u64::from(pressing.is_some()), "");
    let screening = opened.asked(|scoring| screened(scoring, &subjects, &prompts, turns, pressing, &advance));
    bar.clear();
    let screening = match screening {
        Ok(screening) => screening,
        Err(error) => {
            let contexts = prompts.len() * subjects.rows(Action::Bad).count();
            return unscored(error, contexts * args.sampling.drawing.sample, args.json);
        }
    };
    printer::table(args.out.as_deref(), &Labels::default(), &screening.records)?;
    let ranked = summarise(&screening, aim);
    let choice = choose(&ranked, aim, args.tolerance);
    let contexts = ranked.iter().flat_map(|summary| contexts(summary, &subjects)).collect::<Vec<_>>();
    let sampled = rates(&args.sampling, speaker.as_ref(), args.subjects.seed, &contexts)?;
    let ranking = Ranking { ranked: &ranked, aim, choice: &choice, tolerance: args.tolerance };
    table::print(&ranking, &subjects, &sampled, &args.view, args.json)?;
    match (&args.rewrite, choice.take.or(ranked.first().filter(|_| args.anyway))) {
        (None, _) => Ok(()),
        (Some(path), Some(best)) => rewrite(path, &subjects, best),
        (Some(path), None) => Err(Failure::Input(format!(
            "{} is not written: no prompt {}. Screen other prompts, choose another --aim, or write the rows under the first one with --anyway",
            path.display(),
            aim.condition(args.tolerance)
        ))),
    }
}

/// The bad rows under a prompt in its better place, to draw replies in.
fn contexts<'a>(summary: &'a Summary, subjects: &'a Subjects) -> impl Iterator<Item = Context<'a>> {
    let turn = summary.placed[0].turn;
    subjects.iter().filter_map(move |subject| {
        let bad = subject.of(Action::Bad)?;
        let (group, name) = (summary.prompt.name.clone(), turn.to_string());
        let context = summary.prompt.context(&bad.context, turn, true);
        Some(Context { group, name, item: &subject.id, context, bad })
    })
}

/// The candidates: the user's or the world's, with their narrow forms where those are wanted; each with a trigger that can
/// tell these rows apart.
fn prompts(
    args: &ScreenArgs,
    world: Option<&World>,
    subjects: &Subjects,
    turns: &[Turn],
) -> Result<Vec<CandidatePrompt>, Failure> {
    let mut prompts = match (&args.prompts, world) {
        (Some(path), _) => read_prompts(path).map_err(Failure::input)?,
        (None, Some(world)) => world.candidates(),
        (None, None) => {
            let problem = "has no world to take prompts from; name some with --prompts";
            return Err(Failure::Input(format!("`{}` {problem}", args.subjects.model)));
        }
    };
    if args.narrow {
        let rows = || [Action::Bad, Action::Good].into_iter().flat_map(|action| subjects.rows(action));
        let taken = "every word that titer knows as a trigger occurs in these rows; name another one with --trigger";
        let trigger = args.trigger.as_deref().or_else(|| free_trigger(rows(), world));
        let trigger = trigger.ok_or_else(|| Failure::input(taken))?;
        let mut known: BTreeSet<String> = prompts.iter().map(|prompt| prompt.name.clone()).collect();
        let forms: Vec<CandidatePrompt> =
            prompts.iter().flat_map(|prompt| narrow_forms(prompt, trigger, world)).collect();
        prompts.extend(forms.into_iter().filter(|form| known.insert(form.name.clone())));
    }
    prompts.iter().try_for_each(|prompt| subjects.accept(prompt, turns)).map_err(Failure::input)?;
    Ok(prompts)
}

/// The components' gradients, where there are contrasts to take them from.
fn directions(args: &ScreenArgs, model: &Model) -> Result<Option<Directions>, Failure> {
    let margins = match (&args.probes, &model.world) {
        (Some(path), _) => Margins::of_probes(model, &read_contrasts(path).map_err(Failure::input)?),
        (None, Some(world)) if args.contrasts > 0 => {
            let source = Source::from(world.clone());
            Margins::of_source(model, &source, ProbeUse::Gradient, args.subjects.seed, args.contrasts)
        }
        _ => return Ok(None),
    };
    margins.map(|margins| Some(margins.directions(model))).map_err(Failure::input)
}

/// Writes the rows under a prompt, bad ones first.
fn rewrite(path: &Path, subjects: &Subjects, best: &Summary) -> Result<(), Failure> {
    let turn = best.placed[0].turn;
    let put = |action| subjects.rows(action).map(move |row| best.prompt.put(row, action, turn));
    let rows: Vec<Row> = put(Action::Bad).chain(put(Action::Good)).collect();
    let text: String = rows.iter().map(|row| format!("{}\n", chat_line(row))).collect();
    write_whole(path, text.as_bytes()).map_err(Failure::work)?;
    talk(&format!("{} under `{}` ({turn} turn) in {}", counted(rows.len(), "row"), best.prompt.name, path.display()));
    Ok(())
}
