//! The processor at hand: which instruction sets it has, and hot loops compiled for each.
//!
//! [`vectorized!`] is the seam: it compiles a call once for every [`InstructionSet`] and runs the copy for the processor
//! at hand. Only what is inlined into that copy is compiled for it: every function on the way is `#[inline(always)]`, and
//! hot loops are `for` loops, because a closure in `for_each` or `fold` is inlined only where the compiler sees fit.

mod bf16;

use std::sync::LazyLock;

pub use bf16::Bf16Instructions;

/// An instruction set that loops are compiled for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InstructionSet {
    /// What every processor of the architecture has.
    Baseline,
    /// x86-64-v3: AVX2 and fused multiply-add, as on Haswell and later.
    X86V3,
    /// x86-64-v4: AVX-512 as on Skylake servers and later.
    X86V4,
}

impl InstructionSet {
    /// The largest one that the processor at hand has; asked of it once.
    pub fn detected() -> Self {
        static DETECTED: LazyLock<InstructionSet> = LazyLock::new(InstructionSet::detect);
        *DETECTED
    }

    /// What compilers call it, such as `x86-64-v3` or `aarch64`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Baseline if cfg!(target_arch = "x86_64") => "x86-64",
            Self::Baseline => std::env::consts::ARCH,
            Self::X86V3 => "x86-64-v3",
            Self::X86V4 => "x86-64-v4",
        }
    }

    #[cfg(target_arch = "x86_64")]
    fn detect() -> Self {
        macro_rules! has {
            ($($feature:tt),*) => { $(is_x86_feature_detected!($feature))&&* };
        }
        if !has!("avx", "avx2", "bmi1", "bmi2", "f16c", "fma", "lzcnt", "movbe", "popcnt") {
            Self::Baseline
        } else if !has!("avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl") {
            Self::X86V3
        } else {
            Self::X86V4
        }
    }

    #[cfg(not(target_arch = "x86_64"))]
    fn detect() -> Self {
        Self::Baseline
    }
}

/// What decides the last digits of numbers here: the instruction set, and where products are in `bf16` the instructions for those,
/// such as `x86-64-v4 + amx_bf16`.
pub fn instructions(bf16: bool) -> String {
    let set = InstructionSet::detected().name();
    match Bf16Instructions::detected().filter(|_| bf16) {
        Some(instructions) => format!("{set} + {}", instructions.name()),
        None => set.to_owned(),
    }
}

/// Multiply-add as the processor does it: one instruction that rounds once, or two. Which is a constant in every copy of
/// a loop; only [`run`] makes one.
#[derive(Clone, Copy, Debug)]
pub struct Fused(bool);

impl Fused {
    /// Whether it is one instruction.
    #[inline(always)]
    pub fn is_one_instruction(self) -> bool {
        self.0
    }

    /// `a * b + c`
    #[inline(always)]
    pub fn f32(self, a: f32, b: f32, c: f32) -> f32 {
        if self.0 { a.mul_add(b, c) } else { a * b + c }
    }

    /// `a * b + c`
    #[inline(always)]
    pub fn f64(self, a: f64, b: f64, c: f64) -> f64 {
        if self.0 { a.mul_add(b, c) } else { a * b + c }
    }
}

/// The value of `|fused| call`, where `call` is compiled for every instruction set and the copy for the processor at
/// hand runs. `fused` is that one's multiply-add.
#[macro_export]
macro_rules! vectorized {
    (|$fused:pat_param| $call:expr) => {
        $crate::run(
            #[inline(always)]
            |$fused: $crate::Fused| $call,
        )
    };
}

/// See [`vectorized!`], which sees to it that `work` is inlined.
#[inline]
pub fn run<R>(work: impl FnOnce(Fused) -> R) -> R {
    match InstructionSet::detected() {
        // SAFETY: the processor at hand has what the function is compiled for.
        #[cfg(target_arch = "x86_64")]
        InstructionSet::X86V4 => unsafe { x86_v4(work) },
        // SAFETY: likewise.
        #[cfg(target_arch = "x86_64")]
        InstructionSet::X86V3 => unsafe { x86_v3(work) },
        _ => work(Fused(cfg!(any(target_feature = "fma", target_arch = "aarch64")))),
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,bmi1,bmi2,f16c,fma,lzcnt,movbe,popcnt")]
fn x86_v3<R>(work: impl FnOnce(Fused) -> R) -> R {
    work(Fused(true))
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx512cd,avx512dq,avx512vl")]
#[target_feature(enable = "avx2,bmi1,bmi2,f16c,fma,lzcnt,movbe,popcnt")]
fn x86_v4<R>(work: impl FnOnce(Fused) -> R) -> R {
    work(Fused(true))
}
