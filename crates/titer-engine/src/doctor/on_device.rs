//! What a device changes and what it gains, beside the processor in f32.

use titer_model::backend::Device;

use super::{Check, products::scored};
use crate::{model::Model, rows::PackedRows};

/// How far a token's log-probability may be off on average where all is f32, nats.
const ROUNDING: f64 = 1e-3;

/// The same where activations are bf16.
const BF16: f64 = 0.05;

/// How far log-probabilities are from those of the processor in f32, and how many tokens a second are scored; `None` where the model is
/// on the processor.
pub(super) fn on_device(model: &Model, in_f32: &Model, rows: &PackedRows) -> Option<Check> {
    let device: &Device = model.decoder.backend();
    let torch = device.as_torch()?;
    let (exact, exact_time) = scored(in_f32, rows);
    let (found, time) = scored(model, rows);
    let off = exact.iter().zip(&found).map(|(a, b)| f64::from(a - b).abs());
    let mean = off.sum::<f64>() / exact.len().max(1) as f64;
    let bf16 = torch.activations() == "bf16";
    let allowed = if bf16 { BF16 } else { ROUNDING };
    let tokens = rows.iter().map(|row| row.encoded.tokens.len()).sum::<usize>() as f64;
    let finding = format!(
        "{} (PyTorch {}, activations in {}) moves the log-probability of a token by {mean:.1e} nats on average; {:.0} tokens a second are \
         scored, {:.0} on the processor",
        torch.device(),
        torch.version(),
        torch.activations(),
        tokens / time.as_secs_f64(),
        tokens / exact_time.as_secs_f64()
    );
    let check = if mean <= allowed {
        Check::pass("numbers of the device", finding)
    } else {
        let remedy =
            if bf16 { "leave out `compute = \"bf16\"`" } else { "use another version of PyTorch, or the processor" };
        let finding = format!("{finding}; {allowed} nats would be rounding");
        Check::fail("numbers of the device", finding, remedy)
    };
    Some(check.with_number(mean))
}
