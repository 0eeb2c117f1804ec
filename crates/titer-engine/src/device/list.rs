//! Which devices there are.

use titer_model::backend::{Torch, TorchDevice};

use super::{
    find::find,
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
    /// Whether every operation was tried there, or why it cannot be used.
    pub tried: String,
}

/// Most GPUs that are looked for.
const MOST: usize = 64;

/// The devices that titer can compute on, the processor first.
pub fn devices() -> Vec<ListedDevice> {
    let instructions = titer_machine::InstructionSet::detected().name().to_owned();
    let bf16 =
        titer_machine::Bf16Instructions::detected().map(|instructions| format!(", bf16 by {}", instructions.name()));
    let by = format!("titer, {instructions}{}", bf16.unwrap_or_default());
    let own = ListedDevice { name: "cpu".to_owned(), by, free: None, memory: None, tried: "yes".to_owned() };
    let mut all = vec![own];
    let found = match find() {
        Ok(found) => found,
        Err(looked) => {
            let tried = format!("no PyTorch was found: {looked}");
            all.push(ListedDevice { name: "torch-cpu".to_owned(), by: String::new(), free: None, memory: None, tried });
            return all;
        }
    };
    let mut list = |device: TorchDevice, name: String| -> bool {
        let opened = Torch::<f32>::open(&found.libraries, device);
        let listed = match &opened {
            Ok(torch) => {
                let known = is_tried(torch);
                let passed = tried(torch);
                let untried = if torch.is_untried() { ", a later version than titer was made with" } else { "" };
                ListedDevice {
                    name,
                    by: format!("PyTorch {}{untried}, from {}", torch.version(), found.how),
                    free: torch.memory().map(|(free, _)| free),
                    memory: torch.memory().map(|(_, all)| all),
                    tried: passed.map_or_else(
                        |error| error.to_string(),
                        |tried| {
                            let yes = if known { "yes" } else { "yes, just now" };
                            tried.without.map_or_else(
                                || yes.to_owned(),
                                |problem| format!("{yes}, but without its kernels for attention and norms: {problem}"),
                            )
                        },
                    ),
                }
            }
            Err(error) if device == TorchDevice::Cpu => {
                ListedDevice { name, by: String::new(), free: None, memory: None, tried: error.to_string() }
            }
            Err(_) => return false,
        };
        all.push(listed);
        opened.is_ok()
    };
    if list(TorchDevice::Cpu, "torch-cpu".to_owned()) {
        (0..MOST).take_while(|&index| list(TorchDevice::Cuda(index), format!("cuda:{index}"))).for_each(drop);
        list(TorchDevice::Mps, "mps".to_owned());
    }
    all
}
