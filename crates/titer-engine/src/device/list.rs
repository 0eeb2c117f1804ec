//! Which devices there are.

use titer_model::backend::{Torch, TorchDevice, TorchError};

use super::{
    find::{find, is_the_open_one},
    tried::{is_tried, tried},
};

/// A device, and what is known of it.
#[derive(Clone, Debug, serde::Serialize)]
pub struct ListedDevice {
    /// What `--device` calls it.
    pub name: String,
    /// What computes there.
    pub by: String,
    /// Bytes of memory: free.
    pub free: Option<usize>,
    /// Bytes of memory: all.
    pub memory: Option<usize>,
    /// Whether every operation was tried there and can be trusted.
    pub tried: &'static str,
    /// What is wrong with it, in a sentence, where something is.
    pub problem: Option<String>,
}

/// Said of what cannot be used.
const NO: &str = "no";

impl ListedDevice {
    /// Whether titer computes on it.
    pub(super) fn is_usable(&self) -> bool {
        self.tried != NO
    }

    fn unusable(name: String, by: String, problem: String) -> Self {
        Self { name, by, free: None, memory: None, tried: NO, problem: Some(problem) }
    }

    /// One that answers, tried if it was not.
    fn opened(name: String, by: String, torch: &Torch<f32>) -> Self {
        let (known, memory) = (is_tried(torch), torch.memory());
        let (tried, problem) = match tried(torch) {
            Ok(tried) => {
                let words = tried.torch.kernels().words();
                let problem = tried.without.map(|problem| format!("{words}: {problem}"));
                let tried = match (&problem, known) {
                    (None, true) => "yes",
                    (None, false) => "yes, just now",
                    (Some(_), true) => "yes, in part",
                    (Some(_), false) => "yes, in part, just now",
                };
                (tried, problem)
            }
            Err(error) => (NO, Some(error.to_string())),
        };
        Self { name, by, free: memory.map(|(free, _)| free), memory: memory.map(|(_, all)| all), tried, problem }
    }
}

/// Most GPUs that are looked for.
const MOST: usize = 64;

/// The devices that titer can compute on, the processor first.
pub fn devices() -> Vec<ListedDevice> {
    let instructions = titer_machine::InstructionSet::detected().name().to_owned();
    let bf16 =
        titer_machine::Bf16Instructions::detected().map(|instructions| format!(", bf16 by {}", instructions.name()));
    let by = format!("titer, {instructions}{}", bf16.unwrap_or_default());
    let own = ListedDevice { name: "cpu".to_owned(), by, free: None, memory: None, tried: "yes", problem: None };
    let mut all = vec![own];
    if let Err(another) = is_the_open_one() {
        all.push(ListedDevice::unusable("torch-cpu".to_owned(), String::new(), another.to_string()));
        return all;
    }
    let found = match find() {
        Ok(found) => found,
        Err(looked) => {
            let problem = format!("no PyTorch was found: {looked}");
            all.push(ListedDevice::unusable("torch-cpu".to_owned(), String::new(), problem));
            return all;
        }
    };
    let mut list = |device: TorchDevice, name: String| -> bool {
        match Torch::<f32>::open(&found.libraries, device) {
            Ok(torch) => {
                let untried = if torch.is_untried() { ", a later version than titer was made with" } else { "" };
                let by = format!("PyTorch {}{untried}, from {}", torch.version(), found.how);
                all.push(ListedDevice::opened(name, by, &torch));
                true
            }
            Err(error) => {
                // Of what torch was not built for there is nothing to say, nor of the GPU behind the last one.
                let is_expected = matches!(device, TorchDevice::Cpu | TorchDevice::Cuda(0));
                if is_expected && !matches!(error, TorchError::NoSuchKind { .. }) {
                    let problem = match error {
                        TorchError::NoDevice { problem, .. } => problem,
                        error => error.to_string(),
                    };
                    all.push(ListedDevice::unusable(name, String::new(), problem));
                }
                false
            }
        }
    };
    if list(TorchDevice::Cpu, "torch-cpu".to_owned()) {
        (0..MOST).take_while(|&index| list(TorchDevice::Cuda(index), format!("cuda:{index}"))).for_each(drop);
        list(TorchDevice::Mps, "mps".to_owned());
    }
    all
}
