//! What a device changes and what it gains, beside the processor in f32.

use titer::{
    stats::{Estimate, Support},
    words::counted,
};
use titer_model::backend::Device;

use super::{Check, products::scored};
use crate::{model::Model, rows::PackedRows};

/// How far a token's log-probability may be off on average where all is f32, nats.
const ROUNDING: f64 = 1e-3;

/// The same where activations are bf16.
const BF16: f64 = 0.05;

/// Tokens of replies from which on the bound in bf16 decides: rounding there is close to it, and a few tokens may lie above it by chance.
const ENOUGH: usize = 64;

/// How far log-probabilities are from those of the processor in f32, and how many tokens a second are scored; `None` where the model is
/// on the processor.
pub(super) fn on_device(model: &Model, in_f32: &Model, rows: &PackedRows) -> Option<Check> {
    let device: &Device = model.decoder.backend();
    let torch = device.as_torch()?;
    let (exact, exact_time) = scored(in_f32, rows);
    let (found, time) = scored(model, rows);
    let off: Vec<f64> = exact.iter().zip(&found).map(|(a, b)| f64::from(a - b).abs()).collect();
    let bf16 = torch.activations() == "bf16";
    let tokens = rows.iter().map(|row| row.encoded.tokens.len()).sum::<usize>() as f64;
    let rounded = if bf16 && model.is_rounded_by_bf16() {
        "; its weights are rounded to bf16 as well, which their file does not hold them as"
    } else {
        ""
    };
    let about =
        format!("{} (PyTorch {}, activations in {}{rounded})", torch.device(), torch.version(), torch.activations());
    let rates = format!(
        "{:.0} tokens a second are scored, {:.0} on the processor",
        tokens / time.as_secs_f64(),
        tokens / exact_time.as_secs_f64()
    );
    Some(judged(&off, bf16, &about, &rates))
}

/// Whether tokens that are so far off, in nats, are no more than rounded.
fn judged(off: &[f64], bf16: bool, about: &str, rates: &str) -> Check {
    const NAME: &str = "numbers of the device";
    let mean = off.iter().sum::<f64>() / off.len().max(1) as f64;
    let allowed = if bf16 { BF16 } else { ROUNDING };
    let estimate = Estimate::over_items(off, Support::Line).filter(|estimate| bf16 && estimate.has_interval());
    let (low, interval) = match &estimate {
        Some(estimate) => (estimate.low, format!(" ({:.1e} to {:.1e})", estimate.low.max(0.0), estimate.high)),
        None => (mean, String::new()),
    };
    let moves = format!(
        "{about} moves the log-probability of a token by {mean:.1e} nats on average{interval}, {}; {rates}",
        counted(off.len(), "token")
    );
    let beyond = format!("{moves}; {allowed} nats would be rounding");
    // Not a number is beyond every bound.
    let is_more = low.is_nan() || low > allowed;
    let check = if bf16 && off.len() < ENOUGH && mean.is_finite() {
        let few = format!("{beyond}, and {ENOUGH} tokens of replies tell");
        Check::note(NAME, few, "give chats with more replies, or more of them with --items")
    } else if is_more {
        let remedy =
            if bf16 { "leave out `compute = \"bf16\"`" } else { "use another version of PyTorch, or the processor" };
        Check::fail(NAME, beyond, remedy)
    } else if mean > allowed {
        Check::note(NAME, beyond, "it may be chance: give more chats, or more of them with --items")
    } else {
        Check::pass(NAME, moves)
    };
    check.with_number(mean)
}

#[cfg(test)]
mod tests {
    use super::{super::CheckOutcome, BF16, ENOUGH, ROUNDING, judged};

    #[test]
    fn few_tokens_decide_nothing_in_bf16_and_a_mean_is_judged_with_its_error() {
        let outcome = |off: &[f64], bf16: bool| judged(off, bf16, "cuda:0", "so many a second").verdict;
        let wide = |mean: f64, count: usize| -> Vec<f64> {
            (0..count).map(|at| mean * if at % 8 == 0 { 7.5 } else { 0.5 / 7.0 }).collect()
        };
        // As many tokens as titer's own three chats have, which healthy models round by more than the bound.
        assert_eq!(outcome(&wide(1.6 * BF16, 17), true), CheckOutcome::Note);
        assert_eq!(outcome(&wide(0.5 * BF16, ENOUGH), true), CheckOutcome::Pass);
        assert_eq!(outcome(&wide(1.2 * BF16, ENOUGH), true), CheckOutcome::Note, "within the error of the mean");
        assert_eq!(outcome(&wide(1.2 * BF16, 100 * ENOUGH), true), CheckOutcome::Fail);
        assert_eq!(outcome(&vec![2.0 * BF16; ENOUGH], true), CheckOutcome::Fail);
        // In f32 rounding is far below the bound, and one token tells.
        assert_eq!(outcome(&[2.0 * ROUNDING], false), CheckOutcome::Fail);
        assert_eq!(outcome(&[0.1 * ROUNDING], false), CheckOutcome::Pass);
        for bf16 in [true, false] {
            assert_eq!(outcome(&[f64::NAN], bf16), CheckOutcome::Fail);
        }
    }
}
