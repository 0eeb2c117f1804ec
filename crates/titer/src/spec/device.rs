//! `model.device` as written: where a model is computed.

use std::str::FromStr;

use serde::{Deserialize, Serialize, Serializer};

/// Where a model is computed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub enum DeviceName {
    /// The processor, by titer's own loops.
    #[default]
    Cpu,
    /// The processor, by PyTorch's loops.
    TorchCpu,
    /// A GPU by PyTorch for CUDA or ROCm: any, or the one of this number.
    Cuda(Option<usize>),
    /// An Apple GPU by PyTorch.
    Mps,
}

/// The largest number that PyTorch has for a GPU: it counts them in eight bits.
const MOST_GPUS: usize = 127;

impl DeviceName {
    /// What specs and command lines call it; a GPU without its number, since any of them is as good.
    pub fn word(self) -> &'static str {
        match self {
            Self::Cpu => "cpu",
            Self::TorchCpu => "torch-cpu",
            Self::Cuda(_) => "cuda",
            Self::Mps => "mps",
        }
    }

    /// [`DeviceName::word`] with the number of the GPU, where one was named: what is asked for again later is asked for in full.
    pub fn in_full(self) -> String {
        match self {
            Self::Cuda(Some(index)) => format!("cuda:{index}"),
            device => device.word().to_owned(),
        }
    }

    /// Whether it is the processor by titer's own loops.
    pub fn is_cpu(&self) -> bool {
        *self == Self::Cpu
    }
}

/// As [`DeviceName::word`]: which of several GPUs a run is made on does not make it another.
impl Serialize for DeviceName {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.word())
    }
}

impl FromStr for DeviceName {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, String> {
        let named = [Self::Cpu, Self::TorchCpu, Self::Cuda(None), Self::Mps];
        let number = word.strip_prefix("cuda:").filter(|number| number.bytes().all(|digit| digit.is_ascii_digit()));
        if let Some(number) = number.filter(|number| !number.is_empty())
            && number.parse().map_or(true, |index: usize| index > MOST_GPUS)
        {
            return Err(format!(
                "`{word}` is no device: PyTorch has numbers up to {MOST_GPUS} for GPUs, the first is cuda:0"
            ));
        }
        let numbered = || Some(Self::Cuda(Some(number?.parse().ok()?)));
        named.into_iter().find(|device| device.word() == word).or_else(numbered).ok_or_else(|| {
            format!("`{word}` is no device; there are cpu, cuda, cuda:0 (the first GPU) and so on, mps, torch-cpu (the processor by PyTorch)")
        })
    }
}

impl TryFrom<String> for DeviceName {
    type Error = String;

    fn try_from(word: String) -> Result<Self, String> {
        word.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_are_known_by_their_words() {
        for word in ["cpu", "torch-cpu", "cuda", "mps"] {
            assert_eq!(word.parse::<DeviceName>().unwrap().word(), word);
        }
        assert_eq!("cuda:3".parse(), Ok(DeviceName::Cuda(Some(3))));
        assert_eq!("cuda:127".parse(), Ok(DeviceName::Cuda(Some(127))));
        for word in ["cuda:128", "cuda:256", "cuda:4294967296", "cuda:99999999999999999999"] {
            assert!(word.parse::<DeviceName>().unwrap_err().contains("up to 127"), "{word}");
        }
        for word in ["gpu", "cuda:", "cuda:+1", "cuda:-1", "mps:0", "CPU"] {
            assert!(word.parse::<DeviceName>().unwrap_err().contains("torch-cpu"), "{word}");
        }
    }

    #[test]
    fn in_full_a_device_is_what_was_asked_for() {
        for word in ["cpu", "torch-cpu", "cuda", "cuda:0", "cuda:3", "mps"] {
            assert_eq!(word.parse::<DeviceName>().unwrap().in_full(), word);
        }
    }

    #[test]
    fn the_number_of_a_gpu_is_not_part_of_a_plan() {
        assert_eq!(serde_json::to_string(&DeviceName::Cuda(Some(1))).unwrap(), "\"cuda\"");
    }
}
