//! A device is tried before it is trusted: every operation beside the processor's in f64, once for each version of torch.

use std::path::PathBuf;

use titer_model::backend::{Operation, Torch, TorchError, Trial, error_of};

/// How far f32 numbers may be off, relative to the largest of a result.
const ALLOWED: f64 = 1e-3;

/// Tries every operation on a few rows of unlike lengths, and remembers a torch that passed.
///
/// # Errors
/// The first operation that is off, or that fails.
pub(super) fn tried(torch: &Torch<f32>) -> Result<(), TorchError> {
    let mark = mark(torch);
    if mark.as_ref().is_some_and(|mark| mark.exists()) {
        return Ok(());
    }
    let trial = Trial::of_rows(&[3, 17, 5]);
    for operation in Operation::ALL {
        let off = TorchError::caught(|| error_of(torch, operation, &trial))?;
        if off.is_nan() || off > ALLOWED {
            let (version, device) = (torch.version(), torch.device());
            return Err(TorchError::Wrong {
                version,
                device,
                operation: operation.word(),
                error: off,
                allowed: ALLOWED,
            });
        }
    }
    // Where it cannot be remembered it is tried again, which takes a second.
    if let Some(mark) = mark {
        let _ = mark.parent().map(fs_err::create_dir_all);
        let _ = fs_err::write(mark, "every operation was tried beside the processor's in f64\n");
    }
    Ok(())
}

/// Whether this torch has been tried on this device.
pub(super) fn is_tried(torch: &Torch<f32>) -> bool {
    mark(torch).is_some_and(|mark| mark.exists())
}

/// The file that says that a torch was tried on a device by this titer.
fn mark(torch: &Torch<f32>) -> Option<PathBuf> {
    let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let cache = cache.or_else(|| Some(std::env::home_dir()?.join(".cache")))?;
    let device = torch.device().to_string().replace([':', ' '], "-");
    Some(cache.join("titer/devices").join(format!("{}-torch-{}-{device}", env!("CARGO_PKG_VERSION"), torch.version())))
}
