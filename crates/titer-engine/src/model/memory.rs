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
    /// Of those of them that nothing moves, which may lie in main memory.
    frozen: u64,
    /// Of what training holds beside them: the gradient, a shard's share of it, and two moments, in f32. 0 where nothing is trained.
    training: u64,
    /// Numbers of the model itself, without adapters.
    numbers: u64,
    /// Whether the model's own weights are what is trained.
    trains_all: bool,
}

/// Copies of what is trained that training holds beside it.
const COPIES: u64 = 4;

/// The part of a device's memory that batches have at least, where weights could take all of it: one of so many.
const BATCHES: u64 = 8;

/// Bytes of an f32, and of a bf16.
const F32: u64 = 4;
const BF16: u64 = 2;

pub(super) fn gigabytes(bytes: u64) -> String {
    if bytes < 100_000_000 { format!("{:.1} MB", bytes as f64 / 1e6) } else { format!("{:.1} GB", bytes as f64 / 1e9) }
}

impl MemoryNeed {
    /// Of a model that is measured, or trained.
    pub(super) fn of(decoder: &Decoder<Device>, params: &Params<Device>, is_trained: bool) -> Self {
        let specs = &decoder.layout.specs;
        let stored = (0..specs.len()).filter_map(|at| decoder.stored(ParamId(at)));
        let frozen = stored.map(|stored| stored.bytes().len() as u64).sum();
        let held: usize = params.buffers.iter().map(|buffer| decoder.backend().len(buffer)).sum();
        let is_adapter = |name: &str| name.contains(".lora_");
        let own = || specs.iter().filter(|spec| !is_adapter(&spec.name));
        let trained = if is_trained { decoder.layout.trained() as u64 } else { 0 };
        Self {
            weights: frozen + F32 * held as u64,
            frozen,
            training: COPIES * F32 * trained,
            numbers: own().map(|spec| spec.len() as u64).sum(),
            trains_all: is_trained && own().any(|spec| spec.trained),
        }
    }

    /// Of weights that nothing moves.
    pub(super) fn frozen(self) -> u64 {
        self.frozen
    }

    /// All of it.
    pub(super) fn bytes(self) -> u64 {
        self.weights + self.training
    }

    /// How many of so many bytes weights may take that nothing moves: all that they need, or what is left of the device where batches have their part
    /// and the rest of the weights stays in main memory.
    ///
    /// # Errors
    /// Where it does not fit even so: what it takes, and what would fit.
    pub(super) fn for_frozen(self, device: &str, memory: u64) -> Result<u64, String> {
        let Self { weights, training, frozen, .. } = self;
        let others = self.bytes() - frozen;
        let most = memory - memory / BATCHES;
        if self.bytes() <= most || frozen == 0 && others <= memory {
            return Ok(frozen);
        }
        if frozen > 0 && others <= most {
            return Ok(most - others);
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

    const ALL: MemoryNeed =
        MemoryNeed { weights: 4_000, frozen: 0, training: 16_000, numbers: 1_000, trains_all: true };

    /// Of these weights nothing moves any, but what training adds to them.
    const FROZEN: MemoryNeed = MemoryNeed { frozen: 4_000, training: 100, trains_all: false, ..ALL };

    #[test]
    fn what_fits_is_let_through() {
        assert_eq!(ALL.for_frozen("cuda:0", 20_000), Ok(0));
        assert_eq!(MemoryNeed { training: 0, ..ALL }.for_frozen("cuda:0", 4_000), Ok(0));
    }

    #[test]
    fn frozen_weights_that_do_not_fit_stay_in_main_memory() {
        // Batches have an eighth.
        assert_eq!(FROZEN.for_frozen("cuda:0", 4_800), Ok(4_000));
        assert_eq!(FROZEN.for_frozen("cuda:0", 4_000), Ok(3_400));
        assert_eq!(FROZEN.for_frozen("cuda:0", 800), Ok(600));
        assert!(FROZEN.for_frozen("cuda:0", 100).is_err());
    }

    #[test]
    fn what_does_not_fit_says_what_would() {
        let billions = |need: MemoryNeed| MemoryNeed {
            weights: need.weights * 1_000_000,
            frozen: need.frozen * 1_000_000,
            training: need.training * 1_000_000,
            numbers: need.numbers * 1_000_000,
            ..need
        };
        let said = |need: MemoryNeed, memory: u64| billions(need).for_frozen("cuda:1", memory).unwrap_err();
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
