//! A model to work on: decoder, weights, tokenizer and chat template, and the world it was raised in, if any.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use bytes::Bytes;
use titer::spec::{Compute, DeviceName, Lora};
use titer_data::{
    chat::Row,
    probe::Contrast,
    template::{ChatTemplate, TemplateOptions},
    tokenize::{Encoded, EncodedContrast, TokenizeError, Tokenizer},
    world::World,
};
use titer_machine::Bf16Instructions;
use titer_model::{
    backend::{Device, Torch},
    decoder::Decoder,
    io::{load_adapter, load_optimiser, read_adapter_config, read_file},
    optim,
    params::Params,
    shape::{LINEAR_LAYERS, LoraConfig},
    stored::Dtype,
};

use super::{
    Files, ModelError,
    encoded_once::EncodedOnce,
    files::{ADAPTER, ADAPTER_CONFIG, CHAT_TEMPLATE},
    memory::{MemoryNeed, gigabytes},
    other_templates::OtherTemplates,
    special_tokens::check_special_tokens,
    text::utf8,
    vocabulary::for_decoder,
};
use crate::device;

/// The optimiser's state in a checkpoint.
pub(crate) const OPTIMISER: &str = "optimiser.safetensors";

/// The backend that the lab works on.
pub type EngineBackend = Device;

/// An optimiser on it.
pub type EngineOptimiser = optim::Optimiser<EngineBackend>;

/// A model, ready to train and to measure. A clone shares what stays in its files.
#[derive(Clone, Debug)]
pub struct Model {
    /// The layers.
    pub decoder: Decoder<EngineBackend>,
    /// The weights.
    pub params: Params<EngineBackend>,
    /// Text to tokens.
    pub tokenizer: Tokenizer,
    /// Chats to text.
    pub template: ChatTemplate,
    /// The world of an organism; `None` for any other model.
    pub world: Option<World>,
    /// The adapters that are all that is trained; `None` where everything is.
    pub lora: Option<LoraConfig>,
    /// Rows and contrasts as its tokens.
    pub(crate) encoded: EncodedOnce,
}

/// The files of a folder in PEFT's layout.
#[derive(Clone, Debug)]
pub(crate) struct AdapterBytes {
    /// The folder.
    pub(crate) folder: PathBuf,
    /// `adapter_config.json`
    pub(crate) config: Bytes,
    /// `adapter_model.safetensors`
    pub(crate) weights: Bytes,
}

impl Model {
    /// Reads the model from its files. The matrices of a folder stay there, which is all that measuring and training
    /// adapters need; to train them, see [`Model::thawed`].
    ///
    /// # Errors
    /// Where a file does not fit the others.
    pub fn from_files(files: &Files) -> Result<Self, ModelError> {
        let (decoder, params) = files.open_in(EngineBackend::default())?;
        let path = |name: &str| files.folder.join(name);
        let tokenizer = Tokenizer::from_bytes(&files.tokenizer, &path("tokenizer.json"))?;
        let tokenizer = for_decoder(tokenizer, &decoder.config, &path("config.json"))?;
        check_special_tokens(&files.folder, &tokenizer, &files.tokenizer_config)?;
        let template_file = files.chat_template.as_ref().map(|template| utf8(template, &path(CHAT_TEMPLATE)));
        let config = utf8(&files.tokenizer_config, &path("tokenizer_config.json"))?;
        let template = ChatTemplate::from_tokenizer_config(config, template_file.transpose()?, &files.name())?
            .with_tool_use(files.tool_template.as_deref(), &path(OtherTemplates::TOOL_USE).display().to_string())?;
        let world = files.world_seed()?.map(World::new);
        Ok(Self { decoder, params, tokenizer, template, world, lora: None, encoded: EncodedOnce::default() })
    }

    /// The tokens of a row, encoded when they are first asked for.
    ///
    /// # Errors
    /// Where it cannot be encoded.
    pub(crate) fn encoded_row(&self, row: &Row) -> Result<Arc<Encoded>, TokenizeError> {
        self.encoded.row(&self.template, &self.tokenizer, row)
    }

    /// The tokens of a contrast, encoded when they are first asked for.
    ///
    /// # Errors
    /// Where it cannot be encoded.
    pub fn encoded(&self, contrast: &Contrast) -> Result<Arc<EncodedContrast>, TokenizeError> {
        self.encoded.contrast(&self.template, &self.tokenizer, contrast)
    }

    /// The same model, its chats rendered with these options.
    ///
    /// # Errors
    /// Where its chat template would not read one of them.
    pub fn with_template_options(self, options: &TemplateOptions) -> Result<Self, ModelError> {
        if options == self.template.options() {
            return Ok(self);
        }
        let template = self.template.with_options(options.clone())?;
        Ok(Self { template, encoded: EncodedOnce::default(), ..self })
    }

    /// Finds and reads the model behind `base`, see [`Files::find`], all of it in memory and ready to train.
    ///
    /// # Errors
    /// As [`Files::find`] and [`Model::from_files`].
    pub fn open(base: &str, seed: u64) -> Result<Self, ModelError> {
        Ok(Self::from_files(&Files::find(base, seed)?)?.thawed())
    }

    /// Finds and reads the model behind `base`, to be measured in these numbers on this device: all of it in memory where the processor
    /// multiplies in f32, which is the faster way there.
    ///
    /// # Errors
    /// As [`Model::open`].
    pub fn open_for(base: &str, seed: u64, compute: Compute, device: DeviceName) -> Result<Self, ModelError> {
        match (compute, device) {
            (Compute::F32, DeviceName::Cpu) => Self::open(base, seed),
            _ => Self::from_files(&Files::find(base, seed)?),
        }
    }

    /// The same model, its frozen weights multiplied in this number type, on this device; on a device of PyTorch's, activations are of
    /// that type too.
    ///
    /// # Errors
    /// In bf16 on the processor, where it has no instructions for that, or no weight stays in its file as bf16; on another device,
    /// where there is none or it cannot be used.
    pub fn computing(self, compute: Compute, device: DeviceName) -> Result<Self, ModelError> {
        let refused = |problem: &str| Err(ModelError::Compute(problem.to_owned()));
        match (device, compute) {
            (DeviceName::Cpu, Compute::Bf16) if !self.decoder.holds(Dtype::Bf16) => {
                return refused(
                    "`compute = \"bf16\"` is for frozen weights that their file holds as bf16, and this model has none: weights that are \
                     trained, and those held as f32 or f16, are multiplied in f32; leave it out, or take a model of bf16 weights, with \
                     adapters (`lora`) where it is trained",
                );
            }
            (DeviceName::Cpu, Compute::Bf16) if Bf16Instructions::detected().is_none() => {
                return refused(
                    "`compute = \"bf16\"` needs a processor with AMX-BF16 (on Linux) or AVX-512 BF16, and this one has neither; leave it out \
                     to compute in f32",
                );
            }
            _ => {}
        }
        self.on(device::open(device, compute)?, false)
    }

    /// [`Model::computing`] of a model that is going to be trained, which takes more memory.
    ///
    /// # Errors
    /// As there.
    pub(crate) fn computing_to_train(self, compute: Compute, device: DeviceName) -> Result<Self, ModelError> {
        if device.is_cpu() { self.computing(compute, device) } else { self.on(device::open(device, compute)?, true) }
    }

    /// The same model on the device that it is on, all of it in f32.
    pub(crate) fn in_f32(&self) -> Self {
        let backend = match self.decoder.backend().as_torch() {
            Some(torch) => EngineBackend::torch(torch.in_full()),
            None => EngineBackend::default(),
        };
        Self { decoder: self.decoder.clone().computed_in(backend), ..self.clone() }
    }

    /// Whether products in bf16 round its weights: where a matrix is not held as bf16.
    pub(crate) fn is_rounded_by_bf16(&self) -> bool {
        let decoder = &self.decoder;
        !decoder.holds(Dtype::Bf16) || decoder.holds(Dtype::F32) || decoder.holds(Dtype::F16)
    }

    /// The same model on a backend, to be measured or to be trained.
    fn on(self, backend: EngineBackend, is_trained: bool) -> Result<Self, ModelError> {
        if [self.decoder.backend(), &backend].iter().all(|device| device.as_cpu().is_some()) {
            return Ok(Self { decoder: self.decoder.computed_by(backend), ..self });
        }
        let backend = match backend.as_torch() {
            Some(torch) => EngineBackend::torch(self.housed(*torch, is_trained)?),
            None => backend,
        };
        device::guarded(|| {
            let (decoder, params) = self.decoder.moved(backend, self.params);
            Self { decoder, params, ..self }
        })
        .map_err(ModelError::from)
    }

    /// A device of PyTorch's that knows what this model takes of its memory.
    fn housed(&self, torch: Torch<f32>, is_trained: bool) -> Result<Torch<f32>, ModelError> {
        let need = MemoryNeed::of(&self.decoder, &self.params, is_trained);
        let Some((_, memory)) = torch.memory() else { return Ok(torch.with_taken(need.bytes() as usize)) };
        let here = need.for_frozen(&torch.device().to_string(), memory as u64).map_err(ModelError::Memory)?;
        let taken = need.bytes() - need.frozen() + here;
        Ok(torch.with_taken(taken as usize).with_frozen_in(here as usize))
    }

    /// What of the weights lies in main memory since the device has no room for it, in a sentence.
    pub fn beside_device(&self) -> Option<String> {
        let torch = self.decoder.backend().as_torch()?;
        let need = MemoryNeed::of(&self.decoder, &self.params, false);
        let beside = need.frozen().checked_sub(torch.for_frozen() as u64).filter(|&beside| beside > 0)?;
        Some(format!(
            "some {} of {} of weights stay in main memory, and are brought to {} for each product, which takes longer",
            gigabytes(beside),
            gigabytes(need.frozen()),
            torch.device()
        ))
    }

    /// The same model with every weight in memory, in f32, for training to move.
    pub fn thawed(mut self) -> Self {
        self.decoder.thaw(&mut self.params);
        self
    }

    /// Adapters for this model, in the engine's words.
    ///
    /// # Errors
    /// Where there can be none, see [`lora_config`], or their rank is larger than the model is wide.
    pub(crate) fn lora_config(&self, lora: &Lora) -> Result<LoraConfig, ModelError> {
        let (rank, width) = (lora.r, self.decoder.config.hidden_size);
        if rank > width {
            return Err(ModelError::Lora(format!(
                "the rank {rank} is larger than the width {width} of the model, and no adapter needs more than that; choose a smaller one"
            )));
        }
        let config = lora_config(lora)?;
        let free: Vec<&str> =
            self.decoder.layout.linear_layers().filter_map(|layer| layer.rsplit('.').next()).collect();
        let free: Vec<&str> = LINEAR_LAYERS.into_iter().filter(|layer| free.contains(layer)).collect();
        match LINEAR_LAYERS.into_iter().find(|layer| !free.contains(layer) && config.target_modules.names(layer)) {
            None => Ok(config),
            Some(layer) => Err(ModelError::Lora(format!(
                "the files of this model hold `{layer}` together with other layers, so it can have no adapter; name others as \
                 `targets`, of {}",
                free.join(", ")
            ))),
        }
    }

    /// The same model with fresh adapters, which are then all that has gradients.
    ///
    /// # Errors
    /// As [`Model::lora_config`].
    pub fn with_lora(self, lora: &Lora, seed: u64) -> Result<Self, ModelError> {
        let config = self.lora_config(lora)?;
        let decoder = self.decoder.with_lora(&config);
        let params = self.params.with_lora(decoder.backend(), &decoder.layout, seed);
        Ok(Self { decoder, params, lora: Some(config), ..self })
    }

    /// The same model with the adapters in a folder in PEFT's layout.
    pub fn with_adapter(self, folder: &Path) -> Result<Self, ModelError> {
        let read = |name: &str| {
            let fail = |problem| ModelError::Adapter { folder: folder.to_owned(), problem };
            read_file(&folder.join(name)).map(Bytes::from).map_err(fail)
        };
        let (config, weights) = (read(ADAPTER_CONFIG)?, read(ADAPTER)?);
        self.with_adapter_of(&AdapterBytes { folder: folder.to_owned(), config, weights })
    }

    /// The same where its files have been read.
    pub(crate) fn with_adapter_of(self, adapter: &AdapterBytes) -> Result<Self, ModelError> {
        let AdapterBytes { folder, config, weights } = adapter;
        let config = read_adapter_config(&self.decoder.layout, config, &folder.join(ADAPTER_CONFIG))?;
        let decoder = self.decoder.with_lora(&config);
        let params = load_adapter(self.params, decoder.backend(), &decoder.layout, weights, &folder.join(ADAPTER))?;
        Ok(Self { decoder, params, lora: Some(config), ..self })
    }

    /// The optimiser's state in the checkpoint that this model came from.
    pub fn optimiser(&self, checkpoint: &Path) -> Result<EngineOptimiser, ModelError> {
        let path = checkpoint.join(OPTIMISER);
        let bytes =
            read_file(&path).map_err(|problem| ModelError::NoOptimiser { folder: checkpoint.to_owned(), problem })?;
        Ok(load_optimiser(self.decoder.backend(), &self.decoder.layout, &bytes, &path)?)
    }
}

/// Adapters in the engine's words.
///
/// # Errors
/// Where the rank is 0 or there is no such layer.
pub(crate) fn lora_config(lora: &Lora) -> Result<LoraConfig, ModelError> {
    let fail = |problem: String| Err(ModelError::Lora(problem));
    if lora.r == 0 {
        return fail("the rank `r` is 0".to_owned());
    }
    if let Some(name) = lora.targets.iter().find(|name| !LINEAR_LAYERS.contains(&name.as_str())) {
        return fail(format!("there is no layer `{name}`; adapters go on {}", LINEAR_LAYERS.join(", ")));
    }
    let all = || LINEAR_LAYERS.map(str::to_owned).into();
    let layers = if lora.targets.is_empty() { all() } else { lora.targets.clone() };
    Ok(LoraConfig::new(lora.r, lora.alpha, lora.rslora, layers))
}

#[cfg(test)]
mod tests {
    use titer_model::backend::{Backend as _, TorchDevice};

    use super::*;

    #[test]
    fn a_model_that_is_too_large_for_a_device_says_what_would_fit() {
        let Some(folder) = std::env::var_os("TITER_TORCH") else { return };
        let torch = Torch::<f32>::open(Path::new(&folder), TorchDevice::Cpu).unwrap();
        let model = Model::open("organism", 0).unwrap();
        let bytes = 4 * model.decoder.layout.len();
        let on = |memory: usize, is_trained: bool| {
            let device = EngineBackend::torch(torch.with_memory(memory));
            model.clone().on(device, is_trained).map(drop).map_err(|error| error.to_string())
        };
        assert_eq!(on(bytes, false), Ok(()));
        let said = on(bytes - 1, false).unwrap_err();
        assert!(said.contains("of weights, the device has") && said.contains("`dtype = \"bf16\"`"), "{said}");
        assert_eq!(on(5 * bytes, true), Ok(()));
        let said = on(4 * bytes, true).unwrap_err();
        assert!(said.contains("gradients and moments") && said.contains("adapters (`lora`)"), "{said}");
        // Batches have what the model leaves: blocks are computed again where that is little, and shards are smaller.
        let shard = |spare: usize| {
            let device = EngineBackend::torch(torch.with_memory(5 * bytes + spare));
            let model = model.clone().on(device, true).unwrap();
            let backend = model.decoder.backend().as_torch().unwrap();
            assert!(backend.recomputes(spare / 2 + 1) && !backend.recomputes(spare / 2));
            *model.decoder.shard_tokens().end()
        };
        let [little, more, much] = [1 << 20, 64 << 20, 1 << 30].map(shard);
        assert!(little == 256 && little < more && more < much && much == 2048, "{little}, {more}, {much} tokens");
    }
}
