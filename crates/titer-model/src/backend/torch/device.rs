//! The devices that torch computes on.

use std::{fmt, str::FromStr};

/// A device of torch's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TorchDevice {
    /// The processor, by torch's kernels.
    Cpu,
    /// A GPU of NVIDIA's (or AMD's, in a torch for ROCm), by its number.
    Cuda(usize),
    /// An Apple GPU.
    Mps,
}

impl TorchDevice {
    /// What torch calls the kinds.
    pub(super) const KINDS: [&'static str; 3] = ["cpu", "cuda", "mps"];

    /// Its place among [`Self::KINDS`].
    pub(super) fn kind(self) -> usize {
        match self {
            Self::Cpu => 0,
            Self::Cuda(_) => 1,
            Self::Mps => 2,
        }
    }

    /// Its number among those of its kind.
    pub fn index(self) -> usize {
        if let Self::Cuda(index) = self { index } else { 0 }
    }
}

impl fmt::Display for TorchDevice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cpu => f.write_str("the processor"),
            Self::Cuda(index) => write!(f, "cuda:{index}"),
            Self::Mps => f.write_str("mps"),
        }
    }
}

impl FromStr for TorchDevice {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, String> {
        let unknown = || format!("`{word}` is no device: there are cpu, cuda, cuda:1 (the second GPU) and so on, mps");
        match word.split_once(':') {
            None if word == "cpu" => Ok(Self::Cpu),
            None if word == "cuda" => Ok(Self::Cuda(0)),
            None if word == "mps" => Ok(Self::Mps),
            // torch counts devices in eight bits, and a larger number would be another one.
            Some(("cuda", index)) => match index.parse() {
                Ok(index) if index <= i8::MAX as usize => Ok(Self::Cuda(index)),
                _ => Err(unknown()),
            },
            _ => Err(unknown()),
        }
    }
}
