//! Whether a model fits into a device's memory, and what would where it does not.

use titer_model::{
    backend::{Backend as _, Device},
    decoder::Decoder,
    params::{ParamId, Params},
};

/// What a model takes, in bytes; batches take more.
#[derive(Clone, Copy, Debug)]
pub(super) struct MemoryNeed {
    /// Of weights, in the number types that they are held in.
    weights: u64,
    /// Of what training holds beside them: the gradient, a shard's share of it, and two moments, in f32. 0 where nothing is trained.
    training: u64,
    /// Numbers of the model itself, without adapters.
    numbers: u64,
    /// Whether the model's own weights are what is trained.
    trains_all: bool,
}

/// Copies of what is trained that training holds beside it.
const COPIES: u64 = 4;

/// Bytes of an f32, and of a bf16.
const F32: u64 = 4;
const BF16: u64 = 2;

fn gigabytes(bytes: u64) -> String {
    format!("{:.1} GB", bytes as f64 / 1e9)
}

impl MemoryNeed {
    /// Of a model that is measured, or trained.
    pub(super) fn of(decoder: &Decoder<Device>, params: &Params<Device>, is_trained: bool) -> Self {
        let specs = &decoder.layout.specs;
        let stored = (0..specs.len()).filter_map(|at| decoder.stored(ParamId(at)));
        let held: usize = params.buffers.iter().map(|buffer| decoder.backend().len(buffer)).sum();
        let is_adapter = |name: &str| name.contains(".lora_");
        let own = || specs.iter().filter(|spec| !is_adapter(&spec.name));
        let trained = if is_trained { decoder.layout.trained() as u64 } else { 0 };
        Self {
            weights: stored.map(|stored| stored.bytes().len() as u64).sum::<u64>() + F32 * held as u64,
            training: COPIES * F32 * trained,
            numbers: own().map(|spec| spec.len() as u64).sum(),
            trains_all: is_trained && own().any(|spec| spec.trained),
        }
    }

    /// All of it.
    pub(super) fn bytes(self) -> u64 {
        self.weights + self.training
    }

    /// Whether it fits into so many bytes.
    ///
    /// # Errors
    /// Where it does not: what it takes, and what would fit.
    pub(super) fn fits(self, device: &str, memory: u64) -> Result<(), String> {
        let Self { weights, training, .. } = self;
        if self.bytes() <= memory {
            return Ok(());
        }
        let parts = if training > 0 {
            format!("{} of weights and {} for gradients and moments", gigabytes(weights), gigabytes(training))
        } else {
            format!("{} of weights", gigabytes(weights))
        };
        Err(format!(
            "the model does not fit into {device}: it takes {parts}, the device has {}, and batches take more besides; {}",
            gigabytes(memory),
            self.instead(memory)
        ))
    }

    /// What would fit.
    fn instead(self, memory: u64) -> String {
        let short = BF16 * self.numbers;
        let larger = format!("a device with more than {}", gigabytes(self.bytes()));
        if short >= memory {
            return format!(
                "its weights would take {} as bf16, so take {larger}, or a smaller model",
                gigabytes(short)
            );
        }
        let held = format!("on weights held as bf16 (`dtype = \"bf16\"`) take {}", gigabytes(short));
        if self.trains_all {
            return format!("adapters (`lora`) {held} and little more; or take {larger}");
        }
        let held = format!("held as bf16 (`dtype = \"bf16\"`) its weights take {}", gigabytes(short));
        if short < self.weights {
            format!("{held}; or take {larger}")
        } else {
            format!("take {larger}, or adapters of a lower rank")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: MemoryNeed = MemoryNeed { weights: 4_000, training: 16_000, numbers: 1_000, trains_all: true };

    #[test]
    fn what_fits_is_let_through() {
        assert!(ALL.fits("cuda:0", 20_000).is_ok());
        assert!(MemoryNeed { training: 0, ..ALL }.fits("cuda:0", 4_000).is_ok());
    }

    #[test]
    fn what_does_not_fit_says_what_would() {
        let billions = |need: MemoryNeed| MemoryNeed {
            weights: need.weights * 1_000_000,
            training: need.training * 1_000_000,
            numbers: need.numbers * 1_000_000,
            ..need
        };
        let said = |need: MemoryNeed, memory: u64| billions(need).fits("cuda:1", memory).unwrap_err();
        assert_eq!(
            said(ALL, 8_000_000_000),
            "the model does not fit into cuda:1: it takes 4.0 GB of weights and 16.0 GB for gradients and moments, the device has 8.0 GB, and \
             batches take more besides; adapters (`lora`) on weights held as bf16 (`dtype = \"bf16\"`) take 2.0 GB and little more; or take a \
             device with more than 20.0 GB"
        );
        let frozen = MemoryNeed { training: 0, trains_all: false, ..ALL };
        assert!(said(frozen, 3_000_000_000).contains("held as bf16 (`dtype = \"bf16\"`) its weights take 2.0 GB"));
        let short = MemoryNeed { weights: 2_000, training: 100, ..frozen };
        assert!(said(short, 2_050_000_000).contains("adapters of a lower rank"));
        assert!(said(short, 1_000_000_000).contains("take a device with more than 2.1 GB, or a smaller model"));
    }
}
