//! The torch that `TITER_TORCH` names, a folder such as `site-packages/torch/lib`, on the device that `TITER_DEVICE` names, else the
//! processor.

use std::{io::Write as _, path::PathBuf};

use titer_model::{
    backend::{Torch, TorchDevice},
    real::Real,
};

/// Its backend; `None`, and a line that says so, where none is named.
pub(crate) fn torch<T: Real>() -> Option<Torch<T>> {
    let Some(folder) = std::env::var_os("TITER_TORCH").map(PathBuf::from) else {
        writeln!(
            std::io::stderr(),
            "skipped: TITER_TORCH names no folder of torch's libraries, so torch is not tested"
        )
        .expect("stderr is open");
        return None;
    };
    let device: TorchDevice = std::env::var("TITER_DEVICE").map_or(TorchDevice::Cpu, |word| word.parse().unwrap());
    Some(Torch::open(&folder, device).unwrap_or_else(|error| panic!("{error}")))
}
