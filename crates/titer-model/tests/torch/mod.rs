//! The torch that `TITER_TORCH` names, a folder such as `site-packages/torch/lib`: on the device that `TITER_DEVICE` names, else on the processor
//! and on GPUs that are not there.

mod pretended;

use std::{io::Write as _, path::PathBuf};

use titer_model::{
    backend::{Torch, TorchDevice},
    real::Real,
};

/// Its backends; none, and a line that says so, where no torch is named.
///
/// # Panics
/// Where it cannot be opened.
pub(crate) fn torches<T: Real>() -> Vec<Torch<T>> {
    let Some(folder) = std::env::var_os("TITER_TORCH").map(PathBuf::from) else {
        writeln!(
            std::io::stderr(),
            "skipped: TITER_TORCH names no folder of torch's libraries, so torch is not tested"
        )
        .expect("stderr is open");
        return Vec::new();
    };
    let open = |folder: &PathBuf, device| Torch::open(folder, device).unwrap_or_else(|error| panic!("{error}"));
    if let Ok(word) = std::env::var("TITER_DEVICE") {
        return vec![open(&folder, word.parse().unwrap())];
    }
    // The second one, which no function takes where it is not told to. A process has one torch, so both are of the one with pretended GPUs.
    match pretended::pretended_gpus() {
        Some(folder) => [TorchDevice::Cpu, TorchDevice::Cuda(1), TorchDevice::Mps]
            .iter()
            // Apple's has no f64.
            .filter(|&&device| device != TorchDevice::Mps || size_of::<T>() == 4)
            .map(|&device| open(&folder, device))
            .collect(),
        None => vec![open(&folder, TorchDevice::Cpu)],
    }
}
