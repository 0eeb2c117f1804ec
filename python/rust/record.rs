//! What a loop of one's own measured, as the folder of a sweep.

use std::path::{Path, PathBuf};

use pyo3::prelude::*;
use serde_json::{Map, Value};
use titer::{
    claim,
    plan::SweepPlan,
    recorded::{RecordedTables, record as write},
    spec::Spec,
    table::{Column, Record, Values, encode, parse},
};

use crate::{call::has_threads, error};

/// More steps than any run has.
const MANY_STEPS: usize = 1 << 40;

/// Whether a spec as TOML makes sense as that of a run that is yet to be made, and its claims too, whichever steps they name.
#[pyfunction]
pub fn check_record(spec: &str) -> PyResult<()> {
    let mut spec = Spec::parse(spec, Path::new("spec.toml")).map_err(error::input)?;
    let mut plan = SweepPlan::resolve(&spec).map_err(error::input)?;
    // What is trained is not known yet, so the one arm may look like a control; nor how many steps there will be.
    spec.claims.iter_mut().for_each(|claim| claim.arms = claim.arms.take().or(Some("all".into())));
    plan.arms.iter_mut().flat_map(|arm| &mut arm.stages).for_each(|stage| stage.steps = MANY_STEPS);
    claim::resolve(&spec, &plan).map(drop).map_err(error::input)
}

/// Writes the folder of a sweep with one run: a spec as TOML, a hash of model, rows and contrasts, and the lines of tables by name, as JSON.
#[pyfunction]
pub fn record(py: Python<'_>, folder: PathBuf, spec: &str, hash: &str, tables: &str) -> PyResult<()> {
    has_threads()?;
    py.detach(|| {
        let spec = Spec::parse(spec, Path::new("spec.toml")).map_err(error::input)?;
        let tables: Map<String, Value> = serde_json::from_str(tables).map_err(error::input)?;
        let tables = RecordedTables {
            probes: records(&tables)?,
            cells: records(&tables)?,
            steps: records(&tables)?,
            pressures: records(&tables)?,
            ledger: records(&tables)?,
        };
        write(&folder, &spec, hash, hash, &tables).map_err(error::input)
    })
}

/// The lines of a record's table. A number that there is none of is not a number.
fn records<R: Record>(tables: &Map<String, Value>) -> PyResult<Vec<R>> {
    let name = R::FILE.trim_end_matches(".parquet");
    let none = Vec::new();
    let lines = tables.get(name).and_then(Value::as_array).unwrap_or(&none);
    let values = |field: &'static str| lines.iter().map(move |line| &line[field]);
    let columns = R::FIELDS.iter().zip(R::values(&[])).map(|(field, kind)| {
        let of = values(field.name);
        let values = match kind {
            Values::Number(_) => Values::Number(of.map(|value| value.as_f64().unwrap_or(f64::NAN)).collect()),
            Values::Whole(_) => Values::Whole(of.map(|value| value.as_i64().unwrap_or_default()).collect()),
            Values::Text(_) => Values::Text(of.map(|value| value.as_str().unwrap_or_default().to_owned()).collect()),
            Values::Flag(_) => Values::Flag(of.map(|value| value.as_bool().unwrap_or_default()).collect()),
            Values::NumberIfAny(_) => Values::NumberIfAny(of.map(Value::as_f64).collect()),
            Values::TextIfAny(_) => Values::TextIfAny(of.map(|value| value.as_str().map(str::to_owned)).collect()),
        };
        Column::of(field, values)
    });
    let bytes = encode(name, R::SCHEMA, columns.collect()).map_err(error::input)?;
    parse(Path::new(R::FILE), bytes.into()).map_err(error::input)
}
