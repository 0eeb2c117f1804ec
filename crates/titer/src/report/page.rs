//! Setting the sections on a page.

use std::{collections::BTreeSet, io};

use minijinja::{Environment, syntax::SyntaxConfig, value::Serde};
use serde::Serialize;

use super::{
    data::{Data, Setting},
    family::Family,
    format::count,
    sections::{
        cells, claims, effect, forecast, guards, headline, health, inoculation, leak, ledger, reproduce,
        reproduce::Reproduce, response, training, validation, warnings,
    },
    series::{self, Dose},
    view::{Gallery, HeatTable, Table},
};
use crate::{spec::SpecError, store::StoreError, table::TableError};

/// What the template is given.
#[derive(Serialize)]
struct Page<'a> {
    title: &'a str,
    question: &'a str,
    facts: Vec<String>,
    missing: Vec<String>,
    answer: String,
    glance: Table,
    dose: &'a str,
    response: Gallery,
    targeted: Option<Gallery>,
    effect: Option<Gallery>,
    training: Option<Gallery>,
    cells: Option<HeatTable>,
    inoculation: Option<Table>,
    leak: Option<HeatTable>,
    validation: Option<Table>,
    verdicts: Option<String>,
    claims: Option<Table>,
    quick: bool,
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
    /// The folder holds no sweep that can be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A table of a finished run cannot be read.
    #[error(transparent)]
    Table(#[from] TableError),
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

/// The page, whole: style sheet and drawings are in it, and it asks for nothing else.
///
/// # Errors
/// [`ReportError::Empty`] where no run is finished.
pub fn render(data: &Data) -> Result<String, ReportError> {
    if data.runs().next().is_none() {
        return Err(ReportError::Empty);
    }
    let dose = Dose::of(data);
    let series = series::all(data, &dose);
    let families = Family::all(data);
    let (targeted, plain): (Vec<&Family>, Vec<&Family>) = families.iter().partition(|family| family.targeted);
    let all: Vec<&Family> = families.iter().collect();
    let (verdicts, claims) = claims::section(data).unzip();

    let mut page = Environment::new();
    page.set_syntax(SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build()?);
    page.add_template("page.html", include_str!("page.html"))?;
    page.add_template("parts.html", include_str!("parts.html"))?;
    page.add_template("dials.html", crate::forecast::SECTIONS)?;
    page.add_template("page.css", include_str!("page.css"))?;
    let content = Page {
        title: &data.title,
        question: &data.question,
        facts: facts(data, &dose),
        missing: missing(data),
        answer: headline::sentence(data, &dose, &series, &plain) + &inoculation::note(data),
        glance: headline::table(data, &dose, &series, &plain),
        response: response::components(data, &dose, &series, &plain),
        targeted: targeted.first().map(|family| response::targeted(data, &dose, &series, family)),
        effect: effect::components(data, &dose, &series, &plain),
        training: training::components(data, &dose, &series, &plain),
        cells: cells::table(data, &dose, &series),
        inoculation: inoculation::table(data),
        leak: leak::table(data),
        validation: validation::table(data),
        verdicts,
        claims,
        quick: data.quick,
        targets: guards::targets(data),
        pareto: guards::pareto(data),
        guard_work: guards::work(data),
        warnings: warnings::gallery(data),
        forecast: forecast::table(data),
        dials: forecast::dials(data),
        ledger: ledger::gallery(data),
        ledger_errors: ledger::errors(data),
        other_replies: health::other_replies(data, &all),
        steps: health::training(data, &dose, &series),
        reproduce: reproduce::section(data),
        dose: &dose.label,
    };
    Ok(page.get_template("page.html")?.render(Serde(&content))?)
}

/// What the sweep consists of, as counts with their nouns.
fn facts(data: &Data, dose: &Dose) -> Vec<String> {
    // Arms that train the same rows share a run.
    let done = data.runs().map(|run| &run.plan_hash).collect::<BTreeSet<_>>().len();
    let runs = done + data.missing().len();
    let mut facts = vec![count(data.arms.len(), "arm"), count(data.seeds.len(), "seed")];
    facts.push(if done == runs { count(runs, "run") } else { format!("{done} of {}", count(runs, "run")) });
    facts.push(count(data.untrained().items(), "probe item"));
    if matches!(dose.values.as_slice(), [Setting::Number(_), _, ..]) {
        facts.push(count(dose.values.len(), "dose"));
    }
    facts
}

/// The unfinished runs, as arm and seed.
fn missing(data: &Data) -> Vec<String> {
    data.missing().iter().map(|(arm, seed)| format!("{arm}, seed {seed}")).collect()
}
