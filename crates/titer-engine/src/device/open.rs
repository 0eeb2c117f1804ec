//! Opens a device for a model.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use titer::spec::{Compute, DeviceName};
use titer_machine::Bf16Instructions;
use titer_model::backend::{Cpu, Device, Torch, TorchDevice, TorchError};

use super::{DeviceError, find::find, tried::tried};

/// What is open in this process.
static OPEN: Mutex<Option<HashMap<String, Torch<f32>>>> = Mutex::new(None);

/// Torch's name of a device.
pub(super) fn torch_device(name: DeviceName) -> Option<TorchDevice> {
    match name {
        DeviceName::Cpu => None,
        DeviceName::TorchCpu => Some(TorchDevice::Cpu),
        DeviceName::Cuda(index) => Some(TorchDevice::Cuda(index.unwrap_or(0))),
        DeviceName::Mps => Some(TorchDevice::Mps),
    }
}

/// The device of this name, computing in these numbers; on the processor by itself, bf16 is the caller's to allow.
///
/// # Errors
/// Where there is no torch, or it has no such device, or the device computes wrong.
pub(crate) fn open(name: DeviceName, compute: Compute) -> Result<Device, DeviceError> {
    let Some(device) = torch_device(name) else {
        let cpu = Cpu::new();
        let instructions = Bf16Instructions::detected().filter(|_| !compute.is_f32());
        return Ok(Device::cpu(instructions.map_or(cpu, |instructions| cpu.with_bf16(instructions))));
    };
    let mut open = OPEN.lock().unwrap_or_else(PoisonError::into_inner);
    let open = open.get_or_insert_default();
    let torch = match open.get(&device.to_string()) {
        Some(torch) => *torch,
        None => {
            let found = find().map_err(|tried| DeviceError::NoTorch { device: name.word().to_owned(), tried })?;
            let torch = Torch::open(&found.libraries, device)?;
            tried(&torch)?;
            open.insert(device.to_string(), torch);
            torch
        }
    };
    Ok(Device::torch(if compute.is_f32() { torch } else { torch.with_bf16() }))
}

/// Whether a device can be used here, before runs are begun on it.
///
/// # Errors
/// Where it cannot, and why.
pub fn available(name: DeviceName, compute: Compute) -> Result<(), DeviceError> {
    open(name, compute).map(drop)
}

/// What computes, for a run's events: device, version, number type; `None` for the processor by itself, whose instruction set is known
/// from elsewhere.
pub(crate) fn described(device: &Device) -> Option<serde_json::Value> {
    let torch = device.as_torch()?;
    Some(serde_json::json!({
        "device": torch.device().to_string(), "torch": torch.version(), "activations": torch.activations(),
        "exact": "to rounding: the same run again may differ in the last digits"
    }))
}

/// How many runs are worth doing at once on a device: one on each GPU, where any of them is meant.
pub fn gpus(name: DeviceName) -> usize {
    match name {
        DeviceName::Cuda(None) => {
            super::devices().iter().filter(|device| device.name.starts_with("cuda")).count().max(1)
        }
        _ => 1,
    }
}

/// How many runs are under way on each GPU.
static UNDER_WAY: Mutex<Vec<usize>> = Mutex::new(Vec::new());

/// A run's stay on a device: of several GPUs that are as good, the one with the fewest runs.
#[derive(Debug)]
pub(crate) struct Stay {
    pub(crate) device: DeviceName,
    /// The GPU that it was counted on, where one was chosen.
    chosen: Option<usize>,
}

impl Stay {
    /// Begins a stay on a device; it ends when this is dropped.
    pub(crate) fn on(device: DeviceName) -> Self {
        let DeviceName::Cuda(None) = device else { return Self { device, chosen: None } };
        let mut under_way = UNDER_WAY.lock().unwrap_or_else(PoisonError::into_inner);
        if under_way.is_empty() {
            under_way.resize(gpus(device), 0);
        }
        let freest = (0..under_way.len()).min_by_key(|&index| under_way[index]).unwrap_or(0);
        under_way[freest] += 1;
        Self { device: DeviceName::Cuda(Some(freest)), chosen: Some(freest) }
    }
}

impl Drop for Stay {
    fn drop(&mut self) {
        if let Some(index) = self.chosen {
            UNDER_WAY.lock().unwrap_or_else(PoisonError::into_inner)[index] -= 1;
        }
    }
}

/// Does the work; where an operation of a device's fails in it, such as for want of memory, that is the error.
///
/// # Errors
/// As said.
pub fn guarded<R>(work: impl FnOnce() -> R) -> Result<R, DeviceError> {
    Ok(TorchError::caught(work)?)
}
