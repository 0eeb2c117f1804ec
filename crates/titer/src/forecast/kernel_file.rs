//! A kernel as a file: numbers as safetensors in f32, what they are of as JSON in its metadata.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
};

use safetensors::{Dtype, SafeTensors, tensor::TensorView};
use serde::{Deserialize, Serialize};

use super::kernel::{About, Kernel, KernelProducts, Kind, Moments, ProbeOutput};
use crate::{
    files::write_whole,
    store::{FileFormat, FormatError},
};

/// Why a kernel cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KernelError {
    /// It cannot be read or written; the message names the path.
    #[error(transparent)]
    Io(#[from] std::io::Error),
    /// It is of a format that is not read.
    #[error(transparent)]
    Format(#[from] FormatError),
    /// It is no kernel.
    #[error("{path} is no kernel: {problem}; `titer forecast --kernel DIR` measures one into a folder that has none")]
    Broken {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// It is the kernel of something else.
    #[error(
        "{path} was measured on another {what} than the mix is for ({measured}, wanted {wanted}): name another folder with --kernel, and it is measured there"
    )]
    Other {
        /// The file.
        path: PathBuf,
        /// Model, data or seed.
        what: &'static str,
        /// What it was measured on.
        measured: String,
        /// What is wanted.
        wanted: String,
    },
}

/// Where the kernel of a seed is in a folder of kernels.
pub fn kernel_path(folder: &Path, seed: u64) -> PathBuf {
    folder.join(format!("seed-{seed}.safetensors"))
}

/// The file's formats; raised whenever an older file would give other forecasts.
const FORMAT: FileFormat = FileFormat {
    known: 3,
    oldest: 3,
    unsaid: None,
    remedy: "delete it, and `titer forecast --kernel DIR` measures it anew",
};
const HEAD: &str = "titer kernel";

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Head {
    format: u32,
    about: About,
    kinds: Vec<Kind>,
    probes: Vec<ProbeOutput>,
    buckets: usize,
    replicas: usize,
}

/// Writes a kernel of one state of a model, first under a temporary name.
///
/// # Errors
/// Where the file cannot be written.
pub fn write_kernel(kernel: &Kernel, path: &Path) -> Result<(), KernelError> {
    let bytes = |values: &[f64]| -> Vec<u8> { values.iter().flat_map(|&value| (value as f32).to_le_bytes()).collect() };
    let mut tensors: Vec<(String, Vec<u8>)> = Vec::new();
    for (name, products) in named(kernel) {
        tensors.push((format!("{name}.plain"), bytes(&products.plain)));
        tensors.push((format!("{name}.by_bucket"), bytes(&products.by_bucket)));
    }
    let moments = &kernel.moments;
    for (name, values) in [
        ("gram", &moments.gram),
        ("noise", &moments.noise),
        ("squares", &moments.squares),
        ("noise_by_bucket", &moments.noise_by_bucket),
        ("scale", &moments.scale),
    ] {
        tensors.push((name.to_owned(), bytes(values)));
    }
    let head = Head {
        format: FORMAT.known,
        about: kernel.about.clone(),
        kinds: kernel.kinds.clone(),
        probes: kernel.probes.clone(),
        buckets: moments.buckets,
        replicas: kernel.replicas.len(),
    };
    let head = serde_json::to_string(&head).expect("a head is plain data");
    let views = tensors.iter().map(|(name, bytes)| {
        let view = TensorView::new(Dtype::F32, vec![bytes.len() / 4], bytes).expect("bytes are whole numbers");
        (name.as_str(), view)
    });
    let metadata = HashMap::from([(HEAD.to_owned(), head)]);
    let whole = safetensors::serialize(views, Some(metadata)).expect("names are unique");
    Ok(write_whole(path, &whole)?)
}

fn named(kernel: &Kernel) -> impl Iterator<Item = (String, &KernelProducts)> {
    let replicas = kernel.replicas.iter().enumerate().map(|(at, replica)| (format!("replica.{at}"), replica));
    std::iter::once((String::from("whole"), &kernel.whole)).chain(replicas)
}

/// Reads a kernel that must have been measured on what `wanted` says: model, data, adapters and seed.
///
/// # Errors
/// Where it cannot be read, is no kernel, or is one of something else.
pub fn read_kernel(path: &Path, wanted: Option<&About>) -> Result<Kernel, KernelError> {
    let bytes = fs_err::read(path)?;
    let broken = |problem: String| KernelError::Broken { path: path.to_owned(), problem };
    let (_, metadata) = SafeTensors::read_metadata(&bytes).map_err(|error| broken(error.to_string()))?;
    let head = metadata.metadata().as_ref().and_then(|metadata| metadata.get(HEAD));
    let head = head.ok_or_else(|| broken("it says nothing of a model".to_owned()))?;
    let head: serde_json::Value = serde_json::from_str(head).map_err(|error| broken(error.to_string()))?;
    FORMAT.of_json(path, &head)?;
    let head: Head = serde_json::from_value(head).map_err(|error| broken(error.to_string()))?;
    if let Some(wanted) = wanted {
        same(path, &head.about, wanted)?;
    }
    let tensors = SafeTensors::deserialize(&bytes).map_err(|error| broken(error.to_string()))?;
    let (directions, outputs) = (2 * head.kinds.len(), head.probes.len() + 2 * head.kinds.len());
    let take = |name: &str, count: usize| -> Result<Vec<f64>, KernelError> {
        let tensor = tensors.tensor(name).map_err(|error| broken(error.to_string()))?;
        let numbers: Vec<f64> =
            tensor.data().as_chunks::<4>().0.iter().map(|bytes| f64::from(f32::from_le_bytes(*bytes))).collect();
        if tensor.dtype() != Dtype::F32 || numbers.len() != count {
            return Err(broken(format!("`{name}` should hold {count} numbers in f32")));
        }
        Ok(numbers)
    };
    let buckets = head.buckets;
    let products = |name: &str| -> Result<KernelProducts, KernelError> {
        let plain = take(&format!("{name}.plain"), directions * outputs)?;
        let by_bucket = take(&format!("{name}.by_bucket"), directions * outputs * buckets)?;
        Ok(KernelProducts { outputs, buckets, plain, by_bucket })
    };
    let kinds = head.kinds.len();
    Ok(Kernel {
        gate: None,
        whole: products("whole")?,
        replicas: (0..head.replicas).map(|at| products(&format!("replica.{at}"))).collect::<Result<_, _>>()?,
        moments: Moments {
            directions,
            buckets,
            gram: take("gram", directions * directions)?,
            noise: take("noise", 3 * kinds)?,
            squares: take("squares", directions * directions * buckets)?,
            noise_by_bucket: take("noise_by_bucket", 3 * kinds * buckets)?,
            scale: take("scale", buckets)?,
        },
        about: head.about,
        kinds: head.kinds,
        probes: head.probes,
    })
}

fn same(path: &Path, measured: &About, wanted: &About) -> Result<(), KernelError> {
    let short = |hash: &str| if hash.is_empty() { "none".to_owned() } else { hash.chars().take(12).collect() };
    let held = |words: &str| if words.is_empty() { "all of them".to_owned() } else { words.to_owned() };
    let pairs = [
        ("model", short(&measured.model), short(&wanted.model), measured.model == wanted.model),
        ("data set", short(&measured.data), short(&wanted.data), measured.data == wanted.data),
        ("set of weights", held(&measured.held), held(&wanted.held), measured.held == wanted.held),
        ("seed", measured.seed.to_string(), wanted.seed.to_string(), measured.seed == wanted.seed),
    ];
    match pairs.into_iter().find(|(.., same)| !same) {
        Some((what, measured, wanted, _)) => Err(KernelError::Other { path: path.to_owned(), what, measured, wanted }),
        None => Ok(()),
    }
}
