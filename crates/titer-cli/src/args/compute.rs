//! In which numbers a model is computed, and where.

use std::path::PathBuf;

use titer::spec::{Compute, DeviceName};
use titer_engine::device::prefer_torch;

use super::view::ViewArgs;

/// In which numbers a model is computed, and where; a spec says the same under [model].
#[derive(Debug, clap::Args)]
pub(crate) struct ComputeArgs {
    /// Multiply frozen weights that their file holds as bf16 in bf16, with activations rounded to it (bf16), or all in f32
    /// [default: f32, or what the spec says]
    #[arg(long, value_name = "TYPE")]
    pub compute: Option<Compute>,
    /// Where: cpu, cuda (any GPU), cuda:1 (the second one), mps (Apple), torch-cpu; all but cpu by the PyTorch that you have, see
    /// `titer devices` [default: cpu, or what the spec says]
    #[arg(long, value_name = "DEVICE")]
    pub device: Option<DeviceName>,
    #[command(flatten)]
    pub torch: TorchArgs,
}

/// Which PyTorch.
#[derive(Debug, clap::Args)]
pub(crate) struct TorchArgs {
    /// The folder of the PyTorch to use, or of an environment that has it [default: TITER_TORCH, else that of the active
    /// environment, else that of python3 on the path]
    #[arg(long, value_name = "DIR")]
    pub torch: Option<PathBuf>,
}

impl TorchArgs {
    /// The one that is named is the one to be opened from now on; without one, it is looked for.
    pub(crate) fn prefer(&self) {
        prefer_torch(self.torch.as_deref());
    }
}

#[derive(Debug, clap::Args)]
pub(crate) struct DevicesArgs {
    #[command(flatten)]
    pub torch: TorchArgs,
    /// Print JSON, one object a device
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub view: ViewArgs,
}

/// What was asked for.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct AskedComputation {
    pub(crate) compute: Option<Compute>,
    pub(crate) device: Option<DeviceName>,
}

impl AskedComputation {
    /// Numbers and device where no spec says otherwise.
    pub(crate) fn or_default(self) -> (Compute, DeviceName) {
        (self.compute.unwrap_or_default(), self.device.unwrap_or_default())
    }
}

impl ComputeArgs {
    /// What is asked for; sees to it that the torch that is named is the one to be opened.
    pub(crate) fn asked(&self) -> AskedComputation {
        self.torch.prefer();
        AskedComputation { compute: self.compute, device: self.device }
    }
}
