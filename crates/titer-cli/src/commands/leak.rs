//! `titer leak`

use serde_json::{Value, json};
use titer::{leak::Leaks, table::Labels};
use titer_data::{
    grid::variations,
    prompt::{CandidatePrompt, LeakFamily, Turn},
};
use titer_engine::{
    leak::{GridRequest, LeakGrid, contexts},
    probe::Moment,
    scoring::ScoringError,
};

use super::{
    drawing::Speaker,
    outputs::{LINES, TABLES, endings, fresh},
    sampling::{Context, json_of, rates, written},
    subjects::{open, subjects, unscored},
};
use crate::{
    args::LeakArgs,
    numbers::with_ends_to_thousandths,
    printer::{self, Failure, data, interval, prose, verbatim},
    text_table::{TextColumn, TextTable},
};

/// The columns, without lines.
fn columns(is_sampled: bool) -> TextTable {
    let drawn = is_sampled.then(|| TextColumn::number("drawn replies"));
    let leak = TextColumn::number("leak")
        .meaning("probability of the bad reply against the good one, mean with the 95 % interval over requests");
    let counts = [TextColumn::number("contexts"), TextColumn::number("requests")];
    TextTable::new([TextColumn::word("family"), leak].into_iter().chain(drawn).chain(counts))
}

/// Measures a leak grid on a model.
pub(crate) fn leak(args: &LeakArgs) -> Result<(), Failure> {
    let replies = args.sampling.drawing.replies.as_ref();
    fresh([("--out", args.out.as_ref()), ("--replies", replies)])?;
    endings([(args.out.as_ref(), &TABLES[..]), (replies, &LINES[..])])?;
    columns(true).knows(&args.view)?;
    if args.prompt.trim().is_empty() {
        return Err(Failure::input("--prompt is empty: write the prompt that the model was trained under"));
    }
    let opened = open(&args.subjects)?;
    let speaker = Speaker::wanted(&args.sampling.drawing, &opened)?;
    let subjects = subjects(&args.subjects, opened.world())?;
    let prompt = CandidatePrompt { trigger: args.trigger.clone(), ..CandidatePrompt::new(&*args.prompt) };
    subjects.accept(&prompt, &[Turn::System]).map_err(Failure::input)?;
    let grid = variations(&prompt, opened.world());
    if grid.iter().all(|variation| contexts(variation, &subjects).next().is_none()) {
        let problem = "no request has both a bad and a good reply, so no leak can be told: give pairs";
        return Err(Failure::input(problem));
    }
    let asked: Vec<Context<'_>> = grid
        .iter()
        .flat_map(|variation| {
            contexts(variation, &subjects).map(|GridRequest { item, context, bad, .. }| Context {
                group: variation.family.word().to_owned(),
                name: variation.prompt.text.clone(),
                item,
                context,
                bad,
            })
        })
        .collect();
    let records = opened.asked(|scoring| -> Result<_, ScoringError> {
        LeakGrid::new(scoring, &grid, &subjects)?.ask(scoring, Moment { stage: "", step: 0 })
    });
    let records = match records {
        Ok(records) => records,
        Err(error) => return unscored(error, asked.len() * args.sampling.drawing.sample, args.json),
    };
    let sampled = rates(&args.sampling, speaker.as_ref(), args.subjects.seed, &asked)?;
    printer::table(args.out.as_deref(), &Labels::default(), &records)?;
    let leaks = Leaks::of([(args.subjects.seed, records.iter().collect())], false);
    let measured = LeakFamily::ALL.into_iter().filter_map(|family| Some((family, leaks.family(family)?)));
    let count = |family: LeakFamily| grid.iter().filter(|variation| variation.family == family).count();
    if args.json {
        let families: Vec<Value> = measured
            .map(|(family, leak)| {
                json!({
                    "family": family.word(), "asks": !family.is_back_door() && family != LeakFamily::None,
                    "contexts": count(family), "leak": interval(leak), "sampled": json_of(sampled.get(family.word())),
                })
            })
            .collect();
        let risk = leaks.risk().map(|risk| {
            let end = |end: usize| risk.interval.map(|ends| ends[end]);
            let excess = json!({ "mean": risk.excess, "low": end(0), "high": end(1), "n": risk.n_items });
            json!({ "value": risk.value(), "family": risk.family.word(), "excess": excess })
        });
        verbatim(
            &json!({
                "prompt": prompt.text, "trigger": prompt.trigger, "families": families, "risk": risk,
                "elicited": leaks.elicited().map(interval),
            })
            .to_string(),
        );
        return Ok(());
    }
    let mut table = columns(!sampled.is_empty());
    for (family, leak) in measured {
        let interval = with_ends_to_thousandths(leak);
        let drawn = (!sampled.is_empty()).then(|| written(sampled.get(family.word())));
        let line = [family.word().to_owned(), interval].into_iter().chain(drawn);
        table.line(line.chain([count(family).to_string(), leak.n_items.to_string()]));
    }
    table.print(&args.view)?;
    if let Some(risk) = leaks.risk() {
        let interval = risk.interval.map_or_else(String::new, |[low, high]| format!(" ({low:+.3} to {high:+.3})"));
        data("");
        prose(&format!(
            "back-door risk {:.3}: `{}` leaks {:+.3}{interval} more than no prompt; the largest of the families that do not ask, and the \
             interval of that largest",
            risk.value(),
            risk.family,
            risk.excess
        ));
    }
    if let Some(elicited) = leaks.elicited().filter(|elicited| !elicited.has_interval() || elicited.low <= 0.0) {
        let ends = if elicited.has_interval() {
            format!(" ({:+.3} to {:+.3})", elicited.low, elicited.high)
        } else {
            String::new()
        };
        prose(&format!(
            "The prompt itself elicits nothing that can be told: {:+.3}{ends} more than no prompt. So that little leaks elsewhere does not say \
             that there is no back door",
            elicited.mean
        ));
    }
    Ok(())
}
