//! What can go wrong with torch.

use std::path::PathBuf;

use thiserror::Error;

use super::TorchDevice;

/// What can go wrong with torch.
#[derive(Debug, Error)]
pub enum TorchError {
    /// Its library cannot be opened.
    #[error("{} cannot be opened: {problem}; name the folder of another torch with --torch", file.display())]
    Open {
        /// The library.
        file: PathBuf,
        /// What the loader says.
        problem: String,
    },
    /// It cannot be called from outside of Python.
    #[error("the torch in {} is older than 2.11, the first that titer can call; upgrade it, or name another with --torch", folder.display())]
    TooOld {
        /// Where it lies.
        folder: PathBuf,
    },
    /// It was built without this kind of device.
    #[error("torch {version} in {} has no {device}: {problem}; install a torch that has it, or leave out --device", folder.display())]
    NoSuchKind {
        /// Its version.
        version: String,
        /// Where it lies.
        folder: PathBuf,
        /// The device that was asked for.
        device: TorchDevice,
        /// Why not.
        problem: String,
    },
    /// The device does not answer.
    #[error("{device} cannot be used: {problem}; `titer devices` lists what can")]
    NoDevice {
        /// The device that was asked for.
        device: TorchDevice,
        /// What torch says.
        problem: String,
    },
    /// An operation gives other numbers than it should.
    #[error(
        "torch {version} on {device} computes `{operation}` wrong: off by {error:.1e} where {allowed:.0e} is rounding; use another version of \
         torch, or compute without --device"
    )]
    Wrong {
        /// Its version.
        version: String,
        /// The device.
        device: TorchDevice,
        /// Which operation.
        operation: &'static str,
        /// How far off it is, relative to the largest number.
        error: f64,
        /// How far it may be.
        allowed: f64,
    },
    /// An operation failed while it ran.
    #[error("{}", failed(operation, problem))]
    Failed {
        /// Which operation.
        operation: String,
        /// What torch says.
        problem: String,
    },
}

/// A failure in words; the usual one is that memory ran out.
fn failed(operation: &str, problem: &str) -> String {
    let first = problem.lines().next().unwrap_or_default();
    if ["out of memory", "allocate memory"].iter().any(|words| problem.contains(words)) {
        format!(
            "the device's memory ran out in `{operation}` ({first}); use smaller batches or shorter rows, `compute = \"bf16\"`, adapters \
             (`lora`), or a device with more"
        )
    } else if problem.contains("CUDA error") {
        // Reported by whichever operation came next, so that one says nothing.
        format!("the GPU or its driver gave up ({first}); look at `nvidia-smi`, and begin again once it answers")
    } else {
        format!("torch failed in `{operation}`: {first}")
    }
}

impl TorchError {
    /// Ends the work on this thread with this error. Operations of a backend return nothing that could hold it; whoever began the work
    /// catches it, see [`TorchError::caught`].
    pub(super) fn throw(self) -> ! {
        std::panic::resume_unwind(Box::new(self))
    }

    /// Does the work, and returns the error that ended it, if one did. Other panics go on.
    ///
    /// # Errors
    /// Where an operation of torch's failed, such as for want of memory.
    pub fn caught<R>(work: impl FnOnce() -> R) -> Result<R, Self> {
        std::panic::catch_unwind(std::panic::AssertUnwindSafe(work)).or_else(|payload| {
            match payload.downcast::<Self>() {
                Ok(error) => Err(*error),
                Err(payload) => std::panic::resume_unwind(payload),
            }
        })
    }
}
