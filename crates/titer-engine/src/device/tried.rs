//! A device is tried before it is trusted: every operation beside the processor's in f64, once for each card and build of torch.

use std::path::PathBuf;

use titer::{environment::cache_folder, store::Holder};
use titer_model::backend::{Heads, KernelUse, Operation, Torch, TorchError, Trial, error_of};

/// How far numbers may be off, relative to the largest of a result: f32, and with activations in bf16.
const ALLOWED: [f64; 2] = [1e-3, 5e-2];

/// What is remembered of a torch that passed.
const PASSED: &str =
    "every operation, with attention and norms in one kernel each, was tried beside the processor's in f64\n";

/// A device that can be trusted.
#[derive(Debug)]
pub(super) struct Tried {
    /// With all kernels, or without those that are wrong.
    pub(super) torch: Torch<f32>,
    /// What is wrong with the others, in a sentence, where something is.
    pub(super) without: Option<String>,
}

/// Tries every operation on a few rows of unlike lengths, and remembers a torch that passed. Where kernels for attention and norms fail or
/// are off, as few of them are left out as can be, and the same is put together from smaller operations.
///
/// # Errors
/// The first operation that is off, or that fails.
pub(super) fn tried(torch: &Torch<f32>) -> Result<Tried, TorchError> {
    let mark = mark(torch);
    let known = mark.as_ref().and_then(|mark| fs_err::read_to_string(mark).ok());
    if let Some(tried) = known.and_then(|known| remembered(torch, &known)) {
        return Ok(tried);
    }
    let tried = settled(torch, conforms)?;
    // Where it cannot be remembered it is tried again, which takes a second.
    if let Some(mark) = mark {
        let without = |problem: &String| format!("{}: {problem}\n", tried.torch.kernels().words());
        let said = tried.without.as_ref().map_or_else(|| PASSED.to_owned(), without);
        let _ = mark.parent().map(fs_err::create_dir_all);
        let _ = fs_err::write(mark, said);
    }
    Ok(tried)
}

/// What is remembered; `None` for what an earlier titer wrote, which tried less.
fn remembered(torch: &Torch<f32>, known: &str) -> Option<Tried> {
    if known == PASSED {
        return Some(Tried { torch: *torch, without: None });
    }
    let [_, less @ ..] = KernelUse::ALL;
    less.into_iter().find_map(|kernels| {
        let problem = known.strip_prefix(kernels.words())?.strip_prefix(": ")?.trim_end().to_owned();
        Some(Tried { torch: torch.with_kernels(kernels), without: Some(problem) })
    })
}

/// The torch with as many kernels as conform; what is wrong is what the first of the others said.
fn settled(torch: &Torch<f32>, conforms: impl Fn(&Torch<f32>) -> Result<(), TorchError>) -> Result<Tried, TorchError> {
    let mut without = None;
    for kernels in KernelUse::ALL {
        let torch = torch.with_kernels(kernels);
        match conforms(&torch) {
            Ok(()) => return Ok(Tried { torch, without }),
            Err(problem) if kernels == KernelUse::Without => return Err(problem),
            Err(problem) => drop(without.get_or_insert(problem.to_string())),
        }
    }
    unreachable!("the last ones were tried")
}

/// Whether every operation gives what the processor's gives in f64.
fn conforms(torch: &Torch<f32>) -> Result<(), TorchError> {
    let rows = Trial::of_rows(&[3, 17, 5]);
    // Kernels on GPUs work on blocks of 64 and more, and on heads whose widths are multiples of 8.
    let mut wide = Trial::of_rows(&[70, 9, 133]);
    wide.heads = Heads { queries: 4, keys: 2, width: 16, scale: 0.25, softcap: None };
    wide.width = 64;
    let kernels = [Operation::Norm, Operation::Attention, Operation::AttentionBackward];
    let all = Operation::ALL.map(|operation| (torch, operation, &rows, ALLOWED[0]));
    let in_f32 = kernels.map(|operation| (torch, operation, &wide, ALLOWED[0]));
    let short = torch.with_bf16();
    let in_bf16 = kernels.map(|operation| (&short, operation, &wide, ALLOWED[1]));
    for (torch, operation, trial, allowed) in all.into_iter().chain(in_f32).chain(in_bf16) {
        let off = TorchError::caught(|| error_of(torch, operation, trial))?;
        if off.is_nan() || off > allowed {
            let (version, device) = (torch.version(), torch.device());
            return Err(TorchError::Wrong { version, device, operation: operation.word(), error: off, allowed });
        }
    }
    Ok(())
}

/// Whether this torch has been tried on this device.
pub(super) fn is_tried(torch: &Torch<f32>) -> bool {
    let known = mark(torch).and_then(|mark| fs_err::read_to_string(mark).ok());
    known.is_some_and(|known| remembered(torch, &known).is_some())
}

/// The file that says that a torch was tried on a device by this titer. Another card may have the same name on another machine, or behind
/// `CUDA_VISIBLE_DEVICES`, and another build of torch the same version: each has a file of its own.
fn mark(torch: &Torch<f32>) -> Option<PathBuf> {
    let device = torch.device().to_string().replace([':', ' '], "-");
    let visible = std::env::var_os("CUDA_VISIBLE_DEVICES").unwrap_or_default();
    let told = [torch.identity(), Holder::here().host, visible.to_string_lossy().into_owned(), build()];
    let told = blake3::hash(told.join("\n").as_bytes()).to_hex();
    let name = format!("{}-torch-{}-{device}-{}", env!("CARGO_PKG_VERSION"), torch.version(), &told[..16]);
    Some(cache_folder()?.join("titer/devices").join(name))
}

/// What tells builds of torch apart: its version in words, and how long its libraries are and when they were written.
fn build() -> String {
    let Some(folder) = Torch::<f32>::folder() else { return String::new() };
    let files = fs_err::read_dir(folder).into_iter().flatten().flatten();
    let is_torch = |name: &str| ["torch", "c10"].iter().any(|part| name.contains(part));
    let of = |file: fs_err::DirEntry| {
        let name = file.file_name().into_string().ok().filter(|name| is_torch(name))?;
        let about = fs_err::metadata(file.path()).ok()?;
        Some(format!("{name} {} {:?}", about.len(), about.modified().ok()))
    };
    let mut files: Vec<String> = files.filter_map(of).collect();
    files.sort();
    let version = folder.parent().and_then(|torch| fs_err::read_to_string(torch.join("version.py")).ok());
    format!("{}\n{}", files.join("\n"), version.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use titer_model::backend::TorchDevice;

    use super::*;

    #[test]
    fn kernels_that_are_wrong_are_left_out_and_it_is_remembered() {
        let Some(folder) = std::env::var_os("TITER_TORCH").map(PathBuf::from) else { return };
        let torch = Torch::<f32>::open(&folder, TorchDevice::Cpu).unwrap();
        let wrong = |operation| TorchError::Wrong {
            version: torch.version(),
            device: torch.device(),
            operation,
            error: 0.3,
            allowed: 1e-3,
        };
        for (at, right) in KernelUse::ALL.into_iter().enumerate().skip(1) {
            let wrong_before = |torch: &Torch<f32>| {
                let place = KernelUse::ALL.iter().position(|&kernels| kernels == torch.kernels()).unwrap();
                if place < at { Err(wrong("attention")) } else { conforms(torch) }
            };
            let tried = settled(&torch, wrong_before).unwrap();
            let problem = tried.without.unwrap();
            assert!(tried.torch.kernels() == right && problem.contains("computes `attention` wrong"), "{problem}");
            let again = remembered(&torch, &format!("{}: {problem}\n", right.words())).unwrap();
            assert!(again.torch.kernels() == right && again.without == Some(problem));
        }
        assert!(settled(&torch, |_| Err(wrong("look-ups"))).is_err());
        let whole = settled(&torch, conforms).unwrap();
        assert!(whole.torch.kernels() == KernelUse::Full && whole.without.is_none());
        assert!(remembered(&torch, PASSED).unwrap().torch.kernels() == KernelUse::Full);
        assert!(remembered(&torch, "every operation was tried beside the processor's in f64\n").is_none());
    }
}
