//! libtorch, opened at run time by its stable C ABI: no headers, no C++ compiler, no pinned version.

use std::{
    ffi::{CStr, OsStr, c_char, c_void},
    path::{Path, PathBuf},
    sync::OnceLock,
};

use libloading::Symbol;

use super::{TorchDevice, error::TorchError, kernels::Kernels};

/// A tensor as libtorch hands it out; its owner deletes it.
pub(super) type Handle = *mut c_void;

/// What the C functions return: 0 where all went well.
type Status = i32;

/// Versions of torch that this was written for: from the first that can be called this way, to the last that was tried.
const VERSIONS: std::ops::RangeInclusive<(u64, u64)> = (2, 11)..=(2, 15);

/// The functions of one opened libtorch.
pub(super) struct Library {
    /// The folder that it lies in.
    folder: PathBuf,
    /// Why its parts for GPUs could not be opened, where they could not.
    lacks: Option<String>,
    /// Its ABI version: a byte for the major, one for the minor number, and so on.
    abi: u64,
    pub(super) call: unsafe extern "C" fn(*const c_char, *const c_char, *mut u64, u64) -> Status,
    pub(super) new_handle: unsafe extern "C" fn(Handle, *mut Handle) -> Status,
    pub(super) delete: unsafe extern "C" fn(Handle) -> Status,
    pub(super) new_list: unsafe extern "C" fn(usize, *mut Handle) -> Status,
    pub(super) push: unsafe extern "C" fn(Handle, u64) -> Status,
    pub(super) list_len: unsafe extern "C" fn(Handle, *mut usize) -> Status,
    pub(super) list_item: unsafe extern "C" fn(Handle, usize, *mut u64) -> Status,
    pub(super) delete_list: unsafe extern "C" fn(Handle) -> Status,
    pub(super) new_string: unsafe extern "C" fn(*const c_char, usize, *mut Handle) -> Status,
    /// A place for an optional argument, which the callee frees. Since torch 2.13; before, C++ `new` gave it.
    pub(super) new_value: Option<unsafe extern "C" fn(*mut *mut u64) -> Status>,
    /// What went wrong last on this thread. Since torch 2.13.
    pub(super) what: Option<unsafe extern "C" fn() -> *const c_char>,
    pub(super) data: unsafe extern "C" fn(Handle, *mut *mut c_void) -> Status,
    pub(super) sizes: unsafe extern "C" fn(Handle, *mut *mut i64) -> Status,
    pub(super) dim: unsafe extern "C" fn(Handle, *mut i64) -> Status,
    pub(super) dtype: unsafe extern "C" fn(Handle, *mut i32) -> Status,
    pub(super) empty: unsafe extern "C" fn(i64, *const i64, *const i64, i32, i32, i32, *mut Handle) -> Status,
    pub(super) lying_at:
        unsafe extern "C" fn(*mut c_void, i64, *const i64, *const i64, i64, i32, i32, i32, *mut Handle) -> Status,
    pub(super) reinterpret: unsafe extern "C" fn(Handle, i64, *const i64, *const i64, i64, *mut Handle) -> Status,
    /// libtorch's numbers for what is in [`super::Dtype`] and for devices.
    pub(super) dtypes: [i32; 6],
    /// The processor's number among devices.
    pub(super) cpu: i32,
    devices: [i32; 3],
    /// For each device, functions with numbers among their arguments, which the dispatcher does not take.
    shims: [Option<Shims>; 3],
    /// Functions that do much in one kernel.
    pub(super) kernels: Kernels,
    /// Makes a CUDA device the current one, and ends that.
    guard: Option<(unsafe extern "C" fn(i32, *mut Handle) -> Status, unsafe extern "C" fn(Handle) -> Status)>,
    /// Memory of the current CUDA device: free and whole, bytes.
    memory: Option<unsafe extern "C" fn(*mut usize, *mut usize) -> Status>,
    /// What a CUDA device is: a structure that begins with its name, in 256 bytes, and the number that no other card has, in 16.
    properties: Option<unsafe extern "C" fn(*mut c_void, i32) -> Status>,
    /// Keeps the functions valid.
    _library: libloading::Library,
}

/// Functions of one device with numbers among their arguments.
#[derive(Clone, Copy)]
pub(super) struct Shims {
    /// `a + factor · b`
    pub(super) add: unsafe extern "C" fn(Handle, Handle, f64, *mut Handle) -> Status,
    /// `a + factor · number`
    pub(super) add_number: unsafe extern "C" fn(Handle, f64, f64, *mut Handle) -> Status,
    /// `a · number`
    pub(super) mul_number: unsafe extern "C" fn(Handle, f64, *mut Handle) -> Status,
    /// `out = beta · c + alpha · a b`
    pub(super) addmm: unsafe extern "C" fn(Handle, Handle, Handle, Handle, f64, f64) -> Status,
}

impl std::fmt::Debug for Library {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "libtorch {} in {}", self.version(), self.folder.display())
    }
}

/// There is one in a process, since a second would be the same code twice.
static LIBRARY: OnceLock<Library> = OnceLock::new();

/// The library that was opened.
///
/// # Panics
/// Where none was: a tensor comes from an opened library.
pub(super) fn library() -> &'static Library {
    LIBRARY.get().expect("tensors come from an opened library")
}

/// The folder of the library that was opened, where one was.
pub(super) fn opened_in() -> Option<&'static Path> {
    LIBRARY.get().map(|library| &*library.folder)
}

impl Library {
    /// Opens libtorch in a folder such as `site-packages/torch/lib`; the first folder that is opened stays the one of this process.
    pub(super) fn open(folder: &Path) -> Result<&'static Self, TorchError> {
        if let Some(library) = LIBRARY.get() {
            return Ok(library);
        }
        let opened = Self::load(folder)?;
        Ok(LIBRARY.get_or_init(|| opened))
    }

    fn load(folder: &Path) -> Result<Self, TorchError> {
        // Without CUDA's own libraries, which are in other wheels, only the processor's part can be opened.
        let [whole, processor] = ["torch", "torch_cpu"].map(|name| folder.join(libloading::library_filename(name)));
        let (library, lacks) = match open_global(whole.as_os_str()) {
            Ok(library) => (library, None),
            Err(lacks) => {
                let opened = open_global(processor.as_os_str());
                let fail = |error| TorchError::Open { file: processor.clone(), problem: reason(&error) };
                (opened.map_err(fail)?, Some(reason(&lacks)))
            }
        };
        let too_old = || TorchError::TooOld { folder: folder.to_owned() };
        macro_rules! symbol {
            ($name:expr) => {{
                // SAFETY: the types of these functions are those of torch's headers (stable/c/shim.h, aoti_torch/c/shim.h).
                let found: Result<Symbol<_>, _> = unsafe { library.get(format!("{}\0", $name).as_bytes()) };
                found.map(|symbol| *symbol)
            }};
        }
        macro_rules! needed {
            ($name:expr) => {
                symbol!($name).map_err(|_| too_old())?
            };
        }
        macro_rules! number {
            ($name:expr) => {{
                let number: unsafe extern "C" fn() -> i32 = needed!($name);
                // SAFETY: it takes nothing and returns a constant.
                unsafe { number() }
            }};
        }
        let call = needed!("torch_call_dispatcher");
        let abi: unsafe extern "C" fn() -> u64 = needed!("aoti_torch_abi_version");
        // SAFETY: as above.
        let abi = unsafe { abi() };
        let version = (abi >> 56, abi >> 48 & 255);
        if version < *VERSIONS.start() {
            return Err(too_old());
        }
        let shims = TorchDevice::KINDS.map(|device| {
            let named = |name: &str| format!("aoti_torch_{device}_{name}");
            Some(Shims {
                add: symbol!(named("add_Tensor")).ok()?,
                add_number: symbol!(named("add_Scalar")).ok()?,
                mul_number: symbol!(named("mul_Scalar")).ok()?,
                addmm: symbol!(named("addmm_out")).ok()?,
            })
        });
        macro_rules! both {
            ($forward:expr) => {
                symbol!($forward).ok().zip(symbol!(format!("{}_backward", $forward)).ok())
            };
        }
        let kernels = Kernels {
            processor: both!("aoti_torch_cpu__scaled_dot_product_flash_attention_for_cpu"),
            flash: both!("aoti_torch_cuda__scaled_dot_product_flash_attention"),
            efficient: both!("aoti_torch_cuda__scaled_dot_product_efficient_attention"),
            nothing: symbol!("aoti_torch_new_uninitialized_tensor").ok(),
            norms: [
                symbol!("aoti_torch_cpu__fused_rms_norm").ok(),
                symbol!("aoti_torch_cuda__fused_rms_norm").ok(),
                None,
            ],
        };
        let dtype = |name: &str| -> Result<i32, TorchError> { Ok(number!(format!("aoti_torch_dtype_{name}"))) };
        let dtypes = ["float64", "float32", "bfloat16", "float16", "int64", "bool"];
        let [f64, f32, bf16, f16, i64, bool] = dtypes.map(dtype);
        Ok(Self {
            folder: folder.to_owned(),
            lacks,
            abi,
            call,
            new_handle: needed!("aoti_torch_new_tensor_handle"),
            delete: needed!("aoti_torch_delete_tensor_object"),
            new_list: needed!("torch_new_list_reserve_size"),
            push: needed!("torch_list_push_back"),
            list_len: needed!("torch_list_size"),
            list_item: needed!("torch_list_get_item"),
            delete_list: needed!("torch_delete_list"),
            new_string: needed!("torch_new_string_handle"),
            new_value: symbol!("torch_new_stable_ivalue").ok(),
            what: symbol!("torch_exception_get_what_without_backtrace").ok(),
            data: needed!("torch_get_mutable_data_ptr"),
            sizes: needed!("aoti_torch_get_sizes"),
            dim: needed!("aoti_torch_get_dim"),
            dtype: needed!("aoti_torch_get_dtype"),
            empty: needed!("aoti_torch_empty_strided"),
            lying_at: needed!("aoti_torch_create_tensor_from_blob"),
            reinterpret: needed!("aoti_torch__reinterpret_tensor"),
            dtypes: [f64?, f32?, bf16?, f16?, i64?, bool?],
            cpu: number!("aoti_torch_device_type_cpu"),
            devices: [
                number!("aoti_torch_device_type_cpu"),
                number!("aoti_torch_device_type_cuda"),
                number!("aoti_torch_device_type_mps"),
            ],
            shims,
            kernels,
            guard: symbol!("aoti_torch_create_cuda_guard").ok().zip(symbol!("aoti_torch_delete_cuda_guard").ok()),
            memory: symbol!("cudaMemGetInfo").ok(),
            // The second layout has a name of its own in CUDA 12; both begin alike.
            properties: symbol!("cudaGetDeviceProperties_v2").or_else(|_| symbol!("cudaGetDeviceProperties")).ok(),
            _library: library,
        })
    }

    /// Its version, such as `2.15`.
    pub(super) fn version(&self) -> String {
        format!("{}.{}", self.abi >> 56, self.abi >> 48 & 255)
    }

    /// The same in full, with all its numbers.
    pub(super) fn full_version(&self) -> String {
        self.abi.to_be_bytes().map(|number| number.to_string()).join(".")
    }

    /// Whether it is later than the last one that this was tried with.
    pub(super) fn is_untried(&self) -> bool {
        (self.abi >> 56, self.abi >> 48 & 255) > *VERSIONS.end()
    }

    /// What the dispatcher asks for beside an operation.
    pub(super) fn abi(&self) -> u64 {
        self.abi
    }

    /// libtorch's number for the device, and its index.
    pub(super) fn place(&self, device: TorchDevice) -> (i32, i32) {
        (self.devices[device.kind()], device.index() as i32)
    }

    /// Which kind a device is of, among [`TorchDevice::KINDS`].
    pub(super) fn kind(&self, (of, _): (i32, i32)) -> Option<usize> {
        self.devices.iter().position(|&kind| kind == of)
    }

    /// Why its parts for GPUs could not be opened, where they could not.
    pub(super) fn lacks(&self) -> Option<&str> {
        self.lacks.as_deref()
    }

    /// The functions of a device; `None` where this libtorch was built without it.
    pub(super) fn shims(&self, device: TorchDevice) -> Option<Shims> {
        self.shims[device.kind()]
    }

    /// Bytes of memory of a CUDA device: free, and all.
    pub(super) fn memory(&self, index: usize) -> Option<(usize, usize)> {
        let (make, delete) = self.guard?;
        let (mut free, mut all, mut guard) = (0, 0, std::ptr::null_mut());
        // SAFETY: the guard makes this device the current one of the thread until it is deleted; `cudaMemGetInfo` writes two numbers.
        unsafe {
            if make(index as i32, &mut guard) != 0 {
                return None;
            }
            let status = self.memory?(&mut free, &mut all);
            delete(guard);
            (status == 0).then_some((free, all))
        }
    }

    /// Name and number of a CUDA device's card; empty where they are not said.
    pub(super) fn card(&self, index: usize) -> String {
        const NAME: usize = 256;
        const NUMBER: usize = 16;
        let Some(properties) = self.properties else { return String::new() };
        // Some thousand bytes are written; 16 KiB are room for a longer structure.
        let mut told = [0_u64; 2048];
        // SAFETY: it writes a structure of `cudaDeviceProp` to the memory that it is given, which is aligned for it and longer.
        if unsafe { properties(told.as_mut_ptr().cast(), index as i32) } != 0 {
            return String::new();
        }
        let bytes: Vec<u8> = told[..(NAME + NUMBER) / 8].iter().flat_map(|word| word.to_ne_bytes()).collect();
        let name = bytes[..NAME].split(|&byte| byte == 0).next().unwrap_or_default();
        let number: String = bytes[NAME..].iter().map(|byte| format!("{byte:02x}")).collect();
        format!("{} {number}", String::from_utf8_lossy(name))
    }

    /// What libtorch says of the last failure on this thread.
    pub(super) fn last_failure(&self) -> String {
        let unsaid = || "torch before 2.13 does not say why; that memory ran out is the usual reason".to_owned();
        // SAFETY: the pointer is valid until the next failure on this thread.
        self.what.map_or_else(unsaid, |what| unsafe { CStr::from_ptr(what()) }.to_string_lossy().into_owned())
    }
}

/// Why the loader could not open a library.
fn reason(error: &libloading::Error) -> String {
    std::error::Error::source(error).map_or_else(|| error.to_string(), ToString::to_string)
}

/// Opens a library whose symbols others may use, as torch's parts do.
fn open_global(file: &OsStr) -> Result<libloading::Library, libloading::Error> {
    #[cfg(unix)]
    {
        use libloading::os::unix::{Library, RTLD_GLOBAL, RTLD_NOW};
        // SAFETY: opening torch runs its static constructors, as `import torch` does.
        unsafe { Library::open(Some(file), RTLD_NOW | RTLD_GLOBAL) }.map(Into::into)
    }
    #[cfg(not(unix))]
    {
        // SAFETY: as above.
        unsafe { libloading::Library::new(file) }
    }
}
