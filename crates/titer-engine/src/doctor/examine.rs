//! All checks, in the order in which a wrong one spoils the next.

use titer::spec::{Compute, DeviceName};
use titer_data::{chat::Row, source::Source};

use super::{
    Check, DoctorError,
    date::date,
    margins::margins,
    numbers::{batching, better_than_chance, finite, precision},
    on_device::on_device,
    products::products,
    rendering::{reply_start, round_trip},
    stop_token::stop_token,
    system_prompts::{default_prompt, prompts_differ, system_prompts},
};
use crate::{
    model::{Files, Model},
    rows::PackedRows,
};

/// Measures every assumption on at most `items` of `rows`, and prompt following on contrasts where there is a source of
/// them.
///
/// # Errors
/// Where there is no row, or the model cannot be read in f64. Rows and contrasts that cannot be encoded are findings.
pub fn examine(
    files: &Files,
    model: &Model,
    rows: &[Row],
    source: Option<&Source>,
    seed: u64,
    items: usize,
) -> Result<Vec<Check>, DoctorError> {
    let rows = &rows[..rows.len().min(items)];
    if rows.is_empty() {
        return Err(DoctorError::NoRows);
    }
    let mut checks = vec![system_prompts(model, rows), default_prompt(model, rows)];
    checks.extend(date(model));
    checks.extend(prompts_differ(model, rows));
    match PackedRows::encode(model, rows) {
        Err(error) => checks.push(Check::fail(
            "template round trip",
            format!("a row cannot be encoded: {error}"),
            "mend the row or the template as it says; the checks of rows were left out",
        )),
        Ok(encoded) => {
            checks.push(round_trip(model, rows, &encoded));
            checks.push(reply_start(model, rows));
            checks.push(stop_token(files, model, &encoded));
            let log_probs = encoded.log_probs(model);
            checks.push(finite(&encoded, &log_probs));
            // Whatever the model is asked to compute in: what rounding to bf16 does has checks of its own.
            checks.push(batching(&model.in_f32(), &encoded));
            let in_f32 = model.clone().computing(Compute::F32, DeviceName::Cpu)?;
            checks.push(precision(files, &encoded, &encoded.log_probs(&in_f32))?);
            checks.extend(products(&in_f32, &encoded));
            checks.extend(on_device(model, &in_f32, &encoded));
            checks.push(better_than_chance(model, &encoded, &log_probs));
        }
    }
    checks.extend(source.into_iter().flat_map(|source| margins(model, source, seed, items)));
    Ok(checks)
}
