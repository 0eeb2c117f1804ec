//! Opens a device for a model.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use titer::spec::{Compute, DeviceName};
use titer_machine::Bf16Instructions;
use titer_model::backend::{Cpu, Device, Torch, TorchDevice, TorchError};

use super::{
    DeviceError,
    find::{find, is_the_open_one},
    tried::tried,
};

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
    is_the_open_one()?;
    let mut open = OPEN.lock().unwrap_or_else(PoisonError::into_inner);
    let open = open.get_or_insert_default();
    let torch = match open.get(&device.to_string()) {
        Some(torch) => *torch,
        None => {
            let found = find().map_err(|tried| DeviceError::NoTorch { device: name.word().to_owned(), tried })?;
            let torch = Torch::open(&found.libraries, device)?;
            let torch = tried(&torch)?.torch;
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
        "device": torch.device().to_string(), "torch": torch.version(), "activations": torch.activations(), "kernels": torch.kernels().words(),
        "exact": "to rounding: the same run again may differ in the last digits"
    }))
}

/// Bytes of a device's memory in use, and all of them, where it says so.
pub(crate) fn memory(device: &Device) -> Option<(u64, u64)> {
    let (free, all) = device.as_torch()?.memory()?;
    Some(((all - free) as u64, all as u64))
}

/// How many runs are worth doing at once on a device: one on each GPU, where any of them is meant.
pub fn gpus(name: DeviceName) -> usize {
    match name {
        DeviceName::Cuda(None) => {
            let is_gpu = |device: &&super::ListedDevice| device.name.starts_with("cuda") && device.is_usable();
            super::devices().iter().filter(is_gpu).count().max(1)
        }
        _ => 1,
    }
}

/// Does the work; where an operation of a device's fails in it, such as for want of memory, that is the error.
///
/// # Errors
/// As said.
pub fn guarded<R>(work: impl FnOnce() -> R) -> Result<R, DeviceError> {
    Ok(TorchError::caught(work)?)
}
