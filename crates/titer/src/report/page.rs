//! Setting the sections on a page.

use std::{collections::BTreeSet, io};

use minijinja::{Environment, syntax::SyntaxConfig, value::Serde};
use serde::Serialize;
use titer_data::{probe::Component, source::HARMLESS};

use super::{
    family::SplitFamily,
    sections::{
        cells, claims, drawn, effect, elsewhere, forecast, guards, headline, health, inoculation, leak, ledger, narrow,
        reproduce, reproduce::Reproduce, response, training, validation, warnings,
    },
    series::{self, Dose},
    view::{Gallery, HeatTable, Table},
};
use crate::{
    claim::Claim,
    forecast::{ForecastFileError, SavedForecast},
    plan::Setting,
    results::{ResultsError, RunResults, SweepResults},
    spec::SpecError,
    words::counted,
};

/// What a report is made of.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// The sweep and its finished runs.
    pub results: SweepResults,
    /// What its spec says that the runs will show.
    pub claims: Vec<Claim>,
    /// What was foreseen of the arms, if anything was.
    pub forecast: Option<SavedForecast>,
}

/// What the template is given.
#[derive(Serialize)]
struct Page<'a> {
    title: &'a str,
    question: &'a str,
    facts: Vec<String>,
    missing: Vec<(String, u64)>,
    answer: Vec<String>,
    notes: [String; 2],
    obeyed: String,
    names: String,
    glance: Table,
    dose: &'a str,
    opening: Option<(&'static str, Gallery)>,
    how_to_read: String,
    /// Whether the response is drawn beside a control's.
    controlled: bool,
    /// What a rate is.
    rates: &'static str,
    along: String,
    response: Gallery,
    targeted: Option<Gallery>,
    effect: Option<Gallery>,
    training: Option<Gallery>,
    cells: Option<HeatTable>,
    inoculation: Option<Table>,
    drawn: Option<Table>,
    leak: Option<HeatTable>,
    validation: Option<Table>,
    verdicts: Option<String>,
    claims: Option<Table>,
    quick: Option<String>,
    elsewhere: Option<elsewhere::Elsewhere>,
    targets: Option<Table>,
    pareto: Option<Gallery>,
    guard_work: Option<Table>,
    warnings: Option<Gallery>,
    forecast: Option<Table>,
    dials: Option<serde_json::Value>,
    ledger: Option<Gallery>,
    ledger_errors: Option<Table>,
    other_replies: Table,
    steps: Table,
    reproduce: Reproduce,
}

/// A report that cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// The file system refused; the message names the path.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The folder holds no sweep whose results can be read.
    #[error(transparent)]
    Results(#[from] ResultsError),
    /// The forecast beside the sweep cannot be used.
    #[error(transparent)]
    Forecast(#[from] ForecastFileError),
    /// The spec that the folder keeps has claims and cannot be read.
    #[error(transparent)]
    Spec(#[from] SpecError),
    /// It makes other arms now.
    #[error(
        "the claims cannot be judged: this version of titer makes other arms of the spec than the one that ran it; run the \
         spec again"
    )]
    OtherArms,
    /// Nothing to report on.
    #[error("no run of this sweep is finished, so there is nothing to report")]
    Empty,
    /// The page could not be set.
    #[error("the page cannot be set: {0}")]
    Page(#[from] minijinja::Error),
}

/// What was found, the sentences with which a report opens: the answer, and the verdicts on claims where there are any.
pub(super) fn found(report: &Report) -> Vec<String> {
    let results = &report.results;
    let dose = Dose::of(results);
    let series = series::all(results, &dose);
    let plain: Vec<SplitFamily> = SplitFamily::all(results).into_iter().filter(|family| !family.targeted).collect();
    let answer = headline::sentences(results, &dose, &series, &plain.iter().collect::<Vec<_>>());
    let verdicts = claims::section(results, &report.claims).map(|(verdicts, _)| verdicts);
    // A sentence in a terminal may break anywhere.
    answer.into_iter().chain(verdicts).map(|sentence| readable(&sentence).replace('\u{a0}', " ")).collect()
}

/// The page, whole: style sheet and drawings are in it, and it asks for nothing else.
///
/// # Errors
/// [`ReportError::Empty`] where no run is finished.
pub fn render(report: &Report) -> Result<String, ReportError> {
    let results = &report.results;
    if results.runs().next().is_none() {
        return Err(ReportError::Empty);
    }
    let dose = Dose::of(results);
    let series = series::all(results, &dose);
    let families = SplitFamily::all(results);
    let (targeted, plain): (Vec<&SplitFamily>, Vec<&SplitFamily>) = families.iter().partition(|family| family.targeted);
    let all: Vec<&SplitFamily> = families.iter().collect();
    let (verdicts, claims) = claims::section(results, &report.claims).unzip();

    let mut page = Environment::new();
    page.set_syntax(SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build()?);
    page.add_template("page.html", include_str!("page.html"))?;
    page.add_template("parts.html", include_str!("parts.html"))?;
    page.add_template("dials.html", crate::forecast::SECTIONS)?;
    page.add_template("head.html", include_str!("head.html"))?;
    page.add_template("page.css", include_str!("page.css"))?;
    page.add_template("page.js", include_str!("page.js"))?;
    let opening = response::opening(results, &dose, &series, &plain);
    let levelled = opening.as_ref().is_some_and(|(_, gallery)| gallery.has_level());
    let response = response::components(results, &dose, &series, &plain);
    let content = Page {
        title: &results.title,
        question: &results.question,
        facts: facts(results, &dose),
        missing: missing(results),
        answer: headline::sentences(results, &dose, &series, &plain).iter().map(|said| readable(said)).collect(),
        notes: [inoculation::note(results), narrow::note(results)],
        obeyed: obeyed(results),
        glance: headline::table(results, &dose, &series, &plain),
        names: response::names(&plain),
        opening,
        how_to_read: response::how_to_read(&dose, &series, levelled),
        controlled: response.has_level(),
        rates: elsewhere::rates(results),
        along: training::how_to_read(&dose),
        response,
        targeted: targeted.first().map(|family| response::targeted(results, &dose, &series, family)),
        effect: effect::components(results, &dose, &series, &plain),
        training: training::components(results, &dose, &series, &plain),
        cells: cells::table(results, &dose, &series),
        inoculation: inoculation::table(results),
        drawn: drawn::table(results),
        leak: leak::table(results),
        validation: validation::table(results),
        verdicts,
        claims,
        quick: quick(results),
        elsewhere: elsewhere::section(results),
        targets: guards::targets(results),
        pareto: guards::pareto(results),
        guard_work: guards::work(results),
        warnings: warnings::gallery(results),
        forecast: forecast::table(results, report.forecast.as_ref()),
        dials: forecast::dials(results, report.forecast.as_ref()),
        ledger: ledger::gallery(results),
        ledger_errors: ledger::errors(results),
        other_replies: health::other_replies(results, &all),
        steps: health::training(results, &dose, &series),
        reproduce: reproduce::section(results),
        dose: &dose.label,
    };
    Ok(page.get_template("page.html")?.render(Serde(&content))?)
}

/// A sentence in which nothing turns its words round, whatever names stand in it; names that go from right to left stay apart.
fn readable(sentence: &str) -> String {
    sentence.replace(|letter: char| matches!(letter, '\u{202a}'..='\u{202e}' | '\u{2066}' | '\u{2067}'), "")
}

/// What a quick cut left out; `None` where it is none, or left out nothing.
fn quick(results: &SweepResults) -> Option<String> {
    results.quick.then_some(())?;
    let left_out = match results.read_spec() {
        Ok(spec) => spec.left_out_by_a_cut(results.seeds.len()),
        Err(_) => vec!["fewer seeds", "smaller probes"],
    };
    (!left_out.is_empty()).then(|| left_out.join(" and "))
}

/// What the sweep consists of, as counts with their nouns.
fn facts(results: &SweepResults, dose: &Dose) -> Vec<String> {
    // Arms that train the same rows share a run.
    let done = results.runs().map(|run| &run.plan_hash).collect::<BTreeSet<_>>().len();
    let runs = done + results.missing().len();
    let mut facts = vec![counted(results.arms.len(), "arm"), counted(results.seeds.len(), "seed")];
    facts.push(if done == runs { counted(runs, "run") } else { format!("{done} of {}", counted(runs, "run")) });
    // What somebody else measured has no items that are titer's, but numbers.
    let (given, measured): (Vec<_>, Vec<_>) =
        results.untrained().iter().partition(|run| run.origin().is_some_and(|origin| !origin.measured));
    if !measured.is_empty() {
        facts.push(counted(results.untrained().items(), "probe item"));
    }
    if !given.is_empty() {
        facts.push(counted(results.runs().map(RunResults::outcomes).sum(), "outcome"));
    }
    if matches!(dose.values.as_slice(), [Setting::Number(_), _, ..]) {
        facts.push(counted(dose.values.len(), "dose"));
    }
    facts
}

/// Which harmless instruction obedience is measured on, where the user's own rows gave the contrasts; else empty.
fn obeyed(results: &SweepResults) -> String {
    let spec = results.read_spec().ok();
    let gives_contrasts = spec.and_then(|spec| spec.data).is_some_and(|data| data.probes.is_none());
    if !gives_contrasts || results.runs().next().is_none() {
        return String::new();
    }
    let is_measured = results.splits().iter().any(|split| split.component == Component::Obey);
    if !is_measured {
        return "Obeying harmless instructions is not measured: the rows give no contrasts of it, and the spec names none (`probes` under [data])."
            .to_owned();
    }
    // Older plans hold no such number: rows gave no contrasts of their own then.
    let data = results.plan.parse::<toml::Table>().ok().and_then(|plan| plan.get("data").cloned());
    if data.and_then(|data| data.get("numerics").cloned()).is_some() {
        return "Obeying harmless instructions is measured on those of the rows that are held out (`instruction→good`).".to_owned();
    }
    format!(
        "Obeying harmless instructions is measured on one: “{HARMLESS}” The spec names no contrasts of its own (`probes` under [data])."
    )
}

/// The unfinished runs, as arm and seed.
fn missing(results: &SweepResults) -> Vec<(String, u64)> {
    results.missing().iter().map(|(arm, seed)| ((*arm).to_owned(), *seed)).collect()
}
